//! Looks for files in a root that is not mounted, as its own programs would find them.
//!
//! Links are resolved by us, within the plan: the machine's kernel never follows one, so no image can make us look elsewhere.

use std::{fs, os::unix::fs::MetadataExt, path::Path};

use rustix::{
    fs::{AtFlags, FileType, Mode, OFlags, ResolveFlags, fgetxattr, open, openat2, readlinkat, statat},
    io::Errno,
};

use super::RootPlan;

/// Links on the way to one file, as in the kernel.
const LINKS_MAX: usize = 40;
/// Bytes of a path while links are put into it.
const PATH_BYTES_MAX: usize = 16 << 10;

enum Found {
    Directory,
    File,
    Link(String),
}

/// What one layer knows of a path.
enum InLayer {
    Found(Found),
    /// Nothing, and lower layers are hidden.
    Hidden,
    /// Nothing; ask the next lower one.
    Absent,
}

/// Whether a program inside would find a regular file at this absolute path. Blocking: it looks at the disk.
#[must_use]
pub fn has_file(plan: &RootPlan, path: &str) -> bool {
    matches!(Finder { plan }.find(path), Some(Found::File))
}

struct Finder<'a> {
    plan: &'a RootPlan,
}

impl Finder<'_> {
    fn find(&self, path: &str) -> Option<Found> {
        let mut left: Vec<String> = parts(path.strip_prefix('/')?);
        let mut reached: Vec<String> = Vec::new();
        let mut links = 0;
        let mut last = Found::Directory;
        while let Some(part) = left.pop() {
            if matches!(last, Found::File) {
                return None;
            }
            if part == ".." {
                reached.pop();
                last = Found::Directory;
                continue;
            }
            reached.push(part);
            last = self.look(&reached.join("/"))?;
            if let Found::Link(target) = &last {
                links += 1;
                let long = left.iter().map(String::len).sum::<usize>() + target.len() > PATH_BYTES_MAX;
                if links > LINKS_MAX || long {
                    return None;
                }
                reached.pop();
                if target.starts_with('/') {
                    reached.clear();
                }
                left.extend(parts(target));
                last = Found::Directory;
            }
        }
        Some(last)
    }

    /// What is at a path whose directories are known to be directories.
    fn look(&self, path: &str) -> Option<Found> {
        let absolute = format!("/{path}");
        if let Some(link) = self.plan.links.iter().find(|link| link.path == absolute) {
            return Some(Found::Link(link.target.clone()));
        }
        let bind = self.plan.binds.iter().filter(|bind| Path::new(&absolute).starts_with(&bind.target));
        if let Some(bind) = bind.max_by_key(|bind| bind.target.len()) {
            let rest = Path::new(&absolute).strip_prefix(&bind.target).ok()?;
            return on_machine(&bind.source.join(rest));
        }
        if self.plan.directories.contains(&absolute) {
            return Some(Found::Directory);
        }
        for layer in self.plan.layers.iter().rev() {
            match in_layer(layer, path) {
                Ok(InLayer::Found(found)) => return Some(found),
                Ok(InLayer::Absent) => {}
                Ok(InLayer::Hidden) | Err(_) => return None,
            }
        }
        None
    }
}

/// The parts of a path, last first.
fn parts(path: &str) -> Vec<String> {
    path.split('/').filter(|part| !part.is_empty() && *part != ".").rev().map(str::to_owned).collect()
}

/// In a directory of this machine that is shown as it is.
fn on_machine(path: &Path) -> Option<Found> {
    let seen = fs::symlink_metadata(path).ok()?;
    match FileType::from_raw_mode(seen.mode()) {
        FileType::Directory => Some(Found::Directory),
        FileType::RegularFile => Some(Found::File),
        FileType::Symlink => Some(Found::Link(fs::read_link(path).ok()?.to_str()?.to_owned())),
        _ => None,
    }
}

fn in_layer(layer: &Path, path: &str) -> Result<InLayer, Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let mut directory = open(layer, flags, Mode::empty())?;
    let mut opaque = is_opaque(&directory);
    let (above, last) = path.rsplit_once('/').unwrap_or(("", path));
    for part in above.split('/').filter(|part| !part.is_empty()) {
        let walls = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
        directory = match openat2(&directory, part, flags | OFlags::NOFOLLOW, Mode::empty(), walls) {
            Ok(directory) => directory,
            Err(Errno::NOENT) => return Ok(if opaque { InLayer::Hidden } else { InLayer::Absent }),
            // A file, link or whiteout where higher layers have a directory: it ends the directory's history.
            Err(Errno::LOOP | Errno::NOTDIR) => return Ok(InLayer::Hidden),
            Err(errno) => return Err(errno),
        };
        opaque |= is_opaque(&directory);
    }
    let seen = match statat(&directory, last, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(seen) => seen,
        Err(Errno::NOENT) => return Ok(if opaque { InLayer::Hidden } else { InLayer::Absent }),
        Err(errno) => return Err(errno),
    };
    Ok(match FileType::from_raw_mode(seen.st_mode) {
        FileType::Directory => InLayer::Found(Found::Directory),
        FileType::RegularFile => InLayer::Found(Found::File),
        FileType::Symlink => {
            let target = readlinkat(&directory, last, Vec::new())?;
            InLayer::Found(Found::Link(target.to_string_lossy().into_owned()))
        }
        _ => InLayer::Hidden,
    })
}

fn is_opaque(directory: &impl std::os::fd::AsFd) -> bool {
    let mut value = [0_u8; 1];
    ["trusted.overlay.opaque", "user.overlay.opaque"]
        .iter()
        .any(|name| fgetxattr(directory, *name, &mut value[..]).is_ok_and(|length| length == 1 && value[0] == b'y'))
}
