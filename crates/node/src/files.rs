//! Files of a sandbox: init opens them, bytes flow through passed descriptors.

use std::{fs::File, os::fd::OwnedFd, time::Duration};

use madang_node_api::{ByteStream, Depth, FileKind, FileOpened, FileSeen, NodeError, WriteSeen, WriteWhen};
use madang_slot_api::{CommitWhen, Entry, EntryKind, FileAnswer, FileAsk};
use tokio::io::AsyncReadExt;

use crate::sandbox::{Sandbox, file_error, unavailable};

/// Entries of one listing; more are cut off.
const ENTRIES_MAX: usize = 100_000;
/// So are those whose paths are longer than this together.
const LISTING_BYTES_MAX: usize = 16 << 20;
/// An upload that brings nothing for so long is given up.
const UPLOAD_SILENCE: Duration = Duration::from_secs(60);

pub async fn read(sandbox: &Sandbox, path: &str) -> Result<FileOpened, NodeError> {
    let (entry, file) = open(sandbox, FileAsk::Read { path: path.to_owned() }, path).await?;
    let seen = seen(entry);
    let bytes = Box::pin(tokio::fs::File::from_std(file).take(seen.size_bytes));
    Ok(FileOpened { seen, bytes })
}

pub async fn write(sandbox: &Sandbox, path: &str, when: WriteWhen, bytes: ByteStream) -> Result<WriteSeen, NodeError> {
    let part = sandbox.next_part();
    let (_, file) = open(sandbox, FileAsk::Write { path: path.to_owned(), part }, path).await?;
    let when = match when {
        WriteWhen::Always => CommitWhen::Always,
        WriteWhen::Absent => CommitWhen::Absent,
        WriteWhen::Same(tag) => CommitWhen::Same { tag },
    };
    let written = copy(bytes, tokio::fs::File::from_std(file)).await;
    let last = match written {
        Ok(_) => FileAsk::Commit { path: path.to_owned(), part, when },
        Err(_) => FileAsk::Discard { path: path.to_owned(), part },
    };
    let ended = sandbox.file(last, path).await;
    let written = written.map_err(|error| match error.kind() {
        std::io::ErrorKind::StorageFull => NodeError::Limit(format!("{path}: no room left (limits.disk_bytes)")),
        _ => NodeError::Invalid(format!("{path}: {error}")),
    })?;
    match ended? {
        FileAnswer::Opened(entry) => Ok(WriteSeen { size_bytes: written, tag: entry.tag }),
        _ => Err(NodeError::Internal("the sandbox answered something else".to_owned())),
    }
}

async fn copy(mut from: ByteStream, mut to: tokio::fs::File) -> std::io::Result<u64> {
    use tokio::io::AsyncWriteExt;
    let mut chunk = vec![0; 256 << 10];
    let mut written = 0;
    loop {
        let count = tokio::time::timeout(UPLOAD_SILENCE, from.read(&mut chunk)).await??;
        if count == 0 {
            to.flush().await?;
            return Ok(written);
        }
        to.write_all(&chunk[..count]).await?;
        written += count as u64;
    }
}

pub async fn list(sandbox: &Sandbox, path: &str, depth: Depth) -> Result<Vec<FileSeen>, NodeError> {
    let (mut all, mut bytes) = (Vec::new(), 0);
    loop {
        let ask = FileAsk::List { path: path.to_owned(), deep: depth == Depth::All, after: all.len() as u32 };
        let FileAnswer::Listed { entries, more } = sandbox.file(ask, path).await? else {
            return Err(NodeError::Internal("the sandbox answered something else".to_owned()));
        };
        let none = entries.is_empty();
        bytes += entries.iter().map(|entry| entry.path.len()).sum::<usize>();
        all.extend(entries.into_iter().filter(|entry| stays_inside(&entry.path)).map(seen));
        if !more || none || all.len() >= ENTRIES_MAX || bytes > LISTING_BYTES_MAX {
            return Ok(all);
        }
    }
}

pub async fn remove(sandbox: &Sandbox, path: &str) -> Result<(), NodeError> {
    sandbox.file(FileAsk::Remove { path: path.to_owned() }, path).await.map(drop)
}

async fn open(sandbox: &Sandbox, ask: FileAsk, path: &str) -> Result<(Entry, File), NodeError> {
    let (answer, descriptor) = sandbox.link.file(ask).await.map_err(unavailable)?;
    match (answer.map_err(|fault| file_error(path, &fault))?, descriptor) {
        (FileAnswer::Opened(entry), Some(descriptor)) => Ok((entry, regular(descriptor, path)?)),
        _ => Err(NodeError::Internal("the sandbox answered something else".to_owned())),
    }
}

/// What comes out of a slot is checked here too: reading anything but a regular file might never end.
fn regular(descriptor: OwnedFd, path: &str) -> Result<File, NodeError> {
    let file = File::from(descriptor);
    match file.metadata() {
        Ok(seen) if seen.is_file() => Ok(file),
        _ => Err(NodeError::Invalid(format!("{path}: not a regular file"))),
    }
}

/// What a slot calls its files ends up in archives and on other machines: only names that stay where they are put.
fn stays_inside(path: &str) -> bool {
    let plain = |part| matches!(part, std::path::Component::Normal(_));
    !path.is_empty() && std::path::Path::new(path).components().all(plain)
}

fn seen(entry: Entry) -> FileSeen {
    let kind = match entry.kind {
        EntryKind::File => FileKind::File,
        EntryKind::Directory => FileKind::Directory,
        EntryKind::Symlink => FileKind::Symlink,
        EntryKind::Other => FileKind::Other,
    };
    FileSeen {
        path: entry.path,
        kind,
        size_bytes: entry.size,
        mode: entry.mode,
        modified_ms: entry.modified_ms,
        tag: entry.tag,
    }
}
