//! Loop devices: a file as a disk. Each goes by itself when nobody has it open or mounted any more.

use std::{
    fs, io,
    os::fd::{AsFd, AsRawFd, OwnedFd},
    path::{Path, PathBuf},
};

use rustix::fs::{CWD, Mode, OFlags, fstat, openat};

use super::EXT4_BLOCK_BYTES;

/// `linux/loop.h`.
const LOOP_SET_CAPACITY: libc::Ioctl = 0x4C07;
const LOOP_GET_STATUS64: libc::Ioctl = 0x4C05;
const LOOP_CONFIGURE: libc::Ioctl = 0x4C0A;
const LOOP_CTL_GET_FREE: libc::Ioctl = 0x4C82;
const LO_FLAGS_AUTOCLEAR: u32 = 4;
const LO_FLAGS_DIRECT_IO: u32 = 16;
/// Free devices that others may take between our asking and taking.
const TRIES: usize = 64;

/// `struct loop_info64`.
#[repr(C)]
#[derive(Clone, Copy)]
struct LoopInfo {
    device: u64,
    inode: u64,
    rdevice: u64,
    offset: u64,
    size_limit: u64,
    number: u32,
    encrypt_type: u32,
    encrypt_key_size: u32,
    flags: u32,
    file_name: [u8; 64],
    crypt_name: [u8; 64],
    encrypt_key: [u8; 32],
    init: [u64; 2],
}

/// `struct loop_config`.
#[repr(C)]
struct LoopConfig {
    file: u32,
    block_bytes: u32,
    info: LoopInfo,
    reserved: [u64; 8],
}

/// A device that serves an image as long as this lives, or something is mounted from it.
#[derive(Debug)]
pub struct LoopDevice {
    device: OwnedFd,
    path: PathBuf,
}

impl LoopDevice {
    /// The device that serves this image already (there must never be two), else a free one.
    pub fn of(image: impl AsFd) -> io::Result<Self> {
        match Self::find(&image)? {
            Some(found) => Ok(found),
            None => Self::take(&image),
        }
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// As `loop3`.
    pub fn name(&self) -> String {
        self.path.file_name().unwrap_or_default().to_string_lossy().into_owned()
    }

    /// The image has another length now.
    pub fn grown(&self) -> io::Result<()> {
        // SAFETY: this request takes no argument.
        checked(unsafe { libc::ioctl(self.device.as_raw_fd(), LOOP_SET_CAPACITY, 0) }).map(drop)
    }

    /// Opened before it is looked at: from then on it serves what it serves.
    fn find(image: impl AsFd) -> io::Result<Option<Self>> {
        let wanted = fstat(&image)?;
        for entry in fs::read_dir("/sys/block")?.flatten() {
            let name = entry.file_name();
            // Only those that serve something have this.
            if !name.to_string_lossy().starts_with("loop") || !entry.path().join("loop/backing_file").exists() {
                continue;
            }
            let path = Path::new("/dev").join(&name);
            let Ok(device) = open(&path) else { continue };
            if status(&device).is_ok_and(|info| info.device == wanted.st_dev && info.inode == wanted.st_ino) {
                return Ok(Some(Self { device, path }));
            }
        }
        Ok(None)
    }

    fn take(image: impl AsFd) -> io::Result<Self> {
        let control = control()?;
        for _ in 0..TRIES {
            // SAFETY: this request takes no argument.
            let number = checked(unsafe { libc::ioctl(control.as_raw_fd(), LOOP_CTL_GET_FREE, 0) })?;
            let path = PathBuf::from(format!("/dev/loop{number}"));
            let device = open(&path)?;
            match configure(&device, &image) {
                Ok(()) => return Ok(Self { device, path }),
                // Somebody was quicker.
                Err(error) if error.raw_os_error() == Some(libc::EBUSY) => {}
                Err(error) => return Err(error),
            }
        }
        Err(io::Error::new(io::ErrorKind::ResourceBusy, "others take every free loop device"))
    }
}

pub(super) fn control() -> io::Result<OwnedFd> {
    open(Path::new("/dev/loop-control"))
}

fn open(path: &Path) -> io::Result<OwnedFd> {
    Ok(openat(CWD, path, OFlags::RDWR | OFlags::CLOEXEC, Mode::empty())?)
}

fn configure(device: &OwnedFd, image: impl AsFd) -> io::Result<()> {
    // SAFETY: all zeroes is a valid value of either structure.
    let mut info: LoopInfo = unsafe { std::mem::zeroed() };
    info.flags = LO_FLAGS_AUTOCLEAR | LO_FLAGS_DIRECT_IO;
    let file = image.as_fd().as_raw_fd() as u32;
    let config = LoopConfig { file, block_bytes: EXT4_BLOCK_BYTES as u32, info, reserved: [0; 8] };
    // SAFETY: `config` is laid out as this request takes it and outlives the call; the kernel takes a reference to the file.
    checked(unsafe { libc::ioctl(device.as_raw_fd(), LOOP_CONFIGURE, &raw const config) }).map(drop)
}

fn status(device: &OwnedFd) -> io::Result<LoopInfo> {
    // SAFETY: all zeroes is a valid value.
    let mut info: LoopInfo = unsafe { std::mem::zeroed() };
    // SAFETY: `info` is laid out as this request fills it and outlives the call.
    checked(unsafe { libc::ioctl(device.as_raw_fd(), LOOP_GET_STATUS64, &raw mut info) })?;
    Ok(info)
}

fn checked(result: libc::c_int) -> io::Result<libc::c_int> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn structures_are_as_the_kernel_has_them() {
        assert_eq!((size_of::<LoopInfo>(), size_of::<LoopConfig>()), (232, 304));
    }
}
