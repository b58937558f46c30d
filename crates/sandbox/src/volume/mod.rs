//! What of the kernel holds folders: file systems in files, and the mounts they are lent by.
//!
//! `storage` calls this and decides what is where; here are only the calls. Every mount of a volume hangs in a mount namespace of one
//! thread ([`private_namespace`]), so that nothing of it is left when the process ends, however it ends: only what sandboxes hold lives on.

mod ext4;
mod loop_device;
mod mounts;

pub use ext4::{EXT4_BLOCK_BYTES, MKFS, Shape, make_ext4, resize};
pub use loop_device::LoopDevice;
pub use mounts::{Access, attach, detach, lend, mount_ext4, private_namespace};

/// Why owners of folders cannot be held to quotas by an image each; none where they can.
pub fn images_lack() -> Option<String> {
    if !rustix::process::geteuid().is_root() {
        return Some("not root: no file system can be mounted".to_owned());
    }
    if let Err(error) = loop_device::control() {
        return Some(format!("no loop devices: {error}"));
    }
    if !ext4::is_known() {
        return Some("the kernel has no ext4".to_owned());
    }
    if ext4::program().is_none() { Some(format!("{MKFS} is not installed (Debian: e2fsprogs)")) } else { None }
}
