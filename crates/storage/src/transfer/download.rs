//! A file's bytes on their way out.

use std::{
    collections::VecDeque,
    io::{self, IoSliceMut},
    os::fd::OwnedFd,
    sync::{Arc, Mutex, PoisonError},
};

use bytes::Bytes;
use futures_util::{Stream, stream};
use rustix::io::{Errno, ReadWriteFlags, pread, preadv2};

use super::{Algorithm, Digest, Digesting, Hands, Range};
use crate::StorageError;

/// Read at once. It stays in a core's cache until the socket has it.
const BLOCK_BYTES: usize = 256 << 10;
/// Blocks that are kept to be used again.
const SPARE_BLOCKS_MAX: usize = 64;
/// Bytes that are added up in one go.
const DIGEST_BLOCK_BYTES: usize = 1 << 20;
/// Bytes that are added up before others have their turn.
const DIGEST_SLICE_BYTES: u64 = 64 << 20;
/// Larger files go out without a digest: a guest makes a file of many TiB by saying so, and nobody waits that long for its sum.
pub const DIGEST_BYTES_MAX: u64 = 64 << 30;

/// A piece of an answer.
#[derive(Debug, Clone)]
pub enum Segment {
    Text(Bytes),
    File(Range),
}

struct Sending {
    file: Arc<OwnedFd>,
    left: VecDeque<Segment>,
    hands: Arc<Hands>,
}

/// Piece after piece. What is in memory already is read at once; only what must come from a disk waits in another thread. A file that
/// became shorter breaks the answer off, so that nobody takes it for whole.
pub fn blocks(
    file: Arc<OwnedFd>,
    segments: impl IntoIterator<Item = Segment>,
    hands: Arc<Hands>,
) -> impl Stream<Item = io::Result<Bytes>> + Send {
    let sending = Sending { file, left: segments.into_iter().collect(), hands };
    stream::try_unfold(sending, |mut sending| async move {
        let Some(segment) = sending.left.pop_front() else { return Ok(None) };
        let range = match segment {
            Segment::Text(text) => return Ok(Some((text, sending))),
            Segment::File(range) => range,
        };
        let bytes = sending.read(range).await?;
        let start = range.start + bytes.len() as u64;
        if start < range.end {
            sending.left.push_front(Segment::File(Range { start, end: range.end }));
        }
        Ok(Some((bytes, sending)))
    })
}

impl Sending {
    async fn read(&self, range: Range) -> io::Result<Bytes> {
        let wanted = usize::try_from(range.bytes()).map_or(BLOCK_BYTES, |bytes| bytes.min(BLOCK_BYTES));
        let mut block = Block::take();
        let read = match read_cached(&self.file, &mut block.bytes[..wanted], range.start) {
            Some(read) => read,
            None => {
                let file = Arc::clone(&self.file);
                let waited = self.hands.run(move || {
                    let read = pread(&file, &mut block.bytes[..wanted], range.start);
                    let read =
                        read.map_err(|errno| StorageError::Io { doing: "reading".into(), source: errno.into() })?;
                    Ok((block, read))
                });
                let (filled, read) = waited.await.map_err(io::Error::other)?;
                block = filled;
                read
            }
        };
        if read == 0 {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the file became shorter"));
        }
        Ok(Bytes::from_owner(block).slice(..read))
    }
}

/// None: it is not in memory, or the file system cannot say.
fn read_cached(file: &OwnedFd, into: &mut [u8], at: u64) -> Option<usize> {
    match preadv2(file, &mut [IoSliceMut::new(into)], at, ReadWriteFlags::NOWAIT) {
        // Nothing may also mean nothing without waiting.
        Ok(0) | Err(_) => None,
        Ok(read) => Some(read),
    }
}

/// Memory that is used again and again: fresh memory costs a fault for each of its pages.
struct Block {
    bytes: Vec<u8>,
}

static SPARE: Mutex<Vec<Vec<u8>>> = Mutex::new(Vec::new());

impl Block {
    fn take() -> Self {
        let spare = SPARE.lock().unwrap_or_else(PoisonError::into_inner).pop();
        Self { bytes: spare.unwrap_or_else(|| vec![0; BLOCK_BYTES]) }
    }
}

impl AsRef<[u8]> for Block {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        let bytes = std::mem::take(&mut self.bytes);
        let mut spare = SPARE.lock().unwrap_or_else(PoisonError::into_inner);
        if spare.len() < SPARE_BLOCKS_MAX {
            spare.push(bytes);
        }
    }
}

/// What the file's first bytes come to. Between two slices others have their turn, and where nobody waits any more there is no next one.
pub async fn digest_of(file: &Arc<OwnedFd>, bytes: u64, hands: &Hands) -> Result<Digest, StorageError> {
    let (mut adding, mut at) = (Digesting::new(Algorithm::Sha256), 0);
    while at < bytes {
        let (file, slice) = (Arc::clone(file), at..bytes.min(at + DIGEST_SLICE_BYTES));
        let (added, reached) = hands.run_long(move |_| add_slice(&file, slice, adding)).await?;
        adding = added;
        if reached == at {
            // It has become shorter.
            break;
        }
        at = reached;
    }
    Ok(Digest { algorithm: Algorithm::Sha256, bytes: adding.end() })
}

/// How far it came. Blocking.
fn add_slice(
    file: &OwnedFd,
    slice: std::ops::Range<u64>,
    mut adding: Digesting,
) -> Result<(Digesting, u64), StorageError> {
    let failed =
        |errno: Errno| StorageError::Io { doing: "reading a file for its digest".into(), source: errno.into() };
    let mut block = vec![0; DIGEST_BLOCK_BYTES];
    let mut at = slice.start;
    while at < slice.end {
        let wanted = usize::try_from(slice.end - at).map_or(DIGEST_BLOCK_BYTES, |left| left.min(DIGEST_BLOCK_BYTES));
        match pread(file, &mut block[..wanted], at).map_err(failed)? {
            0 => break,
            read => {
                adding.add(&block[..read]);
                at += read as u64;
            }
        }
    }
    Ok((adding, at))
}
