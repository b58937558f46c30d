//! SSH into sessions: takes connections, checks who has which key, and carries programs and forwarded ports.
//!
//! `control` calls [`serve`] with a [`Door`] that knows keys and sessions; what a connection then does goes through a [`Guest`]. The gateway
//! itself knows neither people nor nodes, keeps nothing, and never offers more than a public key to sign in with. Start at [`Door`].

mod channel;
mod connection;
mod gate;
mod key;
mod listen;
mod places;
mod terminal;

use std::{fmt, sync::Arc};

use async_trait::async_trait;
use madang_node_api::{AppConnection, ExecHandle, ExecSpec};

pub use key::{HostKey, KeyError, PublicKey};
pub use listen::serve;

/// Who knows keys and sessions.
#[async_trait]
pub trait Door: Send + Sync + 'static {
    /// Whether anybody signs in with this key. Asked before the client has shown that the key is its own.
    async fn knows(&self, key: &PublicKey) -> bool;
    /// The client has shown that the key is its own, and asks for what it calls `login`. None: nobody's key.
    async fn admit(&self, login: &str, key: &PublicKey) -> Option<Admitted>;
}

/// Somebody who has signed in.
pub struct Admitted {
    /// Whoever it is, always called the same: connections are counted by it.
    pub user: String,
    /// What was asked for, or why that cannot be: told to whoever tries to use it.
    pub guest: Result<Arc<dyn Guest>, String>,
}

impl fmt::Debug for Admitted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Admitted").field("refused", &self.guest.as_ref().err()).finish_non_exhaustive()
    }
}

/// Somebody inside a session.
#[async_trait]
pub trait Guest: Send + Sync + 'static {
    /// Starts a program.
    async fn exec(&self, spec: ExecSpec) -> Result<ExecHandle, String>;
    /// Connects to a port of the session's own loopback.
    async fn connect(&self, port: u16) -> Result<AppConnection, String>;
    /// Bytes went through just now.
    fn used(&self);
    /// Returns, with the reason, once the connection must end.
    async fn over(&self) -> String;
}
