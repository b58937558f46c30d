//! The control plane: HTTP at the rim, the application inside, tasks that keep the world as it is wanted.
//!
//! `cli` builds one with [`Server::build`] and a node; it serves the public API over TCP and a Unix socket. It holds no truth about
//! processes: the store keeps what is wanted, the node reports what is seen. It never touches the kernel's isolation and never
//! depends on `node`. Start at [`Server`]; then `http` for what a client can ask, `app` for what is done, `tasks` for what happens by itself.

mod admin_token;
mod app;
mod clock;
mod cluster_key;
mod config;
mod connection;
mod entrance;
mod http;
mod listen;
mod server;
mod signin;
mod tasks;

pub use app::{
    fleet::{Fleet, Member, MemberState},
    folder_finder::FolderFinder,
};
pub use config::ControlConfig;
pub use entrance::EntranceError;
pub use http::openapi;
pub use listen::listen;
pub use server::{Running, ServeError, Server, StartError, StopHandle};
pub use signin::{
    SigninError,
    address::{AddressRange, AddressRangeError},
    oidc::ProviderConfig,
    rate::RateLimits,
    server_key::ServerKeyError,
};
