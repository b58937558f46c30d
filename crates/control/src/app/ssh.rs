//! What comes in over SSH: whose key it is, which session is meant, and when that is over.

use std::sync::Arc;

use async_trait::async_trait;
use madang_gateway::{Admitted, Door, Guest, HostKey, PublicKey};
use madang_ids::{AuditId, SandboxId};
use madang_model::{Actor, SignedInBy, access::table};
use madang_node_api::{AppConnection, ExecHandle, ExecSpec};
use madang_store::AuditRecord;

use super::{App, Asker, Failure, Stage, live_session::LiveSession};
use crate::clock::now_ms;

/// Who may be in a session by SSH: whoever may have a terminal there.
const OPERATION: &str = "session_terminal";
/// As the audit log calls it.
const NOTED_AS: &str = "ssh_open";
const HOST_KEY: &str = "ssh-host";

impl App {
    /// What the gateway shows of itself: the same over every start, and for every process that has the server's key.
    pub(crate) fn ssh_host_key(&self) -> HostKey {
        HostKey::from_seed(&self.signin.key.derived(HOST_KEY, b""))
    }

    fn ssh_actor(&self, key: &PublicKey) -> Option<Actor> {
        let people = self.people.now();
        let record = people.ssh_keys.get(&key.fingerprint())?;
        people.actor(record.owner, SignedInBy::SshKey(record.id))
    }

    /// The session that a login means: its name or id, and behind a dot one of its sandboxes.
    async fn ssh_session(self: &Arc<Self>, actor: Actor, login: &str) -> Result<SshGuest, Failure> {
        let row = table::ROWS.iter().find(|row| row.operation == OPERATION);
        let row = row.ok_or_else(|| Failure::not_found("session"))?;
        let asker = Asker::new(actor, row)?;
        let (id, sandbox) = match (self.session_id(&asker, login).await, login.rsplit_once('.')) {
            (Err(_), Some((name, sandbox))) => (self.session_id(&asker, name).await?, Some(sandbox)),
            (found, _) => (found?, None),
        };
        if self.session_live(id).is_none()
            && let Some(record) = self.store.session_get(id).await?
            && record.life.is_live()
        {
            return Err(Failure::conflict("another control process leads this session: connect to that one"));
        }
        let session = self.session_usable(id).await?;
        self.session_awake(&session).await?;
        let sandbox = session.sandbox(sandbox)?;
        self.node_awaited(sandbox).await;
        if asker.inside().is_some() {
            self.ssh_note(&asker, login).await?;
        }
        Ok(SshGuest { app: Arc::clone(self), asker, session, sandbox })
    }

    /// That somebody goes into what is another's is known before they are there.
    async fn ssh_note(&self, asker: &Asker, login: &str) -> Result<(), Failure> {
        let via = match &asker.by {
            SignedInBy::SshKey(id) => format!("ssh key {id}"),
            _ => String::new(),
        };
        let entry = AuditRecord {
            id: AuditId::new(),
            at_ms: now_ms(),
            actor: Some(asker.user),
            name: asker.name.clone(),
            organization: Some(asker.organization),
            via,
            address: "ssh".to_owned(),
            operation: NOTED_AS.to_owned(),
            path: login.to_owned(),
            subject: asker.inside().map(|owner| owner.to_string()),
            status: 200,
            code: None,
            request: String::new(),
        };
        Ok(self.store.audit_append(entry).await?)
    }
}

/// The application, as the gateway sees it.
pub(crate) struct SshDoor(pub Arc<App>);

#[async_trait]
impl Door for SshDoor {
    async fn knows(&self, key: &PublicKey) -> bool {
        self.0.ssh_actor(key).is_some()
    }

    async fn admit(&self, login: &str, key: &PublicKey) -> Option<Admitted> {
        let actor = self.0.ssh_actor(key)?;
        let user = actor.user.to_string();
        let guest = self.0.ssh_session(actor, login).await;
        let guest = guest.map(|guest| Arc::new(guest) as Arc<dyn Guest>).map_err(|failure| failure.detail);
        Some(Admitted { user, guest })
    }
}

struct SshGuest {
    app: Arc<App>,
    asker: Asker,
    session: Arc<LiveSession>,
    sandbox: SandboxId,
}

impl SshGuest {
    /// Whoever starts something in a suspended session uses it: that resumes it.
    async fn ready(&self) -> Result<(), Failure> {
        self.app.session_awake(&self.session).await?;
        // One that is suspended again since is thawed by what is done in it.
        self.session.up()?;
        self.session.touch();
        Ok(())
    }
}

#[async_trait]
impl Guest for SshGuest {
    async fn exec(&self, spec: ExecSpec) -> Result<ExecHandle, String> {
        self.ready().await.map_err(|failure| failure.detail)?;
        self.app.node.exec_start(self.sandbox, spec).await.map_err(|error| error.to_string())
    }

    async fn connect(&self, port: u16) -> Result<AppConnection, String> {
        self.ready().await.map_err(|failure| failure.detail)?;
        self.app.node.port_connect(self.sandbox, port).await.map_err(|error| error.to_string())
    }

    fn used(&self) {
        self.session.touch();
    }

    async fn over(&self) -> String {
        tokio::select! {
            () = self.session.over() => "the session has ended".to_owned(),
            () = self.app.signed_out(&self.asker) => "you are not signed in any more".to_owned(),
            () = self.app.reached(Stage::Stopping) => "the server is stopping".to_owned(),
        }
    }
}
