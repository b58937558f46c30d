//! Bytes on their way in: from a body into a file, batch by batch, one being received while the one before is written.

use std::{io::IoSlice, os::fd::OwnedFd, sync::Arc, time::Duration};

use axum::body::Body;
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt as _;
use rustix::io::{Errno, pwritev};
use tokio::{task::JoinHandle, time::timeout};

use super::{Digesting, Hands};
use crate::StorageError;

/// Written at once.
const BATCH_BYTES: usize = 1 << 20;
/// Smaller pieces are put together.
const SMALL_BYTES: usize = 16 << 10;
/// Pieces that one call of the kernel takes (IOV_MAX is 1,024).
const PIECES_MAX: usize = 512;
/// A body that says nothing for as long has ended.
const BODY_IDLE: Duration = Duration::from_secs(60);

/// Where bytes go.
#[derive(Debug)]
pub struct Feeding {
    pub file: Arc<OwnedFd>,
    pub at: u64,
    /// More than this are too many.
    pub bytes_max: u64,
    pub digesting: Option<Digesting>,
    pub hands: Arc<Hands>,
}

/// What came of it. What has been written stays written, also where the end is an error.
#[derive(Debug)]
pub struct Fed {
    /// Where the next byte would go.
    pub at: u64,
    pub digesting: Option<Digesting>,
    pub end: Result<(), StorageError>,
}

/// Until the body ends, breaks off or says nothing any more.
pub async fn feed(mut feeding: Feeding, mut body: Body) -> Fed {
    let mut writing: Option<JoinHandle<Written>> = None;
    let mut batch = Batch::default();
    let mut room = feeding.bytes_max;
    let mut end = loop {
        let piece = match timeout(BODY_IDLE, body.frame()).await {
            Err(_) => break Err(StorageError::Broken("the body said nothing for a minute".to_owned())),
            Ok(None) => break Ok(()),
            Ok(Some(Err(error))) => break Err(StorageError::Broken(format!("the body broke off: {error}"))),
            Ok(Some(Ok(frame))) => match frame.into_data() {
                Ok(piece) => piece,
                Err(_) => continue,
            },
        };
        if piece.len() as u64 > room {
            break Err(StorageError::Invalid(format!("more than the {} bytes that were announced", feeding.bytes_max)));
        }
        room -= piece.len() as u64;
        batch.push(piece);
        if batch.is_full() {
            if let Err(error) = settle(&mut feeding, writing.take()).await {
                return feeding.end(Err(error));
            }
            writing = Some(feeding.write(std::mem::take(&mut batch)));
        }
    };
    // The one before has to be over first, so that what is written has no hole.
    if let Err(error) = settle(&mut feeding, writing.take()).await {
        return feeding.end(Err(error));
    }
    let last = feeding.write(batch);
    if let Err(error) = settle(&mut feeding, Some(last)).await {
        end = Err(error);
    }
    feeding.end(end)
}

type Written = Result<(u64, Option<Digesting>), StorageError>;

async fn settle(feeding: &mut Feeding, writing: Option<JoinHandle<Written>>) -> Result<(), StorageError> {
    let Some(writing) = writing else { return Ok(()) };
    let broken = |_| StorageError::Unavailable("writing broke off".to_owned());
    let (at, digesting) = writing.await.map_err(broken)??;
    (feeding.at, feeding.digesting) = (at, digesting);
    Ok(())
}

impl Feeding {
    /// Begins to write; goes on when nobody waits any more.
    fn write(&mut self, batch: Batch) -> JoinHandle<Written> {
        let (file, at, mut digesting) = (Arc::clone(&self.file), self.at, self.digesting.take());
        let hands = Arc::clone(&self.hands);
        tokio::spawn(async move {
            let deed = move || {
                let pieces = batch.pieces();
                let end = write_all(&file, &pieces, at)?;
                if let Some(digesting) = &mut digesting {
                    pieces.iter().for_each(|piece| digesting.add(piece));
                }
                Ok((end, digesting))
            };
            hands.run(deed).await
        })
    }

    fn end(self, end: Result<(), StorageError>) -> Fed {
        Fed { at: self.at, digesting: self.digesting, end }
    }
}

fn write_all(file: &OwnedFd, pieces: &[Bytes], mut at: u64) -> Result<u64, StorageError> {
    let mut slices: Vec<IoSlice<'_>> = pieces.iter().map(|piece| IoSlice::new(piece)).collect();
    let mut slices = &mut slices[..];
    IoSlice::advance_slices(&mut slices, 0);
    while !slices.is_empty() {
        match pwritev(file, slices, at) {
            Ok(written) => {
                at += written as u64;
                IoSlice::advance_slices(&mut slices, written);
            }
            Err(Errno::INTR) => {}
            Err(Errno::NOSPC | Errno::DQUOT) => {
                return Err(StorageError::Full("no space: the quota of the folder's owner is used up".to_owned()));
            }
            Err(errno) => return Err(StorageError::Io { doing: "writing an upload".to_owned(), source: errno.into() }),
        }
    }
    Ok(at)
}

/// Pieces that are written together.
#[derive(Debug, Default)]
struct Batch {
    whole: Vec<Bytes>,
    /// Small pieces, put together.
    small: BytesMut,
    bytes: usize,
}

impl Batch {
    fn push(&mut self, piece: Bytes) {
        self.bytes += piece.len();
        if piece.len() < SMALL_BYTES {
            self.small.extend_from_slice(&piece);
        } else {
            self.close_small();
            self.whole.push(piece);
        }
    }

    fn close_small(&mut self) {
        if !self.small.is_empty() {
            self.whole.push(self.small.split().freeze());
        }
    }

    fn is_full(&self) -> bool {
        self.bytes >= BATCH_BYTES || self.whole.len() >= PIECES_MAX
    }

    fn pieces(mut self) -> Vec<Bytes> {
        self.close_small();
        self.whole
    }
}
