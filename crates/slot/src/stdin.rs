//! Bytes on their way into a guest's standard input or a driver's requests, never waiting for the guest.

use std::{
    collections::VecDeque,
    io,
    os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd},
};

use rustix::{
    fs::{Mode, OFlags},
    io::Errno,
};

const CHUNK_BYTES: usize = 64 << 10;
/// A pipe holds at most so many chunks; a guest that writes into its own input does not keep us.
const LEFT_OVER_CHUNKS_MAX: usize = 16;

/// The writing end of a guest's pipe or terminal, with what it has not taken yet.
pub struct Inlet {
    pipe: Option<OwnedFd>,
    pending: VecDeque<u8>,
    /// A file whose rest follows what is pending: large inputs never sit in our memory.
    source: Option<OwnedFd>,
    close_when_empty: bool,
    /// A reading end of our own, for [`Inlet::renew`].
    tap: Option<OwnedFd>,
    /// Pushed bytes that are pending no more, and of which nobody was told.
    taken: u64,
}

impl Inlet {
    pub fn new(pipe: OwnedFd) -> Self {
        Self { pipe: Some(pipe), pending: VecDeque::new(), source: None, close_when_empty: false, tap: None, taken: 0 }
    }

    /// One that [`Inlet::renew`] opens again; `read` is the guest's end.
    pub fn renewable(pipe: OwnedFd, read: &OwnedFd) -> io::Result<Self> {
        let tap = Some(reopen(read, OFlags::RDONLY)?);
        Ok(Self { tap, ..Self::new(pipe) })
    }

    /// Makes it as new for another run of the same guest: what the last one left unread goes, an end of file is taken back.
    pub fn renew(&mut self) {
        let Some(tap) = &self.tap else { return };
        self.pending.clear();
        self.source = None;
        self.close_when_empty = false;
        let mut chunk = vec![0; CHUNK_BYTES];
        let left_over = |chunk: &mut [u8]| rustix::io::read(tap, chunk).is_ok_and(|count| count > 0);
        // At most as often as the pipe can be full.
        let _ = (0..LEFT_OVER_CHUNKS_MAX).take_while(|_| left_over(&mut chunk)).count();
        if self.pipe.is_none() {
            self.pipe = reopen(tap, OFlags::WRONLY).ok();
        }
    }

    pub fn push(&mut self, bytes: &[u8]) {
        if self.pipe.is_none() {
            // Nobody reads any more: gone is as good as taken.
            self.taken += bytes.len() as u64;
            return;
        }
        self.pending.extend(bytes);
        self.pump();
    }

    /// Everything in `file` from its position on.
    pub fn push_file(&mut self, file: OwnedFd) {
        self.source = Some(file);
        self.pump();
    }

    /// How many pushed bytes were taken since the last time somebody asked.
    pub fn take_count(&mut self) -> u64 {
        std::mem::take(&mut self.taken)
    }

    /// End of file once all is taken.
    pub fn close(&mut self) {
        self.close_when_empty = true;
        self.pump();
    }

    pub fn pending_bytes(&self) -> usize {
        self.pending.len()
    }

    pub fn is_empty(&self) -> bool {
        self.pending.is_empty() && self.source.is_none()
    }

    /// The descriptor to wait for, when something waits to be written.
    pub fn waits_on(&self) -> Option<BorrowedFd<'_>> {
        if self.is_empty() { None } else { self.pipe.as_ref().map(AsFd::as_fd) }
    }

    /// Writes what fits now.
    pub fn pump(&mut self) {
        while let Some(pipe) = &self.pipe {
            if self.pending.is_empty() && !refill(&mut self.pending, &mut self.source) {
                if self.close_when_empty {
                    self.pipe = None;
                }
                return;
            }
            match rustix::io::write(pipe, self.pending.as_slices().0) {
                Ok(count) => {
                    self.pending.drain(..count);
                    self.taken += count as u64;
                }
                Err(Errno::AGAIN | Errno::INTR) => return,
                // The reader is gone; what it did not want is nobody's.
                Err(_) => {
                    self.pipe = None;
                    self.taken += self.pending.len() as u64;
                    self.pending.clear();
                    self.source = None;
                }
            }
        }
    }
}

/// Another description of the same pipe, which never blocks.
fn reopen(pipe: &OwnedFd, access: OFlags) -> io::Result<OwnedFd> {
    let path = format!("/proc/self/fd/{}", pipe.as_raw_fd());
    Ok(rustix::fs::open(path, access | OFlags::NONBLOCK | OFlags::CLOEXEC, Mode::empty())?)
}

fn refill(pending: &mut VecDeque<u8>, source: &mut Option<OwnedFd>) -> bool {
    let Some(file) = source else { return false };
    let mut chunk = vec![0; CHUNK_BYTES];
    match rustix::io::read(file, &mut chunk) {
        Ok(count) if count > 0 => {
            pending.extend(&chunk[..count]);
            true
        }
        _ => {
            *source = None;
            false
        }
    }
}
