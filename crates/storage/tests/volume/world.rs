//! Folders of a node that is a test's alone, and what tests do in them.

use std::{
    fs, io,
    os::{
        fd::{AsRawFd, OwnedFd},
        unix::fs::MetadataExt,
    },
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use madang_ids::{FolderId, UserId};
use madang_model::{FolderOwner, FolderPlace, FolderQuota, FolderUsage};
use madang_storage::{Holding, Roots as _, Volumes};
use tempfile::TempDir;

pub const MIB: u64 = 1 << 20;
pub const BLOCK: u64 = 4096;
const WAIT: Duration = Duration::from_secs(240);

pub struct World {
    pub volumes: Option<Arc<Volumes>>,
    pub home: TempDir,
}

impl World {
    pub fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        let mut world = Self { volumes: None, home };
        world.again();
        world
    }

    /// As a server that is started anew.
    pub fn again(&mut self) {
        self.volumes = None;
        let volumes = Volumes::open(self.home.path()).unwrap();
        assert_eq!(volumes.holding(), &Holding::Images, "this test needs root, loop devices and mkfs.ext4");
        self.volumes = Some(volumes);
    }

    pub fn volumes(&self) -> &Volumes {
        self.volumes.as_ref().unwrap()
    }

    pub fn owner(&self, bytes: u64, files: u64) -> FolderOwner {
        let owner = FolderOwner::User(UserId::new());
        self.volumes().owner_set(owner, FolderQuota { bytes, files }).unwrap();
        owner
    }

    pub fn folder(&self, owner: FolderOwner) -> (FolderPlace, Top) {
        let place = FolderPlace { owner, folder: FolderId::new() };
        self.volumes().make(place).unwrap();
        (place, Top(self.volumes().root(place.folder).unwrap()))
    }

    pub fn used(&self, owner: FolderOwner) -> (u64, u64) {
        let used = self.volumes().owner_usage(owner).unwrap().used;
        (used.bytes, used.files)
    }

    /// What a folder holds, counted.
    pub fn usage(&self, place: FolderPlace) -> Result<FolderUsage, String> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let volumes = Arc::clone(self.volumes.as_ref().unwrap());
        runtime.block_on(async move { volumes.usage(place).await }).map_err(|error| error.to_string())
    }

    /// Loop devices that serve images of this world.
    pub fn devices(&self) -> Vec<PathBuf> {
        let home = self.home.path().to_str().unwrap();
        let serves = |path: &PathBuf| {
            fs::read_to_string(path.join("loop/backing_file")).is_ok_and(|file| file.starts_with(home))
        };
        fs::read_dir("/sys/block").unwrap().flatten().map(|entry| entry.path()).filter(serves).collect()
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.volumes = None;
        if !std::thread::panicking() {
            until("every loop device is gone", || self.devices().is_empty());
        }
    }
}

/// A folder, by a path that no guest can change.
pub struct Top(pub OwnedFd);

impl Top {
    pub fn path(&self, name: &str) -> PathBuf {
        Path::new("/proc/self/fd").join(self.0.as_raw_fd().to_string()).join(name)
    }
}

pub fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let began = Instant::now();
    while !holds() {
        assert!(began.elapsed() < WAIT, "still not: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

pub fn is_full(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::StorageFull
}

/// Writes until there is no space.
pub fn fill(path: &Path) {
    use std::io::Write as _;
    let mut file = fs::File::create(path).unwrap();
    // One that does not fit is refused as a whole, pieces of it may fit.
    let mut piece = vec![7; 64 << 10];
    loop {
        match file.write(&piece) {
            Ok(_) => {}
            Err(error) if is_full(&error) && piece.len() > BLOCK as usize => piece.truncate(piece.len() / 2),
            Err(error) if is_full(&error) => return,
            Err(error) => panic!("{error}"),
        }
    }
}

/// What the directory and all in it take, as `du` counts it.
pub fn taken(directory: &Path) -> u64 {
    let below = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap());
    let sum: u64 = below.map(|entry| entry.metadata().unwrap().blocks() * 512).sum();
    sum + fs::metadata(directory).unwrap().blocks() * 512
}
