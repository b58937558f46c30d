//! Who somebody is: access keys, passwords, browsers, one-time links, other providers, and how often anybody may ask.
//!
//! `http` calls it with what a request brings and gets an actor. It compares no roles: what the actor may do is the authorization table's to say.

pub(crate) mod address;
pub(crate) mod browser;
pub(crate) mod cookie;
pub(crate) mod key;
pub(crate) mod link;
pub(crate) mod oidc;
pub(crate) mod password;
pub(crate) mod rate;
pub(crate) mod server_key;
pub(crate) mod signed;

use axum::http::{HeaderMap, header};
use madang_ids::{SigninId, UserId};
use madang_model::{
    Actor, Decision, Scopes,
    access::{Belonging, Rule},
};
use madang_store::{ServerKeyRecord, Store, StoreConfig, StoreError, UserRecord};
use madang_ticket::Signer;
use tokio::sync::{Semaphore, broadcast};

use crate::{
    ControlConfig,
    app::{App, Asker, Failure},
};
use address::Origin;
use oidc::Provider;
use password::Passwords;
use rate::Rates;
use server_key::{ServerKey, ServerKeyError};
use signed::UNJUDGED_MAX;

/// Whoever has fallen behind by more browsers that were signed out looks at its own instead.
const ENDED_HEARD_MAX: usize = 64;

/// What signing in needs, for the whole server.
#[derive(Debug)]
pub(crate) struct Signin {
    pub key: ServerKey,
    /// Signs rights that are checked elsewhere; every control process of an installation signs alike.
    pub tickets: Signer,
    pub passwords: Passwords,
    /// Turns of large bodies whose senders are not known yet.
    pub unjudged: Semaphore,
    pub rates: Rates,
    pub providers: Vec<Provider>,
    /// Browsers as they are signed out by this process.
    pub ended: broadcast::Sender<SigninId>,
}

/// Why nobody could sign in.
#[derive(Debug, thiserror::Error)]
pub enum SigninError {
    #[error(transparent)]
    Key(#[from] ServerKeyError),
    #[error("agreeing on the server's key")]
    Store(#[from] StoreError),
    #[error(
        "the server's key {path} is not the one that sealed what is in the database; put the right one there, or name it as \
         `key_file` in the configuration"
    )]
    OtherKey { path: String },
    #[error("the database's own key for sealing does not read back")]
    Spoilt,
    #[error("preparing to ask other providers: {0}")]
    Provider(String),
}

impl Signin {
    pub async fn load(config: &ControlConfig, store: &Store) -> Result<Self, SigninError> {
        let key = server_key(config, store).await?;
        let providers = config.providers.iter().cloned().map(Provider::new).collect::<Result<_, _>>();
        let providers = providers.map_err(|error| SigninError::Provider(error.to_string()))?;
        Ok(Self {
            tickets: Signer::from_seed(&key.derived("ticket", b"")),
            key,
            passwords: Passwords::new(),
            unjudged: Semaphore::new(UNJUDGED_MAX),
            rates: Rates::new(config.rates),
            providers,
            ended: broadcast::Sender::new(ENDED_HEARD_MAX),
        })
    }
}

/// The key in the file that was named or, for one server with its own database, in the home directory. Servers that share a database and were named
/// none keep it there: what is sealed is then only as safe as the database.
async fn server_key(config: &ControlConfig, store: &Store) -> Result<ServerKey, SigninError> {
    if config.key_file.is_none() && config.database.as_ref().is_some_and(StoreConfig::is_shared) {
        let text = ServerKey::make_hex();
        let key = ServerKey::from_hex(&text).ok_or(SigninError::Spoilt)?;
        let offered = ServerKeyRecord { fingerprint: key.fingerprint(), key: Some(text) };
        let agreed = store.server_key_agree(&offered).await?;
        let Some(text) = agreed.key else {
            return Err(SigninError::OtherKey { path: "(none named)".into() });
        };
        tracing::warn!(
            "secrets of access keys are sealed with a key in the same database; name a `key_file` to keep it elsewhere"
        );
        return ServerKey::from_hex(&text).ok_or(SigninError::Spoilt);
    }
    let path = config.key_file.clone().unwrap_or_else(|| config.home.join(server_key::FILE));
    let key = ServerKey::read_or_make(&path)?;
    let agreed = store.server_key_agree(&ServerKeyRecord { fingerprint: key.fingerprint(), key: None }).await?;
    if agreed.fingerprint == key.fingerprint() {
        Ok(key)
    } else {
        Err(SigninError::OtherKey { path: path.display().to_string() })
    }
}

impl App {
    /// Whether cookies may be marked for TLS alone: the browser reaches us so, by a proxy that says it or by the address we were told.
    pub fn is_secure(&self, origin: Origin) -> bool {
        origin.is_secure() || self.config.public_url.as_deref().is_some_and(|url| url.starts_with("https://"))
    }

    /// Our address as people know it.
    pub fn base_url(&self, headers: &HeaderMap, origin: Origin) -> String {
        // Behind the Unix socket the host that a request names leads nowhere.
        let own = self.config.public_url.is_some() || matches!(origin, Origin::Local { .. });
        if let Some(url) = self.own_url().filter(|_| own) {
            return url;
        }
        let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or("localhost");
        let scheme = if origin.is_secure() { "https" } else { "http" };
        format!("{scheme}://{host}")
    }

    /// Our address without a request to tell it: the one that we were told, else the one that we listen on.
    pub fn own_url(&self) -> Option<String> {
        let told = self.config.public_url.as_deref().map(|url| url.trim_end_matches('/').to_owned());
        told.or_else(|| self.config.listen.map(|address| format!("http://{address}")))
    }

    /// Whether the actor may know of what is a user's own: for lists.
    pub fn sees_user(&self, actor: &Actor, user: UserId) -> bool {
        let directory = self.people.now();
        let belonging = directory.users.get(&user).map(belonging);
        belonging.is_some_and(|user| actor.decide(Rule::UserSee, user) == Decision::Allow)
    }

    /// Asks for a user, or for what is the user's own. Nobody changes what belongs to somebody with more power.
    pub fn check_user(&self, asking: &Asker, user: UserId, not_found: impl Fn() -> Failure) -> Result<(), Failure> {
        let directory = self.people.now();
        let user = directory.users.get(&user).ok_or_else(&not_found)?;
        asking.check(belonging(user), not_found)?;
        if asking.reaches(user.role) { Ok(()) } else { Err(Failure::forbidden("this user may do more than you")) }
    }

    /// Refuses to make something that signs in with all of a user's rights to whoever has not got them all here.
    pub fn check_whole(&self, asking: &Asker) -> Result<(), Failure> {
        if Scopes::ALL.within(asking.scopes) {
            return Ok(());
        }
        Err(Failure::forbidden("this would allow more than what you signed in with; use something with every scope"))
    }

    /// The user of an id or a name, if the asker may; else as if there were none.
    pub fn user_asked(&self, asking: &Asker, named: &str) -> Result<UserId, Failure> {
        let not_found = || Failure::not_found("user");
        let directory = self.people.now();
        let by_id = named.parse().ok().and_then(|id| directory.users.get(&id));
        let user = by_id.or_else(|| directory.user_named(named)).map(|user| user.id).ok_or_else(not_found)?;
        self.check_user(asking, user, not_found)?;
        Ok(user)
    }
}

fn belonging(user: &UserRecord) -> Belonging {
    Belonging { user: Some(user.id), project: None, organization: user.organization }
}
