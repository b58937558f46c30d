//! Bytes on their way in: from a body into a file, batch by batch, one being received while the one before is written.

use std::{io::IoSlice, os::fd::OwnedFd, sync::Arc, time::Duration};

use axum::body::Body;
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt as _;
use rustix::io::{Errno, pwritev};
use tokio::{task::JoinHandle, time::timeout};

use super::{
    Digesting, Hands,
    ahead::{Ahead, give_back},
};
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
pub async fn feed(feeding: Feeding, mut body: Body) -> Fed {
    let bytes_max = feeding.bytes_max;
    let mut writer = Writer::of(feeding);
    let mut batch = Batch::default();
    let mut room = bytes_max;
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
            break Err(StorageError::Invalid(format!("more than the {bytes_max} bytes that were announced")));
        }
        room -= piece.len() as u64;
        batch.push(piece);
        if batch.is_full() {
            if let Err(error) = writer.settle().await {
                return writer.end(Err(error)).await;
            }
            writer.begin(std::mem::take(&mut batch));
        }
    };
    // The one before has to be over first, so that what is written has no hole.
    if let Err(error) = writer.settle().await {
        return writer.end(Err(error)).await;
    }
    writer.begin(batch);
    if let Err(error) = writer.settle().await {
        end = Err(error);
    }
    writer.end(end).await
}

/// Where writing has come to.
#[derive(Debug)]
struct Written {
    at: u64,
    digesting: Option<Digesting>,
    ahead: Ahead,
}

/// Writes one batch after the other.
#[derive(Debug)]
struct Writer {
    file: Arc<OwnedFd>,
    hands: Arc<Hands>,
    written: Written,
    writing: Option<JoinHandle<Result<Written, StorageError>>>,
}

impl Writer {
    fn of(feeding: Feeding) -> Self {
        let Feeding { file, at, bytes_max, digesting, hands } = feeding;
        let written = Written { at, digesting, ahead: Ahead::new(at, bytes_max) };
        Self { file, hands, written, writing: None }
    }

    /// Waits for the batch that is being written.
    async fn settle(&mut self) -> Result<(), StorageError> {
        let Some(writing) = self.writing.take() else { return Ok(()) };
        let broken = |_| StorageError::Unavailable("writing broke off".to_owned());
        self.written = writing.await.map_err(broken)??;
        Ok(())
    }

    /// Goes on when nobody waits any more.
    fn begin(&mut self, batch: Batch) {
        let (file, hands) = (Arc::clone(&self.file), Arc::clone(&self.hands));
        let Written { at, ref mut digesting, mut ahead } = self.written;
        let mut digesting = digesting.take();
        self.writing = Some(tokio::spawn(async move {
            let deed = move || {
                if batch.is_full() {
                    ahead.reach(&file, at, batch.bytes as u64);
                }
                let pieces = batch.pieces();
                let at = write_all(&file, &pieces, at)?;
                if let Some(digesting) = &mut digesting {
                    pieces.iter().for_each(|piece| digesting.add(piece));
                }
                Ok(Written { at, digesting, ahead })
            };
            hands.run(deed).await
        }));
    }

    async fn end(self, mut end: Result<(), StorageError>) -> Fed {
        let (file, Written { at, digesting, ahead }) = (self.file, self.written);
        // Nobody knows how far a batch came that could not be written.
        if end.is_err() || ahead.is_beyond(at) {
            let given_back = self.hands.run(move || {
                give_back(&file);
                Ok(())
            });
            if let Err(error) = given_back.await {
                end = end.and(Err(error));
            }
        }
        Fed { at, digesting, end }
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
