//! The file that holds a scope's file system. It is sparse: what nobody has written takes no room on the machine's disk.

use std::{ffi::OsStr, fs, io, os::unix::fs::OpenOptionsExt, path::Path};

use madang_model::FolderQuota;
use madang_sandbox::volume::{EXT4_BLOCK_BYTES, LoopDevice, Shape, make_ext4, resize};
use rustix::io::Errno;

use super::failed;
use crate::{StorageError, transfer::token};

/// Inodes of the file system's own, and of directories of ours.
const INODES_SPARE: u64 = 64;
const INODE_BYTES: u64 = 256;
/// Bitmaps, descriptors, copies of the superblock: less than this of 32,768 blocks.
const RECORDS_SHARE: u64 = 64;
/// So much, whatever the size.
const RECORDS_BYTES: u64 = 2 << 20;
/// A group of blocks holds at most this many inodes; half of it leaves room for their files.
const BLOCKS_AN_INODE: u64 = 2;
/// `ext4` keeps 2 % of all blocks, and 4,096 of them at most, for its own records: `fs/ext4/super.c`.
const RESERVED_SHARE: u64 = 50;
const RESERVED_MAX: u64 = 4096;
/// An image is made for a quota so many times larger, up to the second number: what is only spare takes no room, and growing needs
/// a power (`CAP_SYS_RESOURCE`) that a server in a container often lacks.
const LARGER: u64 = 16;
const LARGER_BYTES_MAX: u64 = 256 << 30;
/// So many more inodes than the quota of files, at most.
const LARGER_FILES_MAX: u64 = 16_384;
const JOURNAL_MIB: u64 = 4;
/// From this quota on the journal is larger.
const LARGE_BYTES: u64 = 1 << 30;
const LARGE_JOURNAL_MIB: u64 = 16;
const PARTIAL: &str = "part";

/// Makes the image of an empty scope that has room for the quota and somewhat more; for an owner, one at a time. What is not whole has
/// a name of its own, which nobody else writes to: not even `mkfs` of a server that died. Blocking.
pub(super) fn make(path: &Path, quota: FolderQuota) -> Result<(), StorageError> {
    let partial = path.with_extension(format!("{}.{PARTIAL}", token()?));
    let made = make_partial(&partial, quota).and_then(|()| fs::rename(&partial, path));
    made.map_err(|error| {
        let _ = fs::remove_file(&partial);
        failed(format!("making {}", path.display()))(error)
    })
}

/// What images that are not whole end in.
pub(super) fn is_partial(name: &OsStr) -> bool {
    Path::new(name).extension() == Some(OsStr::new(PARTIAL))
}

fn make_partial(partial: &Path, quota: FolderQuota) -> io::Result<()> {
    let file = fs::OpenOptions::new().create_new(true).write(true).mode(0o600).open(partial)?;
    let journal_mib = if quota.bytes < LARGE_BYTES { JOURNAL_MIB } else { LARGE_JOURNAL_MIB };
    let inodes = quota.files + quota.files.min(LARGER_FILES_MAX) + INODES_SPARE;
    let shape = Shape { inodes, journal_mib };
    let bytes = quota.bytes.max((quota.bytes * LARGER).min(LARGER_BYTES_MAX));
    file.set_len(size_for(bytes, shape))?;
    make_ext4(partial, shape)?;
    // Else a machine that loses its power may find the name and nothing behind it.
    file.sync_all()
}

fn size_for(bytes: u64, shape: Shape) -> u64 {
    let tables = shape.inodes * INODE_BYTES + (shape.journal_mib << 20);
    let held = bytes + tables;
    let reserved = (held / RESERVED_SHARE).min(RESERVED_MAX * EXT4_BLOCK_BYTES);
    let size = held + reserved + held / RECORDS_SHARE + RECORDS_BYTES;
    blocks(size.max(shape.inodes * BLOCKS_AN_INODE * EXT4_BLOCK_BYTES)) * EXT4_BLOCK_BYTES
}

fn blocks(bytes: u64) -> u64 {
    bytes.div_ceil(EXT4_BLOCK_BYTES)
}

/// Makes image and file system larger by so many blocks, while it is mounted; all as before where the kernel lets nobody do that.
pub(super) fn grow(image: &fs::File, device: &LoopDevice, root: impl std::os::fd::AsFd, more: u64) -> io::Result<()> {
    let before = image.metadata()?.len();
    let blocks = before / EXT4_BLOCK_BYTES + more;
    image.set_len(blocks * EXT4_BLOCK_BYTES)?;
    device.grown()?;
    resize(root, blocks).inspect_err(|error| {
        // Refused before it began: else every try would make the image longer. After any other error the file system may have grown by
        // a part of it, and the image must not be cut.
        if Errno::from_io_error(error) == Some(Errno::PERM)
            && let Err(error) = image.set_len(before).and_then(|()| device.grown())
        {
            tracing::warn!(%error, "an image stays longer than its file system");
        }
    })
}
