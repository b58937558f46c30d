//! What a root file system consists of, as plain facts that the sandbox turns into mounts.

use std::{collections::BTreeMap, path::PathBuf};

use serde::{Deserialize, Serialize};

/// Mount points and directories that every sandbox has, whatever the image: `(absolute path, mode)`, parents first.
///
/// `etc/resolv.conf` is a file and therefore not here; the host image and the top layer of the image store bring it.
pub const MOUNT_POINTS: &[(&str, u32)] = &[
    ("/proc", 0o555),
    ("/sys", 0o555),
    ("/dev", 0o755),
    ("/tmp", 0o1777),
    ("/home", 0o755),
    ("/home/work", 0o755),
    ("/run", 0o755),
    ("/run/madang", 0o755),
    ("/opt", 0o755),
    ("/opt/madang", 0o755),
    ("/opt/madang/languages", 0o755),
    ("/etc", 0o755),
    ("/var", 0o755),
    ("/var/tmp", 0o1777),
];

/// A root file system: stacked layers or read-only binds, then links, directories and environment on top.
///
/// Everything in it is to be mounted read-only. All paths inside the root are absolute and free of `.` and `..`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RootPlan {
    /// `sha256:…` of the image; none for `host`.
    pub digest: Option<String>,
    /// Unpacked layer directories on this machine, lowest first, to be joined by overlayfs; empty for `host`.
    /// The last one is the store's own and holds the mount points.
    pub layers: Vec<PathBuf>,
    /// Opaque directories are marked with `user.overlay.opaque` instead of `trusted.overlay.opaque`: mount with `userxattr`.
    pub userxattr: bool,
    pub binds: Vec<Bind>,
    pub links: Vec<Link>,
    /// Directories that must exist before binds are mounted, parents first. Modes as in [`MOUNT_POINTS`], else 0755.
    pub directories: Vec<String>,
    /// Environment of every program, which the request may override.
    pub env: BTreeMap<String, String>,
}

/// A directory of this machine shown read-only inside.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bind {
    /// On this machine.
    pub source: PathBuf,
    /// Inside the root; listed in [`RootPlan::directories`].
    pub target: String,
}

/// A symbolic link to make inside the root.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Link {
    /// Inside the root.
    pub path: String,
    /// As `readlink` shows it.
    pub target: String,
}

/// The mode a planned directory is made with.
#[must_use]
pub fn directory_mode(path: &str) -> u32 {
    MOUNT_POINTS.iter().find(|(known, _)| *known == path).map_or(0o755, |(_, mode)| *mode)
}
