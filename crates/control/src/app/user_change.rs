//! Changes of users and tokens.

use madang_ids::{TokenId, UserId};
use madang_model::{ProjectRole, Role, Scope, Scopes};
use madang_public_api::{TokenCreate, TokenMade, TokenView, UserChange, UserCreate, UserView, bounds};
use madang_store::{MembershipRecord, TOKEN_IN_FILE, TokenRecord, UserRecord};

use super::{App, Asker, Failure, identity::hash_hex, people_view::token_view, validate};
use crate::clock::now_ms;

const SECRET_BYTES: usize = 32;
/// No token is so short-lived that it could not be used.
const TOKEN_MS_MIN: u64 = 1_000;

impl App {
    pub async fn user_create(&self, asker: &Asker, request: UserCreate) -> Result<UserView, Failure> {
        let organization = self.organization_meant(asker, request.organization.as_deref())?;
        validate::session_name(&request.name)?;
        let role = self.role_given(asker, request.role.as_deref().unwrap_or(Role::Member.name()))?;
        let people = self.people.now();
        let project = match request.project.as_deref() {
            None => None,
            Some(text) => {
                let missing = || Failure::invalid("project", format!("the organization has no project `{text}`"));
                Some(people.project_in(organization.id, text).ok_or_else(missing)?.id)
            }
        };
        let record = UserRecord {
            id: UserId::new(),
            organization: organization.id,
            name: request.name,
            email: email(request.email)?,
            role,
            project,
            policy: self.policy_named(request.policy)?,
            created_ms: now_ms(),
            suspended_ms: None,
            archived_ms: None,
        };
        self.store.user_insert(&record).await?;
        if let Some(project) = project {
            let created_ms = record.created_ms;
            let membership = MembershipRecord { project, user: record.id, role: ProjectRole::Member, created_ms };
            self.store.membership_set(&membership).await?;
        }
        Ok(self.people_changed().await?.user_view(&record))
    }

    pub async fn user_change(&self, asker: &Asker, seen: UserRecord, change: UserChange) -> Result<UserView, Failure> {
        self.check_reach(asker, &seen)?;
        let mut record = seen.clone();
        if record.id == asker.user && (change.suspended == Some(true) || change.role.is_some()) {
            return Err(Failure::conflict("nobody takes their own rights away: ask another administrator"));
        }
        if let Some(name) = change.name {
            validate::session_name(&name)?;
            record.name = name;
        }
        if let Some(given) = change.email {
            record.email = email(Some(given))?;
        }
        if let Some(role) = change.role {
            record.role = self.role_given(asker, &role)?;
        }
        if let Some(text) = change.project {
            record.project = Some(self.project_of_member(record.id, &text)?);
        }
        if let Some(policy) = change.policy {
            record.policy = self.policy_named(Some(policy))?;
        }
        match change.suspended {
            Some(true) => record.suspended_ms = record.suspended_ms.or(Some(now_ms())),
            Some(false) => record.suspended_ms = None,
            None => {}
        }
        self.store.user_update(&seen, &record, now_ms()).await?;
        Ok(self.people_changed().await?.user_view(&record))
    }

    pub async fn user_archive(&self, asker: &Asker, seen: UserRecord) -> Result<UserView, Failure> {
        self.check_reach(asker, &seen)?;
        let mut record = seen.clone();
        if record.id == asker.user || record.id == madang_model::person::ADMINISTRATOR {
            return Err(Failure::conflict("nobody archives themselves, nor the first administrator"));
        }
        record.archived_ms = record.archived_ms.or(Some(now_ms()));
        self.store.user_update(&seen, &record, now_ms()).await?;
        Ok(self.people_changed().await?.user_view(&record))
    }

    /// A token of the asker's own. It can do no more than what the asker has signed in with.
    pub async fn token_create(&self, asker: &Asker, request: TokenCreate) -> Result<TokenMade, Failure> {
        validate::session_name(&request.name)?;
        if request.name.starts_with(TOKEN_IN_FILE) {
            return Err(Failure::invalid("name", "names that begin so belong to the tokens in servers' own files"));
        }
        let scopes = request.scopes.unwrap_or_else(|| [Scope::Read, Scope::Run].into_iter().collect());
        if scopes == Scopes::default() || !scopes.within(asker.scopes) {
            let has = asker.scopes;
            return Err(Failure::invalid("scopes", format!("a token has one scope at least, of yours: {has}")));
        }
        let lives_ms = request.expires_in_ms.unwrap_or(bounds::TOKEN_MS_DEFAULT);
        if !(TOKEN_MS_MIN..=bounds::TOKEN_MS_MAX).contains(&lives_ms) {
            let max = bounds::TOKEN_MS_MAX;
            return Err(Failure::invalid("expires_in_ms", format!("a token lives {TOKEN_MS_MIN} to {max} ms")));
        }
        let own = self.people.now().tokens.values().filter(|token| token.owner == asker.user).count();
        validate::at_most("tokens", own + 1, bounds::TOKENS_MAX, "TOKENS_MAX")?;
        let secret = secret()?;
        let now = now_ms();
        let record = TokenRecord {
            id: TokenId::new(),
            owner: asker.user,
            name: request.name,
            hash: hash_hex(secret.as_bytes()),
            scopes,
            created_ms: now,
            expires_ms: Some(now.saturating_add(lives_ms)),
        };
        self.store.token_insert(&record).await?;
        self.people_changed().await?;
        Ok(TokenMade { token: token_view(&record), secret })
    }

    pub async fn token_revoke(&self, record: TokenRecord) -> Result<TokenView, Failure> {
        self.store.token_remove(record.id).await?;
        self.people_changed().await?;
        Ok(token_view(&record))
    }

    fn role_given(&self, asker: &Asker, name: &str) -> Result<Role, Failure> {
        let role = Role::from_name(name).ok_or_else(|| {
            let names = Role::ALL.map(Role::name).join("`, `");
            Failure::invalid("role", format!("a role is one of `{names}`"))
        })?;
        if asker.reaches(role) { Ok(role) } else { Err(Failure::forbidden("nobody gives a role above their own")) }
    }

    pub(super) fn check_reach(&self, asker: &Asker, user: &UserRecord) -> Result<(), Failure> {
        if asker.reaches(user.role) { Ok(()) } else { Err(Failure::forbidden("this user's role is above yours")) }
    }

    fn project_of_member(&self, user: UserId, text: &str) -> Result<madang_ids::ProjectId, Failure> {
        let people = self.people.now();
        let mut own = people.memberships.get(&user).into_iter().flat_map(|roles| roles.keys());
        let named = |id: &&madang_ids::ProjectId| {
            people.projects.get(id).is_some_and(|record| record.name == text || id.to_string() == text)
        };
        let found = own.find(named).copied();
        found.ok_or_else(|| Failure::invalid("project", format!("the user is in no project `{text}`")))
    }
}

fn email(given: Option<String>) -> Result<Option<String>, Failure> {
    let Some(text) = given.filter(|text| !text.is_empty()) else { return Ok(None) };
    validate::at_most("email", text.chars().count(), bounds::EMAIL_CHARS_MAX, "EMAIL_CHARS_MAX")?;
    let plain = text.chars().all(|c| !c.is_whitespace() && !c.is_control());
    match text.split_once('@') {
        Some((local, domain)) if plain && !local.is_empty() && !domain.is_empty() => Ok(Some(text)),
        _ => Err(Failure::invalid("email", "this is no e-mail address")),
    }
}

fn secret() -> Result<String, Failure> {
    let mut random = [0; SECRET_BYTES];
    getrandom::fill(&mut random).map_err(|error| Failure::internal("making a secret", std::io::Error::other(error)))?;
    Ok(random.iter().fold(String::from("mdt_"), |text, byte| text + &format!("{byte:02x}")))
}
