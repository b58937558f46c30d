//! Files into a folder and out of it: by a ticket, straight to where they are.

use std::path::{Path, PathBuf};

use madang_client::{Client, FolderEntry, FolderEntryKind, FolderFiles};
use madang_model::FolderPermission;
use tokio::{
    fs::{self, File},
    io::{self, AsyncWriteExt as _},
};

use super::{DEPTH_MAX, Side, plain_name, pour, progress::Bar};
use crate::{exit::Failure, folder, print};

/// Into `path` of a folder; into a directory where it says that it is one.
pub async fn put(client: &Client, from: Side, (name, path): (&str, &str)) -> Result<(), Failure> {
    let files = folder::open(client, name, FolderPermission::Write).await?;
    match from {
        Side::Here(from) => up(&files, &from, path).await,
        Side::Session { session, path: inside } => over(client, (&session, &inside), &files, path).await,
        Side::Folder { .. } | Side::Stream => Err(Failure::usage("a folder takes files and what is in sessions")),
    }
}

pub async fn take(client: &Client, (name, path): (&str, &str), to: Side) -> Result<(), Failure> {
    let files = folder::open(client, name, FolderPermission::Read).await?;
    match to {
        Side::Stream => {
            let (bytes, _) = files.read(path).await?;
            pour(bytes, &mut io::stdout(), "standard output").await
        }
        Side::Here(to) => down(&files, (name, path.trim_end_matches('/')), to).await,
        Side::Folder { .. } | Side::Session { .. } => {
            Err(Failure::usage("a folder's files are copied to here or to `-`"))
        }
    }
}

async fn up(files: &FolderFiles, from: &Path, to: &str) -> Result<(), Failure> {
    let name = from.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let mut left = vec![(from.to_owned(), target(to, &name), 0)];
    while let Some((path, target, depth)) = left.pop() {
        let fail = |error| Failure::usage(format!("{}: {error}", path.display()));
        let seen =
            if depth == 0 { fs::metadata(&path).await } else { fs::symlink_metadata(&path).await }.map_err(fail)?;
        if seen.is_file() {
            let bar = Bar::new(&target, seen.len());
            files.upload(&path, &target, bar.progress()).await?;
        } else if seen.is_dir() && depth < DEPTH_MAX {
            files.make_directory(&target).await?;
            let mut entries = fs::read_dir(&path).await.map_err(fail)?;
            while let Some(entry) = entries.next_entry().await.map_err(fail)? {
                let name = entry.file_name().to_string_lossy().into_owned();
                left.push((entry.path(), format!("{target}/{name}"), depth + 1));
            }
        } else {
            print::complain(&format!("{}: neither a file nor a directory, left out", path.display()));
        }
    }
    Ok(())
}

/// Like cp: into a directory where the target says that it is one.
fn target(to: &str, name: &str) -> String {
    if to.is_empty() || to.ends_with('/') { format!("{to}{name}") } else { to.to_owned() }
}

/// One file of a session, by way of a file of ours that nobody else sees: what goes up can be gone on with.
async fn over(client: &Client, (session, inside): (&str, &str), files: &FolderFiles, to: &str) -> Result<(), Failure> {
    let name = plain_name(inside).ok_or_else(|| Failure::usage("say which file of the session"))?;
    let fail = |error| Failure::internal(format!("keeping what comes from the session: {error}"));
    let kept = std::env::temp_dir().join(format!("madang-cp-{}", madang_ids::RunId::new()));
    let kept = Kept(kept);
    let mut options = File::options();
    let mut file = options.write(true).create_new(true).mode(0o600).open(&kept.0).await.map_err(fail)?;
    pour(client.file_read(session, inside).await?, &mut file, "a file of ours").await?;
    file.shutdown().await.map_err(fail)?;
    let length = fs::metadata(&kept.0).await.map_err(fail)?.len();
    let target = target(to, name);
    let bar = Bar::new(&target, length);
    Ok(files.upload(&kept.0, &target, bar.progress()).await?)
}

/// A file that goes when nobody needs it.
struct Kept(PathBuf);

impl Drop for Kept {
    fn drop(&mut self) {
        // One that is not there was not made.
        let _ = std::fs::remove_file(&self.0);
    }
}

async fn down(files: &FolderFiles, (folder, from): (&str, &str), to: PathBuf) -> Result<(), Failure> {
    let name = if from.is_empty() { folder } else { plain_name(from).unwrap_or(folder) };
    let top = if to.is_dir() { to.join(name) } else { to };
    if !from.is_empty() && files.stat(from).await?.kind == FolderEntryKind::File {
        return fetch(files, from, &top).await;
    }
    let mut left = vec![(from.to_owned(), top, 0)];
    while let Some((path, target, depth)) = left.pop() {
        fs::create_dir_all(&target).await.map_err(|error| Failure::usage(format!("{}: {error}", target.display())))?;
        for entry in folder::listed(files, &path).await? {
            // Others chose these names: only a plain one counts.
            let Some(name) = entry_name(&entry) else {
                print::complain(&format!("{}: no name for a file here, left out", print::first_line(&entry.path, 256)));
                continue;
            };
            let inner = if path.is_empty() { name.to_owned() } else { format!("{path}/{name}") };
            match entry.kind {
                FolderEntryKind::File => fetch(files, &inner, &target.join(name)).await?,
                FolderEntryKind::Directory if depth < DEPTH_MAX => left.push((inner, target.join(name), depth + 1)),
                _ => {
                    let shown = print::first_line(&inner, 256);
                    print::complain(&format!("{shown}: neither a file nor a directory, left out"));
                }
            }
        }
    }
    Ok(())
}

/// A name that is one piece of a path, and text.
fn entry_name(entry: &FolderEntry) -> Option<&str> {
    let plain = plain_name(&entry.name).filter(|name| *name == entry.name);
    plain.filter(|_| entry.name_base64.is_none())
}

/// Writes beside the target and renames over it, so that a broken copy leaves no half file.
async fn fetch(files: &FolderFiles, from: &str, to: &Path) -> Result<(), Failure> {
    let (mut bytes, length) = files.read(from).await?;
    let mut part = to.as_os_str().to_owned();
    part.push(".madang-part");
    let part = Kept(part.into());
    let fail = |error| Failure::usage(format!("{}: {error}", to.display()));
    let mut file = File::create(&part.0).await.map_err(fail)?;
    let (bar, mut done) = (Bar::new(from, length), 0_u64);
    while let Some(chunk) = bytes.next().await? {
        file.write_all(&chunk).await.map_err(fail)?;
        done = done.saturating_add(chunk.len() as u64);
        bar.at(done);
    }
    file.flush().await.map_err(fail)?;
    drop(file);
    if done != length {
        return Err(Failure::usage(format!("{from}: {done} bytes came of {length}")));
    }
    fs::rename(&part.0, to).await.map_err(fail)
}
