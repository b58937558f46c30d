//! Bytes on their way out of a guest, and the budget they and its time come from.

use std::{os::fd::OwnedFd, time::Instant};

use madang_slot_api::{Cause, Stream};
use rustix::io::Errno;

/// How much one read takes; a packet holds it with room to spare.
const CHUNK_BYTES: usize = 32 << 10;

/// What a run may still use, and why init ended it, if it did.
pub struct Budget {
    pub deadline: Instant,
    pub output_left: u64,
    pub cause: Option<Cause>,
}

impl Budget {
    /// Cuts `bytes` to what is left; sets the cause when something had to go.
    pub fn spend<'a>(&mut self, bytes: &'a [u8]) -> &'a [u8] {
        let allowed = self.output_left.min(bytes.len() as u64) as usize;
        self.output_left -= allowed as u64;
        if allowed < bytes.len() {
            self.cause.get_or_insert(Cause::Output);
        }
        &bytes[..allowed]
    }

    /// Counts `cost` bytes that are no output but are passed on like it; false when that is more than is left.
    pub fn charge(&mut self, cost: u64) -> bool {
        let fits = cost <= self.output_left;
        self.output_left = self.output_left.saturating_sub(cost);
        if !fits {
            self.cause.get_or_insert(Cause::Output);
        }
        fits
    }
}

/// The reading end of a guest's stdout, stderr or terminal.
pub struct Outlet {
    pub stream: Stream,
    pub pipe: OwnedFd,
}

/// What one read brought.
pub enum Drained {
    Bytes(Vec<u8>),
    NothingNow,
    Closed,
}

/// One read that does not wait.
pub fn drain(pipe: &OwnedFd) -> Drained {
    let mut chunk = vec![0; CHUNK_BYTES];
    match rustix::io::read(pipe, &mut chunk) {
        Ok(0) => Drained::Closed,
        Ok(count) => {
            chunk.truncate(count);
            Drained::Bytes(chunk)
        }
        Err(Errno::AGAIN | Errno::INTR) => Drained::NothingNow,
        // A terminal whose program ended says EIO.
        Err(_) => Drained::Closed,
    }
}
