//! Accelerators that are only declared: a device node of their own that a sandbox sees and nobody computes with. For tests, and for trying a
//! scheduler out.

use std::{
    fs, io,
    os::unix::fs::{DirBuilderExt as _, PermissionsExt as _},
    path::Path,
    str::FromStr,
};

use madang_node_api::DeviceSeen;
use rustix::fs::{CWD, FileType, Mode, makedev, mknodat};

use super::{DEVICES_MAX, Device, Maker, SHARES_MAX, exists};

/// What is read from a fake is zeros (`/dev/zero`; Linux `Documentation/admin-guide/devices.txt`).
const ZERO: (u32, u32) = (1, 5);
/// Letters of a kind.
const KIND_CHARS_MAX: usize = 32;

/// So many fakes of a kind, as in `fake:2` or `fake:2:4`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FakeDevices {
    kind: String,
    count: usize,
    shares: u32,
}

impl FromStr for FakeDevices {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut words = text.split(':');
        let (kind, count, shares) = (words.next().unwrap_or_default(), words.next(), words.next());
        let letters = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if kind.is_empty() || kind.len() > KIND_CHARS_MAX || !kind.chars().all(letters) || words.next().is_some() {
            return Err("it looks like KIND:COUNT or KIND:COUNT:SHARES, the kind in small letters".to_owned());
        }
        let count = count.and_then(|count| count.parse().ok()).filter(|count| (1..=DEVICES_MAX).contains(count));
        let count = count.ok_or_else(|| format!("COUNT is between 1 and {DEVICES_MAX}"))?;
        let shares = shares.map_or(Some(1), |shares| shares.parse().ok()).filter(|s| (1..=SHARES_MAX).contains(s));
        let shares = shares.ok_or_else(|| format!("SHARES is between 1 and {SHARES_MAX}"))?;
        Ok(Self { kind: kind.to_owned(), count, shares })
    }
}

/// Makes what is not there yet; a fake keeps its id as long as its directory is there.
pub(super) fn declare(fakes: &[FakeDevices], directory: &Path) -> io::Result<Vec<Device>> {
    if fakes.is_empty() {
        return Ok(Vec::new());
    }
    fs::DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
    let each = fakes.iter().flat_map(|fake| (0..fake.count).map(move |number| (fake, number)));
    each.map(|(fake, number)| declare_one(fake, directory, number)).collect()
}

fn declare_one(fake: &FakeDevices, directory: &Path, number: usize) -> io::Result<Device> {
    let name = format!("{}{number}", fake.kind);
    let (node, kept) = (directory.join(&name), directory.join(format!("{name}.id")));
    if !exists(&kept) {
        let uuid = fs::read_to_string("/proc/sys/kernel/random/uuid")?;
        let partial = directory.join(format!("{name}.part"));
        fs::write(&partial, format!("fake-{}", uuid.trim()))?;
        fs::rename(partial, &kept)?;
    }
    if !exists(&node) {
        make_node(&node)?;
    }
    let seen = DeviceSeen {
        id: fs::read_to_string(kept)?,
        kind: fake.kind.clone(),
        model: "declared, not real".to_owned(),
        memory_bytes: 0,
        shares: fake.shares,
    };
    Ok(Device { seen, nodes: vec![node], maker: Maker::Nobody })
}

/// Who may not make device nodes makes an empty file.
fn make_node(path: &Path) -> io::Result<()> {
    let device = makedev(ZERO.0, ZERO.1);
    match mknodat(CWD, path, FileType::CharacterDevice, Mode::from_raw_mode(0o666), device) {
        Err(rustix::io::Errno::PERM) => fs::write(path, "")?,
        made => made?,
    }
    fs::set_permissions(path, fs::Permissions::from_mode(0o666))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fakes_are_declared_in_a_word() {
        let read = |text: &str| text.parse::<FakeDevices>();
        assert_eq!(read("fake:2"), Ok(FakeDevices { kind: "fake".into(), count: 2, shares: 1 }));
        assert_eq!(read("cuda:1:4"), Ok(FakeDevices { kind: "cuda".into(), count: 1, shares: 4 }));
        for bad in ["", "fake", "fake:", "fake:0", "fake:65", "fake:1:0", "fake:1:65", "fake:1:2:3", "a/b:1", "F:1"] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_fake_keeps_its_id() {
        let home = tempfile::tempdir().unwrap();
        let declare = || declare(&["fake:2:2".parse().unwrap()], &home.path().join("devices")).unwrap();
        let ids = |devices: Vec<Device>| devices.into_iter().map(|device| device.seen.id).collect::<Vec<_>>();
        let first = ids(declare());
        assert!(first[0].starts_with("fake-") && first[0] != first[1], "{first:?}");
        assert_eq!(ids(declare()), first);
    }
}
