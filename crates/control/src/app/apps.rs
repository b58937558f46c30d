//! Apps of sessions: started and ended on the node, opened by a ticket that the proxy checks.

use std::collections::BTreeMap;

use madang_ids::{AppId, SandboxId};
use madang_model::WebOrigin;
use madang_node_api::{AppConnection, AppOffered, AppSeen, AppSpec, AppState, NodeError, PORT_APP};
use madang_public_api::{
    AppCreate, AppOffer, AppView, Timestamp,
    app::{AppLife, AppSpeaks},
    bounds,
};
use madang_ticket::{Right, Ticket};

use super::{
    App, Asker, Failure,
    validate::{at_most, c_text, environment, words},
};
use crate::clock::now_ms;

/// How long an address opens its app; whoever wants it longer asks again.
const TICKET_MS: u64 = 12 * 3_600_000;

/// Whose pages may show apps in frames, and which frames those pages may have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Framing {
    pub embedder: WebOrigin,
    /// What the pages' policy calls the apps' origins.
    pub source: String,
}

impl App {
    /// None where pages of ours have no origin that is known and none of the apps'.
    pub(crate) fn framing(&self) -> Option<Framing> {
        let embedder: WebOrigin = self.own_url()?.parse().ok()?;
        let source = self.config.apps.as_ref()?.frame_source(&embedder)?;
        Some(Framing { embedder, source })
    }

    /// What sessions can open; an unavailable one says why.
    pub fn app_offers(&self) -> BTreeMap<String, AppOffer> {
        self.node.facts().apps.into_iter().map(|offered| (offered.name.clone(), offer(offered))).collect()
    }

    /// The app that a session will open first, if one can here.
    pub fn app_wanted(&self, name: Option<&str>) -> Result<Option<AppOffered>, Failure> {
        let Some(name) = name else { return Ok(None) };
        c_text("app", name, bounds::NAME_CHARS_MAX, "NAME_CHARS_MAX")?;
        let known = self.node.facts().apps;
        let offered = known.into_iter().find(|offered| offered.name == name);
        let offered = offered.ok_or_else(|| Failure::invalid("app", "there is no such app; `GET /apps` lists them"))?;
        match &offered.unavailable {
            Some(why) => Err(Failure::invalid("app", format!("{name} cannot be opened here: {why}"))),
            None => Ok(Some(offered)),
        }
    }

    /// Starts an app, or finds it, and says where it opens.
    pub async fn app_create(&self, asker: &Asker, sandbox: SandboxId, create: AppCreate) -> Result<AppView, Failure> {
        let spec = checked(create)?;
        let seen = self.node.app_start(sandbox, spec).await.map_err(unanswered)?;
        let expires_ms = now_ms() + TICKET_MS;
        let right = Right::App { app: seen.id, sandbox, protocol: seen.protocol, prefix: seen.prefix };
        let ticket = self.signin.tickets.sign(&Ticket { user: asker.user, right, expires_ms });
        let direct = self.fleet.apps_at(sandbox);
        let at = direct.as_ref().or(self.config.apps.as_ref());
        let url = at.map(|at| format!("{}{}?ticket={ticket}", at.app_url(seen.id, seen.prefix), seen.path));
        // What a node's own proxy says of frames it was not told by us.
        let embedder =
            url.as_ref().filter(|_| direct.is_none()).and_then(|_| Some(self.framing()?.embedder.to_string()));
        let expires_at = url.as_ref().map(|_| Timestamp(expires_ms));
        let none = || "this server has no address for apps (apps_listen)".to_owned();
        let no_url = url.is_none().then(none);
        Ok(AppView { url, expires_at, embedder, no_url, ..view(seen) })
    }

    /// Those of a sandbox, as they are now.
    pub async fn app_list(&self, sandbox: SandboxId) -> Result<Vec<AppView>, Failure> {
        Ok(self.node.apps(sandbox).await?.into_iter().map(view).collect())
    }

    pub async fn app_remove(&self, sandbox: SandboxId, app: AppId) -> Result<(), Failure> {
        Ok(self.node.app_stop(sandbox, app).await?)
    }

    /// A connection to what listens on a port of the sandbox's loopback.
    pub async fn port_connect(&self, sandbox: SandboxId, port: u16) -> Result<AppConnection, Failure> {
        self.node.port_connect(sandbox, port).await.map_err(unanswered)
    }
}

/// Nothing that another attempt at once would help: a program of the session does not do what it should.
fn unanswered(error: NodeError) -> Failure {
    match error {
        NodeError::Unavailable(why) => Failure::conflict(why),
        error => error.into(),
    }
}

fn checked(create: AppCreate) -> Result<AppSpec, Failure> {
    let AppCreate { name, port, protocol, arguments, env } = create;
    c_text("name", &name, bounds::NAME_CHARS_MAX, "NAME_CHARS_MAX")?;
    if name.is_empty() {
        return Err(Failure::invalid("name", "which app? `GET /apps` lists them"));
    }
    if port == Some(0) || (name == PORT_APP && port.is_none()) {
        return Err(Failure::invalid("port", "`port` is between 1 and 65535, and must be there for the app `port`"));
    }
    if name != PORT_APP && protocol.is_some() {
        return Err(Failure::invalid("protocol", "what this app speaks is known; only `port` has a choice"));
    }
    if name == PORT_APP && !(arguments.is_empty() && env.is_empty()) {
        return Err(Failure::invalid("arguments", "`port` starts no program that could have arguments"));
    }
    at_most("arguments", arguments.len(), bounds::APP_ARGUMENTS_MAX, "APP_ARGUMENTS_MAX")?;
    words("arguments", &arguments)?;
    environment(&env)?;
    let bytes = arguments.iter().chain(env.keys()).chain(env.values()).map(|word| word.len() + 8).sum();
    at_most("arguments", bytes, bounds::APP_WORDS_BYTES_MAX, "APP_WORDS_BYTES_MAX")?;
    let protocol = protocol.map(|speaks| match speaks {
        AppSpeaks::Http => madang_model::AppProtocol::Http,
        AppSpeaks::Tcp => madang_model::AppProtocol::Tcp,
    });
    Ok(AppSpec { id: AppId::new(), name, port, protocol, arguments, env })
}

fn speaks(protocol: madang_model::AppProtocol) -> AppSpeaks {
    match protocol {
        madang_model::AppProtocol::Http => AppSpeaks::Http,
        madang_model::AppProtocol::Tcp => AppSpeaks::Tcp,
    }
}

fn offer(offered: AppOffered) -> AppOffer {
    AppOffer {
        name: offered.name,
        title: offered.title,
        protocol: speaks(offered.protocol),
        memory_bytes: offered.memory_bytes,
        available: offered.unavailable.is_none(),
        unavailable: offered.unavailable,
    }
}

fn view(seen: AppSeen) -> AppView {
    let (state, status) = match seen.state {
        AppState::Running => (AppLife::Running, None),
        AppState::Ended { status } => (AppLife::Ended, Some(status)),
    };
    AppView {
        id: seen.id,
        name: seen.name,
        protocol: speaks(seen.protocol),
        port: seen.port,
        state,
        status,
        url: None,
        expires_at: None,
        embedder: None,
        no_url: None,
    }
}
