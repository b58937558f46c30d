//! Rust client of the public API.
//!
//! Called by `cli` and `bench`, and by whoever writes Rust against a Madang server. It speaks HTTP/1.1 itself over TCP or the
//! server's Unix socket and keeps connections alive; it never starts a server, never retries what may have been executed, and never
//! prints. Start at [`Client::discover`], then [`Client::run`]; [`endpoint`] says where a server is looked for.

mod at;
mod attach;
mod client;
mod endpoint;
mod error;
mod files;
mod folder_files;
mod routes;
mod signing;
mod stream;
mod transport;

pub use at::At;
pub use attach::{AttachedInput, AttachedOutput, Attachment, Said};
pub use client::Client;
pub use endpoint::{Endpoint, EndpointError, Place, data_home};
pub use error::ClientError;
pub use files::FileBytes;
pub use folder_files::{FolderEntry, FolderEntryKind, FolderFiles, FolderFound, FolderPage, Packing, Progress};
pub use routes::{Trash, path_encoded};
pub use signing::AccessKey;
pub use stream::RunStream;
