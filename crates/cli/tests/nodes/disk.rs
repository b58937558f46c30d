//! A small disk of a process's own, which can be filled. Gone with the value.

use std::{
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    process::Command,
};

const FILLER: &str = "filler";
/// Written at once, as long as there is room for it; then single bytes.
const PIECE: usize = 64 << 10;

pub struct Disk(PathBuf);

impl Disk {
    pub fn mount(at: &Path, bytes: u64) -> Self {
        let options = format!("size={bytes},mode=700");
        let output =
            Command::new("mount").args(["-t", "tmpfs", "-o", &options, "madang-test"]).arg(at).output().unwrap();
        assert!(output.status.success(), "mount: {}", String::from_utf8_lossy(&output.stderr));
        Self(at.to_owned())
    }

    /// Until there is no room for a byte.
    pub fn fill(&self) {
        let mut filler = fs::OpenOptions::new().create(true).append(true).open(self.0.join(FILLER)).unwrap();
        for length in [PIECE, 1] {
            while filler.write_all(&vec![0; length]).is_ok() {}
        }
    }

    pub fn empty(&self) {
        fs::remove_file(self.0.join(FILLER)).unwrap();
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // Whoever still holds something there holds it to its end.
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).output();
    }
}
