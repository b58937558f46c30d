//! Removing what dies, however large, deep or oddly named it is: directories are taken up one by one to where all that dies is, so that
//! nothing is ever deep.

use std::{
    ffi::CStr,
    io,
    os::fd::OwnedFd,
    sync::{
        OnceLock,
        atomic::{AtomicU64, Ordering},
        mpsc::{Sender, channel},
    },
};

use rustix::{
    fs::{AtFlags, OFlags, RenameFlags, renameat_with, unlinkat},
    io::Errno,
};

use super::{scope, walk};

/// Where directories cannot be taken up, because a full file system has no room for their names: so many are gone into.
const DEPTH_MAX: usize = 32;
/// Looks at what dies; guests whose sandbox is about to end may still put something there.
const ROUNDS_MAX: usize = 1_000_000;

/// Removes everything in the scope that is dying, soon. What is left when this process ends goes when the scope is mounted again.
pub(super) fn in_background(root: OwnedFd) {
    // Unbounded: what waits here are things that exist and must go.
    static ORDERS: OnceLock<Option<Sender<OwnedFd>>> = OnceLock::new();
    let orders = ORDERS.get_or_init(|| {
        let (orders, receive) = channel::<OwnedFd>();
        let serve = move || receive.into_iter().for_each(|root| sweep(&root));
        let thread = std::thread::Builder::new().name("folder-removal".to_owned()).spawn(serve);
        thread.is_ok().then_some(orders)
    });
    // Without a thread it goes with the next mount.
    if let Some(orders) = orders {
        let _ = orders.send(root);
    }
}

fn sweep(root: &OwnedFd) {
    if let Err(error) = try_sweep(root) {
        tracing::error!(%error, "what was removed from folders still takes room");
    }
}

fn try_sweep(root: &OwnedFd) -> io::Result<()> {
    for _ in 0..ROUNDS_MAX {
        let dying = scope::open(root, scope::DYING, OFlags::RDONLY)?;
        let names = walk::names(&dying)?;
        if names.is_empty() {
            return Ok(());
        }
        for name in names {
            remove(&dying, &dying, &name, DEPTH_MAX)?;
        }
    }
    Err(io::Error::other("somebody makes more than can be removed"))
}

/// Removes `name` from `directory`; directories with something in them that are found in it go to `dying`, to be removed there.
fn remove(dying: &OwnedFd, directory: &OwnedFd, name: &CStr, depth: usize) -> io::Result<()> {
    match unlinkat(directory, name, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => return Ok(()),
        Err(Errno::ISDIR) => {}
        Err(error) => return Err(error.into()),
    }
    let below = match walk::step(directory, name) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        below => below?,
    };
    for child in walk::names(&below)? {
        match unlinkat(&below, &child, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => {}
            Err(Errno::ISDIR) => match unlinkat(&below, &child, AtFlags::REMOVEDIR) {
                Ok(()) | Err(Errno::NOENT) => {}
                Err(_) => take_up(dying, &below, &child, depth)?,
            },
            Err(error) => return Err(error.into()),
        }
    }
    match unlinkat(directory, name, AtFlags::REMOVEDIR) {
        // Somebody was quicker, or is still putting things in: the next round sees to it.
        Ok(()) | Err(Errno::NOENT | Errno::NOTEMPTY) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

fn take_up(dying: &OwnedFd, directory: &OwnedFd, name: &CStr, depth: usize) -> io::Result<()> {
    static NUMBERS: AtomicU64 = AtomicU64::new(0);
    loop {
        let fresh = format!("taken-up.{}", NUMBERS.fetch_add(1, Ordering::Relaxed));
        match renameat_with(directory, name, dying, fresh, RenameFlags::NOREPLACE) {
            Ok(()) | Err(Errno::NOENT) => return Ok(()),
            Err(Errno::EXIST) => {}
            Err(Errno::NOSPC) if depth > 0 => return remove(dying, directory, name, depth - 1),
            Err(error) => return Err(error.into()),
        }
    }
}
