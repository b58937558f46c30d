//! Room that a large upload is given ahead of its bytes: given out in one piece it costs a small part of what page by page does, and a
//! file lies on the disk as one. A file's length says nothing of it, and what was not needed is given back.

use std::os::fd::OwnedFd;

use rustix::fs::{FallocateFlags, fallocate, fstat, ftruncate};

/// Given at once, at most. Until then as much as has come already: nobody holds twice of what they have sent.
const STEP_BYTES_MAX: u64 = 32 << 20;

/// How far an upload has room.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ahead {
    start: u64,
    upto: u64,
    end: u64,
    given_up: bool,
}

impl Ahead {
    /// For bytes from `start`, of which there are `bytes_max` at most.
    pub fn new(start: u64, bytes_max: u64) -> Self {
        Self { start, upto: start, end: start.saturating_add(bytes_max), given_up: false }
    }

    /// Before `bytes` are written at `at`. Where there is no room ahead, or the file system knows of none, writing finds out by itself.
    pub fn reach(&mut self, file: &OwnedFd, at: u64, bytes: u64) {
        if self.given_up || at + bytes <= self.upto {
            return;
        }
        let step = (at - self.start).clamp(bytes, STEP_BYTES_MAX.max(bytes)).min(self.end.saturating_sub(at));
        match fallocate(file, FallocateFlags::KEEP_SIZE, at, step) {
            Ok(()) => self.upto = at + step,
            Err(_) => {
                self.given_up = true;
                give_back(file);
            }
        }
    }

    /// Whether there is room behind what was written.
    pub fn is_beyond(&self, at: u64) -> bool {
        at < self.upto
    }
}

/// What was given and not used is anybody's again: cutting a file to the length it has takes what lies behind.
pub(super) fn give_back(file: &OwnedFd) {
    let cut = fstat(file).and_then(|stat| ftruncate(file, u64::try_from(stat.st_size).unwrap_or(0)));
    if let Err(errno) = cut {
        tracing::warn!(%errno, "room that an upload did not need could not be given back");
    }
}
