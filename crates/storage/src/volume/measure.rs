//! How a file system comes to hold exactly the quota.
//!
//! Each is made somewhat too large. What it has over the quota is taken up by spare files: one that is given as many blocks as are too
//! many, and empty ones as many as there are inodes too many. So a quota is set, up and down, while guests write, by changing what is
//! spare; where nothing is spare any more the file system grows. What is the file system's own (directories of ours, its reserve) is
//! taken off first, so that the number of blocks that guests can use is the quota, to the block.

use std::{fs, io, os::fd::OwnedFd};

use madang_model::{FolderQuota, FolderUsage};
use madang_sandbox::volume::{EXT4_BLOCK_BYTES, LoopDevice};
use rustix::{
    fs::{
        AtFlags, FallocateFlags, FileType, Mode, OFlags, fallocate, fstat, fstatvfs, ftruncate, mknodat, openat,
        statat, unlinkat,
    },
    io::Errno,
};

use super::{
    image,
    scope::{self, DIRECTORIES, SPARE_FILES},
};

/// The file that takes up blocks.
const SPARE_BLOCKS: &str = "spare/blocks";
/// Inodes 1 to 11: reserved, the top directory, `lost+found`. Then [`DIRECTORIES`] and [`SPARE_BLOCKS`].
const OWN_INODES: u64 = 11 + DIRECTORIES.len() as u64 + 1;
/// More than so many files to take up inodes are not made: the quota of files is looser then.
const SPARE_FILES_MAX: u64 = 65_536;
/// Blocks of a group of blocks, which inodes come with.
const GROUP_BLOCKS: u64 = 32_768;
/// More is grown than is lacking: what grows needs room for its own records.
const GROW_SPARE_BLOCKS: u64 = 512;
const GROW_SHARE: u64 = 32;
/// Each round is nearer; spare files need blocks for their own records.
const ROUNDS_MAX: usize = 16;
/// `st_blocks` counts these.
const SECTORS_A_BLOCK: u64 = EXT4_BLOCK_BYTES / 512;

/// How a quota holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Settled {
    AsWanted,
    /// More is held than the quota says: nothing goes in, and when something has gone it is to be settled again.
    Above,
}

/// A mounted file system, measured.
#[derive(Debug)]
pub(super) struct Measured<'a> {
    pub root: &'a OwnedFd,
    /// Blocks that the file system keeps for itself.
    pub reserved: u64,
    /// Of [`SPARE_FILES`].
    pub spare_files: u64,
}

impl<'a> Measured<'a> {
    pub fn take(root: &'a OwnedFd, device: &LoopDevice) -> io::Result<Self> {
        let reserved = fs::read_to_string(format!("/sys/fs/ext4/{}/reserved_clusters", device.name()))?;
        let reserved = reserved.trim().parse().map_err(io::Error::other)?;
        let directory = scope::open(root, SPARE_FILES, OFlags::RDONLY)?;
        let spare_files = rustix::fs::Dir::read_from(&directory)?.flatten().count().saturating_sub(2) as u64;
        Ok(Self { root, reserved, spare_files })
    }

    /// What all folders hold.
    pub fn used(&self) -> io::Result<FolderUsage> {
        let seen = fstatvfs(self.root)?;
        let own = self.own_blocks()? + self.spare_blocks()?;
        let blocks = (seen.f_blocks - seen.f_bfree).saturating_sub(own);
        let files = (seen.f_files - seen.f_ffree).saturating_sub(OWN_INODES + self.spare_files);
        Ok(FolderUsage { bytes: blocks * EXT4_BLOCK_BYTES, files })
    }

    /// What they can hold at most.
    fn room(&self) -> io::Result<(u64, u64)> {
        let seen = fstatvfs(self.root)?;
        let taken = self.reserved + self.own_blocks()? + self.spare_blocks()?;
        Ok((seen.f_blocks.saturating_sub(taken), seen.f_files.saturating_sub(OWN_INODES + self.spare_files)))
    }

    /// The largest quota that needs no larger file system.
    pub fn most(&self) -> io::Result<FolderQuota> {
        let (blocks, files) = self.room()?;
        let bytes = (blocks + self.spare_blocks()?) * EXT4_BLOCK_BYTES;
        Ok(FolderQuota { bytes, files: files + self.spare_files })
    }

    /// Directories of ours, which may grow with the number of folders.
    fn own_blocks(&self) -> io::Result<u64> {
        let mut sum = 0;
        for path in DIRECTORIES.into_iter().chain([".", "lost+found"]) {
            sum += statat(self.root, path, AtFlags::SYMLINK_NOFOLLOW)?.st_blocks as u64;
        }
        Ok(sum / SECTORS_A_BLOCK)
    }

    fn spare_blocks(&self) -> io::Result<u64> {
        match statat(self.root, SPARE_BLOCKS, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(seen) => Ok(seen.st_blocks as u64 / SECTORS_A_BLOCK),
            Err(Errno::NOENT) => Ok(0),
            Err(error) => Err(error.into()),
        }
    }

    /// Makes room for exactly the quota, or for what is held already where that is more.
    pub fn settle(&mut self, quota: FolderQuota, image: &fs::File, device: &LoopDevice) -> io::Result<Settled> {
        let wanted = (quota.bytes / EXT4_BLOCK_BYTES, quota.files);
        for _ in 0..ROUNDS_MAX {
            let used = self.used()?;
            let (blocks, files) = (wanted.0.max(used.bytes / EXT4_BLOCK_BYTES), wanted.1.max(used.files));
            match self.approach(blocks, files, (image, device)) {
                Ok(true) if (blocks, files) == wanted => return Ok(Settled::AsWanted),
                Ok(true) => return Ok(Settled::Above),
                Ok(false) => {}
                // Guests wrote meanwhile.
                Err(error) if error.kind() == io::ErrorKind::StorageFull => {}
                Err(error) => return Err(error),
            }
        }
        tracing::debug!(?quota, "a quota holds to a few blocks only, so far");
        Ok(Settled::Above)
    }

    /// One round; whether it is there.
    fn approach(&mut self, blocks: u64, files: u64, (image, device): (&fs::File, &LoopDevice)) -> io::Result<bool> {
        let (blocks_now, files_now) = self.room()?;
        let spare = self.spare_blocks()?;
        let lacks_files = files.saturating_sub(files_now + self.spare_files);
        let lacks_blocks = blocks.saturating_sub(blocks_now + spare);
        if lacks_files > 0 || lacks_blocks > 0 {
            let more = self.blocks_for_files(lacks_files)?.max(lacks_blocks);
            image::grow(image, device, self.root, more + more / GROW_SHARE + GROW_SPARE_BLOCKS)?;
            return Ok(false);
        }
        self.set_spare_files((self.spare_files + files_now - files).min(SPARE_FILES_MAX))?;
        let (blocks_now, _) = self.room()?;
        if blocks_now == blocks {
            return Ok(true);
        }
        self.set_spare_blocks(blocks_now, blocks)?;
        Ok(false)
    }

    fn blocks_for_files(&self, files: u64) -> io::Result<u64> {
        let seen = fstatvfs(self.root)?;
        let groups = seen.f_blocks.div_ceil(GROUP_BLOCKS).max(1);
        let a_group = (seen.f_files / groups).max(1);
        Ok(files.div_ceil(a_group) * GROUP_BLOCKS)
    }

    fn set_spare_files(&mut self, wanted: u64) -> io::Result<()> {
        while self.spare_files < wanted {
            let name = format!("{SPARE_FILES}/{}", self.spare_files);
            match mknodat(self.root, name, FileType::RegularFile, Mode::from_raw_mode(0o600), 0) {
                Ok(()) | Err(Errno::EXIST) => self.spare_files += 1,
                Err(error) => return Err(error.into()),
            }
        }
        while self.spare_files > wanted {
            unlinkat(self.root, format!("{SPARE_FILES}/{}", self.spare_files - 1), AtFlags::empty())?;
            self.spare_files -= 1;
        }
        Ok(())
    }

    /// The spare file becomes longer by what there is too much, or shorter.
    fn set_spare_blocks(&self, now: u64, wanted: u64) -> io::Result<()> {
        let flags = OFlags::CREATE | OFlags::RDWR | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = openat(self.root, SPARE_BLOCKS, flags, Mode::from_raw_mode(0o600))?;
        let length = fstat(&file)?.st_size.max(0) as u64;
        if now < wanted {
            let shorter = length.saturating_sub((wanted - now) * EXT4_BLOCK_BYTES);
            return Ok(ftruncate(&file, shorter)?);
        }
        // Where guests have taken some of it meanwhile: as much as there is, so that they can take no more.
        let mut more = now - wanted;
        while more > 0 {
            match fallocate(&file, FallocateFlags::empty(), length, more * EXT4_BLOCK_BYTES) {
                Ok(()) => break,
                Err(error) => {
                    // What it was given before there was no more.
                    ftruncate(&file, length)?;
                    more = if error == Errno::NOSPC { more / 2 } else { return Err(error.into()) };
                }
            }
        }
        Ok(())
    }
}
