//! Where time here stands, kept over restarts in the home directory.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use super::Steady;

/// File name below the home directory. Without it time begins with the machine's clock.
const FILE: &str = "clock.json";
const FILE_NEW: &str = "clock.json.new";
/// Another one for each start of the machine (random(4)).
const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";

/// One moment by both clocks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Moment {
    /// Which start of the machine `up_us` is of.
    pub boot: String,
    pub up_us: u64,
    pub now_us: u64,
}

impl Moment {
    pub fn of(steady: &Steady) -> io::Result<Self> {
        Ok(Self { boot: boot()?, up_us: steady.up_us, now_us: steady.now_us })
    }

    /// None where nothing readable of this start of the machine is kept.
    pub fn read(home: &Path) -> Option<Self> {
        let kept: Self = serde_json::from_slice(&fs::read(home.join(FILE)).ok()?).ok()?;
        (kept.boot == boot().ok()?).then_some(kept)
    }

    /// The old one stands until the new one is whole.
    pub fn write(&self, home: &Path) -> io::Result<()> {
        let new: PathBuf = home.join(FILE_NEW);
        fs::write(&new, serde_json::to_vec(self)?)?;
        fs::rename(new, home.join(FILE))
    }
}

fn boot() -> io::Result<String> {
    Ok(fs::read_to_string(BOOT_ID)?.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_of_one_start_of_the_machine() {
        let home = tempfile::tempdir().unwrap();
        assert_eq!(Moment::read(home.path()), None);
        let here = Moment::of(&Steady::new(7, 9)).unwrap();
        here.write(home.path()).unwrap();
        assert_eq!(Moment::read(home.path()), Some(here.clone()));
        Moment { boot: "another".to_owned(), ..here }.write(home.path()).unwrap();
        assert_eq!(Moment::read(home.path()), None);
        fs::write(home.path().join(FILE), "{").unwrap();
        assert_eq!(Moment::read(home.path()), None);
    }
}
