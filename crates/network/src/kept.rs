//! What we have changed of this machine and must give back, on disk: a process that is killed gives nothing back.

use std::{
    collections::BTreeSet,
    fs, io,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

#[derive(Debug, Default, Serialize, Deserialize)]
struct Changed {
    /// Interfaces whose forwarding was off.
    #[serde(default)]
    forwarding: BTreeSet<String>,
}

/// See [`Changed`].
#[derive(Debug)]
pub struct Kept {
    path: PathBuf,
    changed: Changed,
}

impl Kept {
    /// What a process before this one has left.
    pub fn read(path: &Path) -> Self {
        let changed = fs::read(path).ok().and_then(|text| serde_json::from_slice(&text).ok()).unwrap_or_default();
        Self { path: path.to_owned(), changed }
    }

    pub fn forwarding(&self) -> impl Iterator<Item = &str> {
        self.changed.forwarding.iter().map(String::as_str)
    }

    pub fn add(&mut self, interface: &str) -> io::Result<()> {
        self.changed.forwarding.insert(interface.to_owned());
        let partial = self.path.with_extension("part");
        fs::write(&partial, serde_json::to_vec(&self.changed)?)?;
        fs::rename(partial, &self.path)
    }

    pub fn clear(&mut self) -> io::Result<()> {
        self.changed = Changed::default();
        match fs::remove_file(&self.path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }
}
