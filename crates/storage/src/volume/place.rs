//! What a place is called that several machines share: a name that the first of them leaves in it, of the kind that nodes have, because
//! folders are there as others are on a node.

use std::{
    fs,
    io::{self, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::Path,
};

use madang_ids::NodeId;

use super::failed;
use crate::StorageError;

const NAME: &str = "place";

/// The place's name, which is left there if this machine is the first.
pub(super) fn of(home: &Path) -> Result<NodeId, StorageError> {
    let path = home.join(NAME);
    let looking = || failed(format!("looking for the name of the shared place {}", home.display()));
    match fs::read_to_string(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            name(home, &path).map_err(looking())?;
            read(&fs::read_to_string(&path).map_err(looking())?)
        }
        text => read(&text.map_err(looking())?),
    }
}

/// Whole or not at all, and once: whoever comes second finds the first one's.
fn name(home: &Path, path: &Path) -> io::Result<()> {
    let id = NodeId::new();
    let whole = home.join(format!("{NAME}.{id}"));
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&whole)?;
    let linked = file.write_all(id.to_string().as_bytes()).and_then(|()| file.sync_all());
    let linked = linked.and_then(|()| match fs::hard_link(&whole, path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        linked => linked,
    });
    fs::remove_file(&whole)?;
    linked
}

fn read(text: &str) -> Result<NodeId, StorageError> {
    text.trim().parse().map_err(|_| StorageError::Unavailable(format!("`{NAME}` of a shared place holds no name")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn machines_agree_on_what_a_place_is_called() {
        let home = tempfile::tempdir().unwrap();
        let named: Vec<NodeId> = std::thread::scope(|threads| {
            let all: Vec<_> = (0..8).map(|_| threads.spawn(|| of(home.path()).unwrap())).collect();
            all.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert!(named.iter().all(|name| *name == named[0]), "{named:?}");
        assert_eq!(fs::read_dir(home.path()).unwrap().count(), 1);
        assert!(of(&home.path().join("not mounted")).is_err());
    }
}
