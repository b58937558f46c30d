//! The thread that has the scopes mounted. Mounts hang in a namespace of this thread alone, so they go with it, however it ends; what is
//! lent to sandboxes lives on in theirs.

use std::{
    collections::{HashMap, HashSet},
    fs, io,
    os::fd::{AsFd, OwnedFd},
    path::{Path, PathBuf},
    sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel},
    time::{Duration, Instant, UNIX_EPOCH},
};

use madang_model::{FolderMount, FolderOwner, FolderQuota, FolderUsage, MountAccess};
use madang_sandbox::volume::{Access, LoopDevice, attach, detach, lend, mount_ext4, private_namespace};
use rustix::{
    fs::{AtFlags, OFlags},
    io::Errno,
};

use super::{
    Holding, Sharing, failed,
    measure::{Measured, Settled},
    remove,
    scope::{self, Scope, owner_text},
    walk::{self, Names},
};
use crate::StorageError;

/// Where scopes are mounted; empty to all but the thread.
pub(super) const MOUNTS: &str = "mounts";
/// Work that waits for the thread; past it callers wait.
const WORK_MAX: usize = 1024;
/// A scope that nobody has asked for so long is unmounted; who works in it still goes on.
const IDLE: Duration = Duration::from_secs(30);
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// A device that a sandbox's end has just cleared is looked for again.
const MOUNT_TRIES: usize = 100;
const MOUNT_AGAIN: Duration = Duration::from_millis(50);
/// A copy on a shared place whose top has not changed for so long is nobody's.
const ABANDONED: Duration = Duration::from_secs(24 * 3_600);
/// How long a count of what an owner holds is good for, where it is less than half of the quota: it looks at every file.
const COUNT_GOOD: Duration = Duration::from_secs(10);

type Work = Box<dyn FnOnce(&mut Rooms) + Send>;

/// A handle to the thread.
#[derive(Debug)]
pub(super) struct Keeper {
    work: SyncSender<Work>,
}

/// What the thread has.
pub(super) struct Rooms {
    home: PathBuf,
    holding: Holding,
    mounted: HashMap<FolderOwner, Mounted>,
    /// Whose scopes this server has been in.
    entered: HashSet<FolderOwner>,
}

struct Mounted {
    root: OwnedFd,
    at: PathBuf,
    used: Instant,
    held: Option<Held>,
    /// What was counted last, where nothing of the kernel's counts.
    counted: Option<(Instant, FolderUsage)>,
}

/// Of an image.
struct Held {
    image: fs::File,
    device: LoopDevice,
    reserved: u64,
    spare_files: u64,
    settled: Settled,
}

impl Keeper {
    pub fn start(home: PathBuf, holding: Holding) -> Result<Self, StorageError> {
        let (work, orders) = sync_channel(WORK_MAX);
        let (ready, is_ready) = sync_channel(1);
        let thread = std::thread::Builder::new().name("volume-keeper".to_owned());
        let serve = move || {
            let apart = if rustix::process::geteuid().is_root() { private_namespace() } else { Ok(()) };
            let may = apart.is_ok();
            // Whoever starts us waits for it.
            let _ = ready.send(apart);
            if may {
                Rooms { home, holding, mounted: HashMap::new(), entered: HashSet::new() }.serve(&orders);
            }
        };
        thread.spawn(serve).map_err(failed("starting a thread for folders"))?;
        let gone = |_| Err(io::ErrorKind::BrokenPipe.into());
        is_ready.recv().unwrap_or_else(gone).map_err(failed("making a namespace for mounts of folders"))?;
        Ok(Self { work })
    }

    /// Does `act` on the thread and waits for it. Blocking.
    pub fn with<T: Send + 'static>(
        &self,
        act: impl FnOnce(&mut Rooms) -> Result<T, StorageError> + Send + 'static,
    ) -> Result<T, StorageError> {
        let gone = || StorageError::Unavailable("the node's folders are not served any more".to_owned());
        let (answer, answered) = sync_channel(1);
        let work = move |rooms: &mut Rooms| drop(answer.send(act(rooms)));
        self.work.send(Box::new(work)).map_err(|_| gone())?;
        answered.recv().map_err(|_| gone())?
    }
}

impl Rooms {
    fn serve(mut self, orders: &Receiver<Work>) {
        let mut look = Instant::now() + LOOK_EVERY;
        loop {
            match orders.recv_timeout(look.saturating_duration_since(Instant::now())) {
                Ok(work) => work(&mut self),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
            // By the clock, for on a busy node somebody always asks.
            if Instant::now() >= look {
                self.settle_again();
                self.leave_idle();
                look = Instant::now() + LOOK_EVERY;
            }
        }
    }

    /// The top of the scope's file system.
    pub fn root(&mut self, scope: &Scope) -> Result<OwnedFd, StorageError> {
        let mounted = self.enter(scope)?;
        mounted.root.try_clone().map_err(failed("opening a scope"))
    }

    pub fn used(&mut self, scope: &Scope) -> Result<FolderUsage, StorageError> {
        let mounted = self.enter(scope)?;
        match &mounted.held {
            Some(held) => {
                let Held { reserved, spare_files, .. } = *held;
                let measured = Measured { root: &mounted.root, reserved, spare_files };
                measured.used().map_err(failed("measuring what folders hold"))
            }
            None => walk::usage(&scope::open(&mounted.root, "folders", OFlags::PATH).map_err(failed("looking"))?),
        }
    }

    /// Where nothing of the kernel's holds whoever writes, it is counted before.
    pub fn refuse_if_used_up(&mut self, scope: &Scope) -> Result<(), StorageError> {
        if self.holding == Holding::Images {
            return Ok(());
        }
        let quota = scope.quota()?;
        let far = |used: &FolderUsage| used.bytes < quota.bytes / 2 && used.files < quota.files / 2;
        let counted = self.enter(scope)?.counted;
        if counted.is_some_and(|(at, used)| at.elapsed() < COUNT_GOOD && far(&used)) {
            return Ok(());
        }
        let used = self.used(scope)?;
        self.enter(scope)?.counted = Some((Instant::now(), used));
        if used.bytes < quota.bytes && used.files < quota.files {
            return Ok(());
        }
        Err(StorageError::Full("the quota of the folder's owner is used up".to_owned()))
    }

    /// From now on the scope holds so much, or what is in it already and no more than that; the first time makes it one. Where its file
    /// system cannot grow it holds as much as it can, and the error says so.
    pub fn set(&mut self, scope: &Scope, quota: FolderQuota) -> Result<(), StorageError> {
        if scope.is_made() && scope.quota()? == quota {
            return Ok(());
        }
        let mounted = self.enter(scope)?;
        let keep = |held| scope.quota_keep(held).map_err(failed("keeping a quota"));
        match mounted.settle(quota) {
            Err(StorageError::Unavailable(why)) => {
                let most = mounted.most()?;
                let held = FolderQuota { bytes: quota.bytes.min(most.bytes), files: quota.files.min(most.files) };
                mounted.settle(held)?;
                // It is told again and again.
                if scope.quota().ok() != Some(held) {
                    keep(held)?;
                }
                Err(StorageError::Unavailable(why))
            }
            settled => settled.and_then(|()| keep(quota)),
        }
    }

    /// The folder as one sandbox sees it.
    pub fn lend(&mut self, scope: &Scope, mount: &FolderMount, ids: impl AsFd) -> Result<OwnedFd, StorageError> {
        let access = match (mount.access, &self.holding) {
            (MountAccess::ReadWrite, Holding::Counted(why)) => {
                let text =
                    format!("nothing holds who writes into folders to a quota here ({why}): they may only be read");
                return Err(StorageError::Unavailable(text));
            }
            (MountAccess::ReadWrite, Holding::Shared(Sharing { writable: false })) => {
                let text = "folders of a shared place may only be read here: whoever runs this node has not said that nothing needs to hold \
                            who writes into them (`folders.writable`)";
                return Err(StorageError::Unavailable(text.to_owned()));
            }
            (MountAccess::ReadWrite, Holding::Images | Holding::Shared(_)) => Access::ReadWrite,
            (MountAccess::ReadOnly, _) => Access::ReadOnly,
        };
        let mounted = self.enter(scope)?;
        scope::folder(&mounted.root, mount.folder)?;
        lend(&mounted.root, &scope::path_of(mount.folder), access, ids.as_fd()).map_err(|error| match &self.holding {
            // NFS, for one: the ids that guests have inside cannot be made theirs.
            Holding::Shared(_) if Errno::from_io_error(&error) == Some(Errno::INVAL) => StorageError::Unavailable(
                "the file system of this node's shared folders cannot be mounted into sandboxes (no mounts with other ids): \
                 its folders can be uploaded to and downloaded from only"
                    .to_owned(),
            ),
            _ => failed("lending a folder")(error),
        })
    }

    fn enter(&mut self, scope: &Scope) -> Result<&mut Mounted, StorageError> {
        if !self.mounted.contains_key(&scope.owner) {
            let mounted = match self.holding {
                Holding::Images => mount(scope, &self.home),
                Holding::Counted(_) | Holding::Shared(_) => open_tree(scope),
            };
            let opening = || failed(format!("opening the folders of {}", owner_text(scope.owner)));
            let mut mounted = mounted.map_err(opening())?;
            if scope.is_made()
                && let Err(error) = mounted.settle(scope.quota()?)
            {
                tracing::warn!(owner = owner_text(scope.owner), %error, "a quota cannot be set again as it was");
            }
            // A copy that is under way here does not keep its scope from being left and entered again.
            let is_first = self.entered.insert(scope.owner);
            let left_by = match self.holding {
                Holding::Images | Holding::Counted(_) if is_first => LeftBy::Before,
                _ => LeftBy::Anybody,
            };
            clean(&mounted.root, left_by).map_err(opening())?;
            self.mounted.insert(scope.owner, mounted);
        }
        let mounted = self.mounted.get_mut(&scope.owner);
        let mounted = mounted.ok_or_else(|| StorageError::Unavailable("a scope is gone".to_owned()))?;
        mounted.used = Instant::now();
        Ok(mounted)
    }

    /// Where more was held than the quota says, some of it may have gone.
    fn settle_again(&mut self) {
        for (owner, mounted) in self.mounted.iter_mut().filter(|(_, mounted)| mounted.is_above()) {
            let scope = Scope::of(&self.home, *owner);
            if let Err(error) = scope.quota().and_then(|quota| mounted.settle(quota)) {
                tracing::warn!(owner = owner_text(*owner), %error, "a quota that was lowered cannot be set");
            }
        }
    }

    fn leave_idle(&mut self) {
        self.mounted.retain(|_, mounted| mounted.is_above() || mounted.used.elapsed() < IDLE);
    }
}

impl Mounted {
    fn settle(&mut self, quota: FolderQuota) -> Result<(), StorageError> {
        let Some(held) = &mut self.held else { return Ok(()) };
        let Held { image, device, reserved, spare_files, settled } = held;
        let mut measured = Measured { root: &self.root, reserved: *reserved, spare_files: *spare_files };
        let now = measured.settle(quota, image, device);
        *spare_files = measured.spare_files;
        *settled = now.map_err(unsettled)?;
        Ok(())
    }

    /// The largest quota that can be set without a larger file system.
    fn most(&self) -> Result<FolderQuota, StorageError> {
        let Some(Held { reserved, spare_files, .. }) = self.held else {
            return Ok(FolderQuota { bytes: u64::MAX, files: u64::MAX });
        };
        Measured { root: &self.root, reserved, spare_files }.most().map_err(failed("measuring what folders may hold"))
    }

    /// More is held than the quota says.
    fn is_above(&self) -> bool {
        self.held.as_ref().is_some_and(|held| held.settled == Settled::Above)
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        if self.held.is_some()
            && let Err(error) = detach(&self.at)
        {
            tracing::warn!(at = %self.at.display(), %error, "folders cannot be unmounted");
        }
    }
}

/// Why a quota cannot be set. Growing a mounted file system takes a power (`CAP_SYS_RESOURCE`) that a server in a container often lacks.
fn unsettled(error: io::Error) -> StorageError {
    match Errno::from_io_error(&error) {
        Some(Errno::PERM) => StorageError::Unavailable(
            "this node cannot make more room for the owner's folders than it made at first: its server lacks the power \
             to grow a file system (`CAP_SYS_RESOURCE`); what they could hold before they still can"
                .to_owned(),
        ),
        _ => failed("setting a quota")(error),
    }
}

fn mount(scope: &Scope, home: &Path) -> io::Result<Mounted> {
    let image = fs::OpenOptions::new().read(true).write(true).open(scope.image())?;
    let (device, root) = mount_image(&image)?;
    let at = home.join(MOUNTS).join(owner_text(scope.owner));
    fs::create_dir_all(&at)?;
    attach(&root, &at)?;
    scope::furnish(&root)?;
    let Measured { reserved, spare_files, .. } = Measured::take(&root, &device)?;
    let held = Held { image, device, reserved, spare_files, settled: Settled::AsWanted };
    Ok(Mounted { root, at, used: Instant::now(), held: Some(held), counted: None })
}

/// Whoever else has it mounted (sandboxes of a server before us) has the same file system.
fn mount_image(image: &fs::File) -> io::Result<(LoopDevice, OwnedFd)> {
    let mut tries = 0;
    loop {
        let device = LoopDevice::of(image)?;
        match mount_ext4(device.path()) {
            Ok(root) => return Ok((device, root)),
            Err(error) if tries >= MOUNT_TRIES => return Err(error),
            // The last of them is just leaving.
            Err(error) if matches!(Errno::from_io_error(&error), Some(Errno::BUSY | Errno::NXIO | Errno::AGAIN)) => {
                tries += 1;
                drop(device);
                std::thread::sleep(MOUNT_AGAIN);
            }
            Err(error) => return Err(error),
        }
    }
}

fn open_tree(scope: &Scope) -> io::Result<Mounted> {
    let at = scope.tree();
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let root = rustix::fs::open(&at, flags, rustix::fs::Mode::empty())?;
    scope::furnish(&root)?;
    Ok(Mounted { root, at, used: Instant::now(), held: None, counted: None })
}

/// Whose half-done work may be in a scope.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum LeftBy {
    /// Of a server before this one: nobody goes on with it.
    Before,
    /// Perhaps of somebody who is at it now, here or on another machine.
    Anybody,
}

/// What was left half-done goes.
fn clean(root: &OwnedFd, left_by: LeftBy) -> io::Result<()> {
    let copying = scope::open(root, scope::COPYING, OFlags::RDONLY)?;
    for name in Names::of(copying)? {
        let path = format!("{}/{}", scope::COPYING, name?.to_string_lossy());
        if left_by == LeftBy::Before || is_abandoned(root, &path)? {
            scope::condemn(root, &path)?;
        }
    }
    let dying = scope::open(root, scope::DYING, OFlags::RDONLY)?;
    if Names::of(dying)?.next().is_some() {
        remove::in_background(root.try_clone()?);
    }
    Ok(())
}

/// Nobody copies for so long without anything changing at the top.
fn is_abandoned(root: &OwnedFd, path: &str) -> io::Result<bool> {
    let seen = match rustix::fs::statat(root, path, AtFlags::SYMLINK_NOFOLLOW) {
        Err(Errno::NOENT) => return Ok(false),
        seen => seen?,
    };
    let changed = UNIX_EPOCH + Duration::from_secs(u64::try_from(seen.st_ctime).unwrap_or_default());
    Ok(changed.elapsed().is_ok_and(|since| since > ABANDONED))
}
