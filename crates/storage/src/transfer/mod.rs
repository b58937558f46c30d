//! Bytes on their way in and out of a folder.

mod ahead;
mod archive;
pub(crate) mod date;
mod digest;
mod download;
mod hands;
mod pace;
mod partial;
mod range;
mod upload;

pub use archive::{Archive, ArchiveKind};
pub use digest::{Algorithm, Digest, Digesting};
pub use download::{DIGEST_BYTES_MAX, Segment, blocks, digest_of};
pub use hands::{Hands, Pool, Waited};
pub(crate) use pace::paced;
pub use partial::{Done, Note, Partial, UPLOAD_KEPT_MS, UPLOADS_KEPT_MAX, sweep};
pub use range::{RANGES_MAX, Range, Ranges};
pub use upload::{Fed, Feeding, feed};

use crate::StorageError;

const TOKEN_BYTES: usize = 16;

/// A name that nobody guesses.
pub(crate) fn token() -> Result<String, StorageError> {
    let mut bytes = [0; TOKEN_BYTES];
    getrandom::fill(&mut bytes).map_err(|error| StorageError::Unavailable(format!("no random bytes: {error}")))?;
    Ok(hex(&bytes))
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
