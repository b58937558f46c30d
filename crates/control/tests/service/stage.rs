//! People on a stage: two organizations, two projects, one of each role, and things that belong to one of them.

use std::{collections::BTreeMap, num::NonZeroU32};

use axum::http::Method;
use madang_ids::{BudgetId, FolderId, InvitationId, OrganizationId, ProjectId, RunId, SessionId, TokenId, UserId};
use madang_model::{
    Role, Scopes,
    access::{Relation, Thing},
};
use madang_store::{Store, TokenRecord};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::harness::{Answer, PATIENCE, World};

/// Name, organization, project, role in the organization, role in the project.
const PLAYERS: [(&str, &str, Option<&str>, Role, &str); 6] = [
    ("ada", "school", Some("maths"), Role::Member, "member"),
    ("ben", "school", Some("maths"), Role::Member, "member"),
    ("cleo", "school", Some("music"), Role::Member, "member"),
    ("mona", "school", Some("maths"), Role::Member, "project-manager"),
    ("otto", "club", None, Role::OrganizationAdministrator, "member"),
    ("orla", "school", None, Role::OrganizationAdministrator, "member"),
];
/// The system administrator, who comes last: what it may, it does.
pub const ROOT: &str = "root";

pub struct Stage {
    pub world: World,
    tokens: BTreeMap<&'static str, String>,
    school: String,
    maths: String,
    ada: String,
}

fn id(view: &Value) -> String {
    let id = view["id"].as_str().or(view["access_key"].as_str());
    id.unwrap_or_else(|| panic!("no id: {view}")).to_owned()
}

/// A name that nothing has.
pub fn unique() -> String {
    format!("n{}", RunId::new()).replace('_', "-")
}

impl Stage {
    pub async fn new() -> Self {
        let world = World::with(|config| config.rates.client_per_minute = NonZeroU32::MAX).await;
        let school = id(&world.post("/api/v1/organizations", json!({"name": "school"})).await.expect(201));
        world.post("/api/v1/organizations", json!({"name": "club"})).await.expect(201);
        let maths = json!({"name": "maths", "organization": "school"});
        let maths = id(&world.post("/api/v1/projects", maths).await.expect(201));
        world.post("/api/v1/projects", json!({"name": "music", "organization": "school"})).await.expect(201);
        let mut stage = Self { world, tokens: BTreeMap::new(), school, maths, ada: String::new() };
        stage.cast().await;
        stage
    }

    async fn cast(&mut self) {
        let config = self.world.home.database();
        let store = Store::open(&config).await.unwrap();
        for (name, organization, project, role, project_role) in PLAYERS {
            let user = json!({"name": name, "organization": organization, "project": project, "role": role.name()});
            let user = id(&self.world.post("/api/v1/users", user).await.expect(201));
            if project_role != "member" {
                let path = format!("/api/v1/projects/{}/members/{name}", self.maths);
                self.world.put(&path, json!({"role": project_role})).await.expect(200);
            }
            if name == "ada" {
                user.clone_into(&mut self.ada);
            }
            let secret = format!("mdt_{name}_{user}");
            let record = TokenRecord {
                id: TokenId::new(),
                owner: user.parse().unwrap(),
                name: "stage".into(),
                hash: Sha256::digest(&secret).iter().map(|byte| format!("{byte:02x}")).collect(),
                scopes: Scopes::ALL,
                created_ms: 1,
                expires_ms: None,
            };
            store.token_insert(&record).await.unwrap();
            self.tokens.insert(name, secret);
        }
        self.tokens.insert(ROOT, self.world.token.clone());
        for name in self.players() {
            self.known(name).await;
        }
    }

    /// Waits until the server has heard of the player's token.
    async fn known(&self, name: &str) {
        let began = std::time::Instant::now();
        while self.send(name, Method::GET, "/api/v1/me", Value::Null).await.status != 200 {
            assert!(began.elapsed() < PATIENCE, "the server does not hear of {name}");
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    }

    pub fn token(&self, name: &str) -> &str {
        &self.tokens[name]
    }

    /// Everybody, in the order of their entries.
    pub fn players(&self) -> Vec<&'static str> {
        PLAYERS.iter().map(|player| player.0).chain([ROOT]).collect()
    }

    pub fn role(&self, name: &str) -> Role {
        PLAYERS.iter().find(|player| player.0 == name).map_or(Role::SystemAdministrator, |player| player.3)
    }

    /// How a player stands to what is ada's, or around her.
    pub fn relation(&self, name: &str, thing: Thing) -> Relation {
        let work = matches!(thing, Thing::Session | Thing::Run);
        let own = work
            || matches!(
                thing,
                Thing::User
                    | Thing::Token
                    | Thing::AccessKey
                    | Thing::SshKey
                    | Thing::Budget
                    | Thing::Folder
                    | Thing::Image
                    | Thing::Invitation
            );
        let in_project = work || thing == Thing::Project;
        match name {
            "ada" if own => Relation::Own,
            "mona" if in_project => Relation::Managed,
            "ada" | "ben" if in_project => Relation::Shared,
            "otto" | ROOT => Relation::Foreign,
            _ => Relation::Organization,
        }
    }

    pub async fn send(&self, name: &str, method: Method, path: &str, body: Value) -> Answer {
        self.world.send_as(&self.tokens[name], method, path, body).await
    }

    /// A thing that belongs to ada or is around her, new where it is one that can be used up.
    pub async fn thing(&self, thing: Thing) -> String {
        let (path, body, status) = match thing {
            Thing::Organization => return self.school.clone(),
            Thing::Project => return self.maths.clone(),
            Thing::User => return self.ada.clone(),
            Thing::Session => ("/api/v1/sessions", json!({"language": "sim"}), 201),
            Thing::Run => ("/api/v1/run", json!({"language": "sim", "code": "print x", "wait": true}), 200),
            Thing::Token => ("/api/v1/tokens", json!({"name": "t"}), 201),
            Thing::AccessKey => ("/api/v1/access-keys", json!({"name": "k"}), 201),
            Thing::SshKey => ("/api/v1/ssh-keys", json!({"public_key": crate::ssh_key::fresh()}), 201),
            Thing::Budget => ("/api/v1/budgets", json!({"period": "total", "limit_micro": 1_000_000_000_000_u64}), 201),
            Thing::Folder => ("/api/v1/folders", json!({"name": unique()}), 201),
            Thing::Image => return self.image().await,
            Thing::Invitation => return self.invitation().await,
            Thing::Nothing | Thing::Browser => panic!("{thing:?} has no sample"),
        };
        id(&self.send("ada", Method::POST, path, body).await.expect(status))
    }

    /// Made of a session of ada's, which has ended.
    async fn image(&self) -> String {
        let session =
            id(&self.send("ada", Method::POST, "/api/v1/sessions", json!({"language": "sim"})).await.expect(201));
        let path = format!("/api/v1/sessions/{session}/commit");
        let made = self.send("ada", Method::POST, &path, json!({"name": unique()})).await.expect(201);
        self.send("ada", Method::DELETE, &format!("/api/v1/sessions/{session}"), Value::Null).await.expect(200);
        made["image"]["committed"]["id"].as_str().expect("an id").to_owned()
    }

    /// To ada, by ben.
    async fn invitation(&self) -> String {
        let folder = json!({"name": unique()});
        let folder = id(&self.send("ben", Method::POST, "/api/v1/folders", folder).await.expect(201));
        let path = format!("/api/v1/folders/{folder}/invitations");
        let body = json!({"user": "ada", "permission": "read"});
        id(&self.send("ben", Method::POST, &path, body).await.expect(201))
    }

    /// An id of the same kind that nothing has.
    pub fn missing(&self, thing: Thing) -> String {
        match thing {
            Thing::Organization => OrganizationId::new().to_string(),
            Thing::Project => ProjectId::new().to_string(),
            Thing::User => UserId::new().to_string(),
            Thing::Session => SessionId::new().to_string(),
            Thing::Run => RunId::new().to_string(),
            Thing::Token => TokenId::new().to_string(),
            Thing::Budget => BudgetId::new().to_string(),
            Thing::Folder => FolderId::new().to_string(),
            Thing::Invitation => InvitationId::new().to_string(),
            Thing::Image => madang_ids::ImageId::new().to_string(),
            Thing::SshKey => madang_ids::SshKeyId::new().to_string(),
            Thing::AccessKey => "MDAK00000000000000000000".to_owned(),
            Thing::Nothing | Thing::Browser => panic!("{thing:?} has no sample"),
        }
    }
}
