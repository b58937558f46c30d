//! A file that the machine swaps to as long as a test runs.

use std::{
    fs::{self, File, Permissions},
    os::unix::fs::PermissionsExt as _,
    path::Path,
    process::Command,
};

use tempfile::TempDir;

#[derive(Debug)]
pub struct SwapFile {
    home: TempDir,
}

impl SwapFile {
    /// Where this machine lets us; else why not.
    pub fn on(bytes: u64) -> Result<Self, String> {
        // Not a tmpfs, which has no blocks to swap to.
        let home = TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).map_err(|error| error.to_string())?;
        let swap = Self { home };
        swap.allocate(bytes).map_err(|error| error.to_string())?;
        said("mkswap", &swap.path())?;
        said("swapon", &swap.path())?;
        Ok(swap)
    }

    fn path(&self) -> std::path::PathBuf {
        self.home.path().join("swap")
    }

    fn allocate(&self, bytes: u64) -> std::io::Result<()> {
        let file = File::create(self.path())?;
        fs::set_permissions(self.path(), Permissions::from_mode(0o600))?;
        rustix::fs::fallocate(&file, rustix::fs::FallocateFlags::empty(), 0, bytes)?;
        Ok(())
    }
}

impl Drop for SwapFile {
    fn drop(&mut self) {
        // Where it was never turned on there is nothing to turn off.
        let _ = said("swapoff", &self.path());
    }
}

fn said(program: &str, path: &Path) -> Result<(), String> {
    let mut command = Command::new("env");
    command.arg("PATH=/usr/sbin:/sbin:/usr/bin:/bin").arg(program).arg(path);
    let output = command.output().map_err(|error| format!("{program}: {error}"))?;
    match output.status.success() {
        true => Ok(()),
        false => Err(format!("{program}: {}", String::from_utf8_lossy(&output.stderr).trim())),
    }
}
