//! Our own standard input: whole where it is a file, live where it is a terminal or a pipe.

use std::{
    fs::File,
    io::{self, Read as _},
    os::{fd::AsFd as _, linux::fs::MetadataExt as _, unix::fs::FileTypeExt as _},
    path::Path,
    thread,
};

use madang_public_api::bounds::JSON_BODY_BYTES_MAX;
use tokio::sync::mpsc;

use crate::exit::Failure;

/// The most that is sent along with a request; more goes in while the program runs.
const WHOLE_BYTES_MAX: u64 = (JSON_BODY_BYTES_MAX / 2) as u64;
/// Bytes read at once.
const CHUNK_BYTES: usize = 64 << 10;
/// Chunks that wait for a slow program.
const CHUNKS_MAX: usize = 4;
/// Device number of /dev/null, major 1 and minor 3.
const NULL_DEVICE: u64 = (1 << 8) | 3;

/// What standard input is to a program of ours.
#[derive(Debug, PartialEq, Eq)]
pub enum Own {
    Whole(Vec<u8>),
    Live,
}

/// Looks at our standard input; reads it only if it is a file of moderate size.
pub fn own() -> Result<Own, Failure> {
    // A closed standard input is an empty one.
    let Ok(fd) = io::stdin().as_fd().try_clone_to_owned() else { return Ok(Own::Whole(Vec::new())) };
    let file = File::from(fd);
    let Ok(seen) = file.metadata() else { return Ok(Own::Whole(Vec::new())) };
    let kind = seen.file_type();
    if kind.is_char_device() && seen.st_rdev() == NULL_DEVICE {
        return Ok(Own::Whole(Vec::new()));
    }
    if kind.is_file() && seen.len() <= WHOLE_BYTES_MAX {
        return all().map(Own::Whole);
    }
    Ok(Own::Live)
}

/// All of our standard input.
pub fn all() -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    let read = io::stdin().lock().take(WHOLE_BYTES_MAX + 1).read_to_end(&mut bytes);
    read.map_err(|error| Failure::usage(format!("reading standard input: {error}")))?;
    bounded(bytes, "standard input")
}

/// All of a file, or of our standard input where it is called `-`.
pub fn file(path: &Path) -> Result<Vec<u8>, Failure> {
    if path == Path::new("-") {
        return all();
    }
    let opened = File::open(path).and_then(|file| {
        let mut bytes = Vec::new();
        file.take(WHOLE_BYTES_MAX + 1).read_to_end(&mut bytes).map(|_| bytes)
    });
    let bytes = opened.map_err(|error| Failure::usage(format!("reading {}: {error}", path.display())))?;
    bounded(bytes, &path.display().to_string())
}

fn bounded(bytes: Vec<u8>, what: &str) -> Result<Vec<u8>, Failure> {
    match bytes.len() as u64 > WHOLE_BYTES_MAX {
        true => Err(Failure::usage(format!("{what} is larger than {WHOLE_BYTES_MAX} bytes"))),
        false => Ok(bytes),
    }
}

/// Our standard input as it comes; the channel closes at its end. The reading thread may stay blocked until the process ends.
pub fn pump() -> mpsc::Receiver<Vec<u8>> {
    let (to, from) = mpsc::channel(CHUNKS_MAX);
    thread::spawn(move || {
        let mut stdin = io::stdin().lock();
        let mut chunk = vec![0; CHUNK_BYTES];
        loop {
            match stdin.read(&mut chunk) {
                Ok(0) => return,
                Ok(length) => {
                    if to.blocking_send(chunk[..length].to_vec()).is_err() {
                        return;
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return,
            }
        }
    });
    from
}
