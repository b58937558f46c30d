//! One unpacked layer as a tar stream: what [`crate::unpack`] has made of a layer, said as layers say it.

use std::{
    collections::BTreeMap,
    fs::{self, File, Metadata},
    io::{self, Write},
    os::unix::{
        ffi::OsStrExt as _,
        fs::{FileTypeExt as _, MetadataExt as _},
    },
    path::Path,
};

use rustix::io::Errno;

use crate::{
    digest::Digest,
    error::{ImageError, Refusal},
    store::ImageStore,
    tar::{Kind, TarWriter, Written},
};

const WHITEOUT: &[u8] = b".wh.";
const OPAQUE: &[u8] = b".wh..wh..opq";

impl ImageStore {
    /// Writes a layer that is there, entry by entry in the order of their names.
    pub(super) fn pack_layer(&self, layer: &Digest, to: &mut impl Write) -> Result<(), ImageError> {
        let root = self.layer_root(layer);
        let mut packer = Packer { tar: TarWriter::new(to), opaque: self.opaque_attribute(), linked: BTreeMap::new() };
        packer.directory(&root, b"")?;
        packer.tar.finish().map(drop).map_err(ImageError::io("pack", &root))
    }
}

struct Packer<'a, W> {
    tar: TarWriter<&'a mut W>,
    /// The attribute of a directory that hides what lies below it in lower layers.
    opaque: &'static str,
    /// Files with several names, by number: the first name.
    linked: BTreeMap<u64, Vec<u8>>,
}

impl<W: Write> Packer<'_, W> {
    fn directory(&mut self, path: &Path, name: &[u8]) -> Result<(), ImageError> {
        let listed = fs::read_dir(path).and_then(|entries| entries.collect::<io::Result<Vec<_>>>());
        let mut entries = listed.map_err(ImageError::io("list", path))?;
        entries.sort_by_key(fs::DirEntry::file_name);
        if is_opaque(path, self.opaque)? {
            self.put(path, &entry(&below(name, OPAQUE), Kind::File(0), 0o644))?;
        }
        for found in entries {
            let path = found.path();
            let seen = fs::symlink_metadata(&path).map_err(ImageError::io("look at", &path))?;
            self.one(&path, name, found.file_name().as_bytes(), &seen)?;
        }
        Ok(())
    }

    fn one(&mut self, path: &Path, above: &[u8], last: &[u8], seen: &Metadata) -> Result<(), ImageError> {
        let (name, mode) = (below(above, last), seen.mode() & 0o7777);
        let kind = seen.file_type();
        if kind.is_dir() {
            // Not its time: that is when it was unpacked.
            self.put(path, &entry(&[&name, &b"/"[..]].concat(), Kind::Directory, mode))?;
            self.directory(path, &name)
        } else if kind.is_symlink() {
            let target = fs::read_link(path).map_err(ImageError::io("read", path))?;
            self.put(path, &entry(&name, Kind::Symlink(target.as_os_str().as_bytes()), 0o777))
        } else if kind.is_char_device() && seen.rdev() == 0 {
            self.put(path, &entry(&below(above, &[WHITEOUT, last].concat()), Kind::File(0), 0o644))
        } else if kind.is_file() {
            self.file(path, name, seen)
        } else {
            // Unpacking makes none.
            Err(ImageError::refused("a layer")(Refusal::DeviceNode(String::from_utf8_lossy(&name).into_owned())))
        }
    }

    fn file(&mut self, path: &Path, name: Vec<u8>, seen: &Metadata) -> Result<(), ImageError> {
        let (mode, mtime) = (seen.mode() & 0o7777, seen.mtime());
        if let Some(first) = self.linked.get(&seen.ino()).cloned() {
            return self.put(path, &Written { name: &name, kind: Kind::HardLink(&first), mode, mtime });
        }
        let mut body = File::open(path).map_err(ImageError::io("open", path))?;
        let entry = Written { name: &name, kind: Kind::File(seen.len()), mode, mtime };
        self.tar.entry(&entry, &mut body).map_err(ImageError::io("pack", path))?;
        if seen.nlink() > 1 {
            self.linked.insert(seen.ino(), name);
        }
        Ok(())
    }

    fn put(&mut self, path: &Path, entry: &Written<'_>) -> Result<(), ImageError> {
        self.tar.entry(entry, &mut io::empty()).map_err(ImageError::io("pack", path))
    }
}

/// Without a time.
fn entry<'a>(name: &'a [u8], kind: Kind<'a>, mode: u32) -> Written<'a> {
    Written { name, kind, mode, mtime: 0 }
}

fn below(directory: &[u8], name: &[u8]) -> Vec<u8> {
    if directory.is_empty() { name.to_vec() } else { [directory, b"/", name].concat() }
}

fn is_opaque(path: &Path, attribute: &str) -> Result<bool, ImageError> {
    let mut value = [0_u8; 8];
    match rustix::fs::lgetxattr(path, attribute, &mut value[..]) {
        Ok(length) => Ok(&value[..length] == b"y"),
        Err(Errno::NODATA | Errno::NOTSUP) => Ok(false),
        Err(errno) => Err(ImageError::io("read the attributes of", path)(errno.into())),
    }
}
