//! Folders: storage that outlives sessions.
//!
//! Two halves meet in [`Roots`]: *volumes* know where a folder's bytes are and hold its owner to a quota; *transfers* move bytes in and out
//! of a folder over HTTP for whoever holds a ticket. Nothing here knows who may do what: control signs tickets, and they are checked.

mod door;
pub mod http;
mod rename;
mod share;
pub mod transfer;
pub mod tree;
mod volume;

use std::os::fd::OwnedFd;

pub use door::{Door, Passing};
pub use http::{Clock, Elsewhere, Served, Stream, router};
use madang_ids::FolderId;

pub use volume::{Holding, Lent, QUOTA_BYTES_MAX, QUOTA_FILES_MAX, Sharing, Volumes};

/// Where folders are: what a transfer asks of a volume.
pub trait Roots: Send + Sync + 'static {
    /// What whoever changes something in the folder passes; asked for before the folder is opened. Blocking.
    fn door(&self, folder: FolderId) -> Result<Door, StorageError>;

    /// The top directory of a folder, opened for resolving paths beneath it (`O_PATH`). Blocking.
    fn root(&self, folder: FolderId) -> Result<OwnedFd, StorageError>;

    /// A directory of this folder alone for what is not yet, or no longer, a part of it: beside the folder, so that nobody who has the
    /// folder mounted sees it; through the same mount as [`Roots::root`], so that a rename goes from one to the other; in the quota of the
    /// folder's owner; writable for the ids that guests have (1000). Made where it is not there. Blocking.
    fn staging(&self, folder: FolderId) -> Result<OwnedFd, StorageError>;
}

/// What may go wrong with a folder, by what the caller can do about it.
#[derive(Debug, thiserror::Error)]
pub enum StorageError {
    /// The request makes no sense: a path that leaves the folder, a name that cannot be.
    #[error("{0}")]
    Invalid(String),
    #[error("{0} not found")]
    NotFound(String),
    #[error("{0}")]
    Conflict(String),
    /// The permission bits of a file or directory are against it.
    #[error("{0}")]
    Denied(String),
    /// What came is not what it was said to be.
    #[error("{0}")]
    Mismatch(String),
    /// What came ended before its end.
    #[error("{0}")]
    Broken(String),
    /// As many as may be at once; some will end.
    #[error("{0}")]
    Limit(String),
    /// The owner's quota is used up.
    #[error("{0}")]
    Full(String),
    /// The folder cannot be reached now.
    #[error("{0}")]
    Unavailable(String),
    #[error("{doing}: {source}")]
    Io { doing: String, source: std::io::Error },
}
