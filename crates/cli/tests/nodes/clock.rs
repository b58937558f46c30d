//! A wall clock of a process's own, which can be set: Debian's libfaketime, loaded into agents and control. The time that nobody can set
//! is the machine's, and sandboxes know nothing of it.

use std::{fs, path::PathBuf};

use tempfile::TempDir;

const FILE: &str = "offset";

pub struct Clock {
    library: PathBuf,
    directory: TempDir,
}

impl Clock {
    /// None where the library is not installed; `scripts/install test` does that.
    pub fn new() -> Option<Self> {
        let library = PathBuf::from(format!("/usr/lib/{}-linux-gnu/faketime/libfaketime.so.1", std::env::consts::ARCH));
        if !library.exists() {
            assert!(std::env::var_os("MADANG_REQUIRE_LANGUAGES").is_none(), "libfaketime is not installed");
            return None;
        }
        let clock = Self { library, directory: TempDir::with_prefix("madang-clock-").unwrap() };
        clock.set(0);
        Some(clock)
    }

    /// So many seconds beside the machine's; heard within a second.
    pub fn set(&self, seconds: i64) {
        let beside = self.directory.path().join("next");
        fs::write(&beside, format!("{seconds:+}\n")).unwrap();
        fs::rename(beside, self.directory.path().join(FILE)).unwrap();
    }

    pub fn environment(&self) -> Vec<(&'static str, String)> {
        let text = |path: PathBuf| path.to_string_lossy().into_owned();
        let yes = || "1".to_owned();
        vec![
            ("LD_PRELOAD", text(self.library.clone())),
            ("FAKETIME_TIMESTAMP_FILE", text(self.directory.path().join(FILE))),
            ("FAKETIME_CACHE_DURATION", yes()),
            ("FAKETIME_DONT_FAKE_MONOTONIC", yes()),
            // Nothing stays in /dev/shm of one that is killed.
            ("FAKETIME_DISABLE_SHM", yes()),
            ("NO_FAKE_STAT", yes()),
        ]
    }
}
