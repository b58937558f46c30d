//! The init inside every slot: PID 1 of a sandbox.
//!
//! It starts programs, owns their terminals and pipes, moves their bytes to the node, works on files as the guest, and reaps.
//! The spawner executes it as the last step of making a slot; the node speaks to it over the socket at descriptor 3.
//! It never trusts a guest, never blocks on one, and holds no more powers than the step it is in needs.
//! One thread, one poll loop: start at [`init::Init::serve`].

mod bind;
mod connect;
mod driver;
mod files;
mod guest;
mod init;
mod journal;
mod link;
mod mount;
mod outlet;
mod probe;
mod process_tree;
mod program;
mod reap;
mod stdin;
mod walls;

use std::os::fd::{FromRawFd, OwnedFd};

/// Where the spawner leaves the listening socket.
const LISTENER: i32 = 3;

fn main() {
    // SAFETY: the spawner executes this program with the listener at this number and nobody else has touched it.
    let listener = unsafe { OwnedFd::from_raw_fd(LISTENER) };
    if let Err(error) = init::Init::new(listener).and_then(|mut init| init.serve()) {
        eprintln!("madang-slot: {error}");
        std::process::exit(1);
    }
}
