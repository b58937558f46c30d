//! What may go wrong, by what the caller can do about it. Content that is not as it must be has a named reason: [`Refusal`].

use std::{
    io,
    path::{Path, PathBuf},
};

use crate::digest::Digest;

/// Why an image operation failed.
#[derive(Debug, thiserror::Error)]
pub enum ImageError {
    /// The content is hostile, damaged or of a kind that is not supported. Nothing of it is kept.
    #[error("refused {subject}: {refusal}")]
    Refused { subject: String, refusal: Refusal },
    #[error("image {0} not found")]
    NotFound(String),
    /// The request makes no sense: a bad name or reference.
    #[error("{0}")]
    Invalid(String),
    /// Another process has the store open.
    #[error("the image store {} is in use by another process", .0.display())]
    Busy(PathBuf),
    /// The registry says no: wrong or missing credentials.
    #[error("{0}")]
    Denied(String),
    /// The registry cannot be reached or does not answer as it should; trying later may help.
    #[error("{0}")]
    Unavailable(String),
    #[error("{action} {}: {source}", path.display())]
    Io { action: &'static str, path: PathBuf, source: io::Error },
}

impl ImageError {
    pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> ImageError {
        let path = path.to_owned();
        move |source| ImageError::Io { action, path, source }
    }

    pub(crate) fn refused(subject: impl Into<String>) -> impl FnOnce(Refusal) -> ImageError {
        let subject = subject.into();
        move |refusal| ImageError::Refused { subject, refusal }
    }

    /// The named reason, where the content was refused.
    #[must_use]
    pub fn refusal(&self) -> Option<&Refusal> {
        match self {
            ImageError::Refused { refusal, .. } => Some(refusal),
            _ => None,
        }
    }
}

/// Why content was refused. One variant for each thing a hostile archive may try.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    // Names.
    #[error("the name {0:?} is absolute")]
    AbsoluteName(String),
    #[error("the name {0:?} contains `..`")]
    ParentInName(String),
    #[error("a name is not UTF-8: {0:?}")]
    NameNotUtf8(String),
    #[error("the name {0:?} contains a NUL byte")]
    NameWithNul(String),
    #[error("a name is empty")]
    EmptyName,
    #[error("a name is longer than {0} bytes")]
    NameTooLong(usize),
    #[error("a name has more than {0} parts")]
    NameTooDeep(usize),
    // Kinds of entries.
    #[error("{0:?} is a device node")]
    DeviceNode(String),
    #[error("{0:?} is a named pipe")]
    NamedPipe(String),
    #[error("{0:?} is a sparse file")]
    Sparse(String),
    #[error("{name:?} is of the unknown kind {kind:?}")]
    UnknownKind { name: String, kind: char },
    #[error("{0:?} appears twice")]
    Duplicate(String),
    #[error("{0:?} is no valid whiteout")]
    BadWhiteout(String),
    // Links and paths.
    #[error("the link {name:?} leads out of the image: {target:?}")]
    LinkLeadsOut { name: String, target: String },
    #[error("the target of the link {0:?} is empty, too long, not UTF-8 or contains a NUL byte")]
    BadLinkTarget(String),
    #[error("the hard link {name:?} names no regular file of its layer: {target:?}")]
    HardLinkTarget { name: String, target: String },
    #[error("{0:?} goes through something that is not a directory")]
    ThroughNonDirectory(String),
    // Amounts.
    #[error("more than {0} entries")]
    TooManyEntries(u64),
    #[error("{name:?} is larger than {max} bytes")]
    FileTooLarge { name: String, max: u64 },
    #[error("it unpacks to more than {0} bytes")]
    TooLarge(u64),
    #[error("it unpacks to more than {0} times its size")]
    CompressionBomb(u64),
    #[error("more than {0} layers")]
    TooManyLayers(usize),
    // Damage.
    #[error("a tar header is invalid: {0}")]
    BadHeader(&'static str),
    #[error("it ends early")]
    Truncated,
    #[error("its compression is invalid: {0}")]
    BadCompression(String),
    #[error("its digest is {actual}, {expected} was promised")]
    DigestMismatch { expected: Digest, actual: Digest },
    #[error("its size is not the promised {expected} bytes")]
    SizeMismatch { expected: u64 },
    // Documents.
    #[error("{0:?} is no sha256 digest")]
    BadDigest(String),
    #[error("{what} is no valid document: {why}")]
    BadDocument { what: String, why: String },
    #[error("{0} is missing")]
    Missing(String),
    #[error("its media type {0:?} is not supported")]
    UnsupportedMedia(String),
    #[error("it has nothing for this machine ({wanted}); it has: {found}")]
    NoPlatform { wanted: String, found: String },
}

impl From<Refusal> for io::Error {
    /// Lets a reader that found something wrong say so through [`io::Read`]; [`refusal_of`] gets it back.
    fn from(refusal: Refusal) -> io::Error {
        io::Error::other(refusal)
    }
}

/// Whether reading failed for what was read rather than for the machine's disk or network.
pub(crate) fn refusal_of(error: io::Error) -> Result<Refusal, io::Error> {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => Ok(Refusal::Truncated),
        io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput => Ok(Refusal::BadCompression(error.to_string())),
        _ => error.downcast::<Refusal>(),
    }
}
