//! Removing what dies, however large, deep or oddly named it is: directories are taken up one by one to where all that dies is, so that
//! nothing is ever deep.

use std::{
    collections::VecDeque,
    ffi::CStr,
    io,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    sync::{
        OnceLock,
        atomic::{AtomicU64, Ordering},
        mpsc::{Receiver, Sender, channel},
    },
};

use rustix::{
    fs::{AtFlags, OFlags, unlinkat},
    io::Errno,
};

use super::{
    scope,
    walk::{self, Names},
};
use crate::rename::rename_new;

/// Where directories cannot be taken up, because a full file system has no room for their names: so many are gone into.
const DEPTH_MAX: usize = 32;
/// Names of one scope that are removed before another has its turn.
const NAMES_A_TURN: usize = 50_000;
/// Turns of one scope; guests whose sandbox is about to end may still put something there.
const TURNS_MAX: usize = 1_000_000;

/// Removes everything in the scope that is dying, soon. What is left when this process ends goes when the scope is mounted again.
pub(super) fn in_background(root: OwnedFd) {
    // Unbounded: what waits here are things that exist and must go.
    static ORDERS: OnceLock<Option<Sender<OwnedFd>>> = OnceLock::new();
    let orders = ORDERS.get_or_init(|| {
        let (orders, receive) = channel::<OwnedFd>();
        let thread = std::thread::Builder::new().name("folder-removal".to_owned()).spawn(move || serve(&receive));
        thread.is_ok().then_some(orders)
    });
    // Without a thread it goes with the next mount.
    if let Some(orders) = orders {
        let _ = orders.send(root);
    }
}

/// One scope after the other, each for a while: what is large in one holds up no other's.
fn serve(orders: &Receiver<OwnedFd>) {
    let mut waiting = VecDeque::new();
    loop {
        match waiting.is_empty() {
            true => match orders.recv() {
                Ok(root) => waiting.push_back((root, 0)),
                Err(_) => return,
            },
            false => waiting.extend(orders.try_iter().map(|root| (root, 0))),
        }
        let Some((root, turns)) = waiting.pop_front() else { continue };
        match sweep(&root) {
            Ok(Swept::All) => {}
            Ok(Swept::Some) if turns < TURNS_MAX => waiting.push_back((root, turns + 1)),
            Ok(Swept::Some) => tracing::error!("somebody makes more in folders than can be removed"),
            Err(error) => tracing::error!(%error, "what was removed from folders still takes room"),
        }
    }
}

/// How far a turn came.
enum Swept {
    All,
    Some,
}

fn sweep(root: &OwnedFd) -> io::Result<Swept> {
    let mut sweeping = Sweeping { dying: scope::open(root, scope::DYING, OFlags::RDONLY)?, left: NAMES_A_TURN };
    while sweeping.left > 0 {
        let mut names = Names::of(walk::step(&sweeping.dying, ".")?)?.peekable();
        if names.peek().is_none() {
            return Ok(Swept::All);
        }
        for name in names {
            let dying = sweeping.dying.try_clone()?;
            sweeping.remove(dying.as_fd(), &name?, DEPTH_MAX)?;
            if sweeping.left == 0 {
                break;
            }
        }
    }
    Ok(Swept::Some)
}

/// One scope's turn.
struct Sweeping {
    dying: OwnedFd,
    /// Names that may still be removed in this turn.
    left: usize,
}

impl Sweeping {
    /// Removes `name` from `directory`; directories with something in them that are found in it go to where all dies, to be removed there.
    fn remove(&mut self, directory: BorrowedFd<'_>, name: &CStr, depth: usize) -> io::Result<()> {
        self.left = self.left.saturating_sub(1);
        match unlinkat(directory, name, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => return Ok(()),
            Err(Errno::ISDIR) => {}
            Err(error) => return Err(error.into()),
        }
        let below = match walk::step(directory, name) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            below => below?,
        };
        self.empty(below, depth)?;
        match unlinkat(directory, name, AtFlags::REMOVEDIR) {
            // Somebody was quicker, is still putting things in, or this turn is over: the next round sees to it.
            Ok(()) | Err(Errno::NOENT | Errno::NOTEMPTY) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// As far as this turn goes.
    fn empty(&mut self, directory: OwnedFd, depth: usize) -> io::Result<()> {
        let mut names = Names::of(directory)?;
        while self.left > 0
            && let Some(name) = names.next().transpose()?
        {
            self.left -= 1;
            let directory = names.directory()?;
            match unlinkat(directory, &name, AtFlags::empty()) {
                Ok(()) | Err(Errno::NOENT) => {}
                Err(Errno::ISDIR) => match unlinkat(directory, &name, AtFlags::REMOVEDIR) {
                    Ok(()) | Err(Errno::NOENT) => {}
                    Err(_) => self.take_up(directory, &name, depth)?,
                },
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    fn take_up(&mut self, directory: BorrowedFd<'_>, name: &CStr, depth: usize) -> io::Result<()> {
        static NUMBERS: AtomicU64 = AtomicU64::new(0);
        loop {
            let fresh = format!("taken-up.{}", NUMBERS.fetch_add(1, Ordering::Relaxed));
            match rename_new(directory, name, &self.dying, fresh.as_str()) {
                Ok(()) | Err(Errno::NOENT) => return Ok(()),
                Err(Errno::EXIST) => {}
                Err(Errno::NOSPC) if depth > 0 => return self.remove(directory, name, depth - 1),
                Err(error) => return Err(error.into()),
            }
        }
    }
}
