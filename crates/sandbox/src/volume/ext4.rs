//! ext4 in a file: made by the distribution's own program, grown by the kernel.

use std::{
    fs, io,
    os::fd::{AsFd, AsRawFd},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use rustix::fs::{Mode, OFlags, openat};

/// What makes file systems.
pub const MKFS: &str = "mkfs.ext4";
/// Of every file system that is made here.
pub const EXT4_BLOCK_BYTES: u64 = 4096;
const INODE_BYTES: u64 = 256;
/// Where distributions put it.
const DIRECTORIES: [&str; 4] = ["/usr/sbin", "/sbin", "/usr/local/sbin", "/usr/bin"];
/// `EXT4_IOC_RESIZE_FS`, `fs/ext4/ext4.h`.
const RESIZE_FS: libc::Ioctl = 0x4008_6610;

/// A file system that is to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    pub inodes: u64,
    pub journal_mib: u64,
}

pub(super) fn program() -> Option<PathBuf> {
    DIRECTORIES.iter().map(|directory| Path::new(directory).join(MKFS)).find(|path| path.exists())
}

pub(super) fn is_known() -> bool {
    let known = |text: String| text.lines().any(|line| line.ends_with("\text4"));
    fs::read_to_string("/proc/filesystems").is_ok_and(known)
}

/// Makes a file system over the whole of `image`. Nothing in it is kept for root. Blocking.
pub fn make_ext4(image: &Path, shape: Shape) -> io::Result<()> {
    let program =
        program().ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, format!("{MKFS} is not installed")))?;
    let made = Command::new(program)
        .env_clear()
        .args(["-q", "-F", "-m", "0", "-b", &EXT4_BLOCK_BYTES.to_string(), "-I", &INODE_BYTES.to_string()])
        .args(["-N", &shape.inodes.to_string(), "-J", &format!("size={}", shape.journal_mib)])
        .args(["-E", "lazy_itable_init=1,lazy_journal_init=1,nodiscard,root_owner=0:0"])
        .arg(image)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .output()?;
    if made.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&made.stderr);
    Err(io::Error::other(format!("{MKFS}: {}", said.lines().last().unwrap_or("it failed"))))
}

/// Grows the mounted file system whose root this is to so many blocks.
pub fn resize(root: impl AsFd, blocks: u64) -> io::Result<()> {
    let directory = openat(&root, ".", OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
    // SAFETY: the request reads 64 bits, which outlive the call.
    let result = unsafe { libc::ioctl(directory.as_raw_fd(), RESIZE_FS, &raw const blocks) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}
