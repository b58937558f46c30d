//! All that is beneath a directory, each directory before what is in it.

use std::os::fd::OwnedFd;

use rustix::{
    fs::{AtFlags, Dir, OFlags, Stat, readlinkat, statat},
    io::Errno,
};

use super::{EntryKind, Tree, TreePath, open_beneath};
use crate::StorageError;

/// Directories that are open at once, one beneath the other; deeper ones are not entered.
const DEPTH_MAX: usize = 64;

/// Goes from name to name; what changes meanwhile is met or not.
#[derive(Debug)]
pub struct Walk {
    levels: Vec<Level>,
    /// Entered at the next step.
    next: Option<(Vec<u8>, TreePath)>,
}

#[derive(Debug)]
struct Level {
    path: TreePath,
    directory: OwnedFd,
    names: Dir,
}

/// What a walk comes to.
#[derive(Debug)]
pub enum Met {
    /// From the folder's top.
    Entry { path: TreePath, stat: Stat },
    /// Something that could not be looked at or into.
    Closed { path: TreePath },
}

impl Walk {
    pub fn beneath(tree: &Tree, top: &TreePath) -> Result<Self, StorageError> {
        let directory = tree.directory(top)?;
        let names = Dir::read_from(&directory).map_err(super::failed(top))?;
        Ok(Self { levels: vec![Level { path: top.clone(), directory, names }], next: None })
    }

    /// None when all has been met.
    pub fn step(&mut self) -> Option<Met> {
        if let Some((name, path)) = self.next.take()
            && self.enter(&name, &path).is_err()
        {
            return Some(Met::Closed { path });
        }
        loop {
            let level = self.levels.last_mut()?;
            let Some(Ok(entry)) = level.names.next() else {
                self.levels.pop();
                continue;
            };
            let name = entry.file_name().to_bytes();
            if name == b"." || name == b".." {
                continue;
            }
            // A path that has become too long has no name that anybody could ask for.
            let Ok(path) = level.path.join(name) else { continue };
            let Ok(stat) = statat(&level.directory, name, AtFlags::SYMLINK_NOFOLLOW) else { continue };
            if EntryKind::of(&stat) == EntryKind::Directory {
                self.next = Some((name.to_vec(), path.clone()));
            }
            return Some(Met::Entry { path, stat });
        }
    }

    /// The bytes of the file that was met last.
    pub fn open_file(&self, path: &TreePath) -> Result<OwnedFd, Errno> {
        let (level, name) = self.last(path)?;
        open_beneath(&level.directory, &name, OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY)
    }

    /// Where the link that was met last leads.
    pub fn link_target(&self, path: &TreePath) -> Result<Vec<u8>, Errno> {
        let (level, name) = self.last(path)?;
        Ok(readlinkat(&level.directory, name, Vec::new())?.into_bytes())
    }

    fn last(&self, path: &TreePath) -> Result<(&Level, Vec<u8>), Errno> {
        let name = path.split_last().map(|(_, name)| name.to_vec()).ok_or(Errno::NOENT)?;
        Ok((self.levels.last().ok_or(Errno::NOENT)?, name))
    }

    fn enter(&mut self, name: &[u8], path: &TreePath) -> Result<(), Errno> {
        if self.levels.len() >= DEPTH_MAX {
            return Err(Errno::LOOP);
        }
        let above = self.levels.last().ok_or(Errno::NOENT)?;
        let directory = open_beneath(&above.directory, name, OFlags::RDONLY | OFlags::DIRECTORY)?;
        let names = Dir::read_from(&directory)?;
        self.levels.push(Level { path: path.clone(), directory, names });
        Ok(())
    }
}
