//! `madang cp`: files into a session or a folder and out of it.

mod folder;
mod progress;

use std::path::{Component, Path, PathBuf};

use madang_client::{At, Client, FileBytes};
use madang_public_api::file::FileEntryKind;
use tokio::{
    fs::{self, File},
    io::{self, AsyncWrite, AsyncWriteExt as _},
};

use crate::{args::CpArgs, exit::Failure, print};

/// How many levels of directories are followed.
const DEPTH_MAX: usize = 64;

/// One end of a copy.
#[derive(Debug, PartialEq, Eq)]
enum Side {
    Here(PathBuf),
    Session { session: String, path: String },
    Folder { folder: String, path: String },
    Stream,
}

fn side(text: &str) -> Side {
    if text == "-" {
        return Side::Stream;
    }
    match text.split_once(':') {
        Some(("folder", place)) => {
            let (folder, path) = crate::folder::split(place);
            // That it says it is a directory is for whoever copies.
            let slash = if place.ends_with('/') && !path.is_empty() { "/" } else { "" };
            Side::Folder { folder: folder.to_owned(), path: format!("{path}{slash}") }
        }
        // `./a:b` and `/a:b` are files here.
        Some((session, path)) if !session.is_empty() && !session.contains('/') => {
            Side::Session { session: session.to_owned(), path: guest(path) }
        }
        _ => Side::Here(text.into()),
    }
}

/// Paths in a session are relative to its home.
fn guest(path: &str) -> String {
    let path = path.strip_prefix("/home/work").unwrap_or(path);
    path.trim_start_matches('/').to_owned()
}

pub async fn run(args: CpArgs) -> Result<u8, Failure> {
    let client = Client::discover()?;
    let at = &args.at;
    match (side(&args.source), side(&args.destination)) {
        (Side::Stream, Side::Session { session, path }) => {
            client.file_write(at.of(&session), &path, io::stdin()).await?
        }
        (Side::Here(from), Side::Session { session, path }) => up(&client, &from, at.of(&session), path).await?,
        (Side::Session { session, path }, Side::Stream) => {
            pour(client.file_read(at.of(&session), &path).await?, &mut io::stdout(), "standard output").await?;
        }
        (Side::Session { session, path }, Side::Here(to)) => down(&client, at.of(&session), path, to).await?,
        (from @ (Side::Here(_) | Side::Session { .. }), Side::Folder { folder, path }) => {
            folder::put(&client, from, (&folder, &path)).await?;
        }
        (Side::Folder { folder, path }, to @ (Side::Here(_) | Side::Stream)) => {
            folder::take(&client, (&folder, &path), to).await?;
        }
        _ => {
            return Err(Failure::usage("one side must be SESSION:PATH or folder:NAME/PATH, the other a file or `-`"));
        }
    }
    Ok(0)
}

async fn up(client: &Client, from: &Path, at: At<'_>, to: String) -> Result<(), Failure> {
    let name = from.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    // Like cp: into a directory where the target says that it is one.
    let top = if to.is_empty() || to.ends_with('/') { format!("{to}{name}") } else { to };
    let mut left = vec![(from.to_owned(), top, 0)];
    while let Some((path, target, depth)) = left.pop() {
        let fail = |error| Failure::usage(format!("{}: {error}", path.display()));
        let seen =
            if depth == 0 { fs::metadata(&path).await } else { fs::symlink_metadata(&path).await }.map_err(fail)?;
        if seen.is_file() {
            client.file_write(at, &target, File::open(&path).await.map_err(fail)?).await?;
        } else if seen.is_dir() && depth < DEPTH_MAX {
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

async fn down(client: &Client, at: At<'_>, from: String, to: PathBuf) -> Result<(), Failure> {
    let name = Path::new(&from).file_name().map_or_else(|| at.session.into(), PathBuf::from);
    let top = if to.is_dir() { to.join(name) } else { to };
    let directory = from.is_empty() || from.ends_with('/') || is_directory(client, at, &from).await?;
    if !directory {
        return fetch(client, at, &from, &top).await;
    }
    let mut left = vec![(from.trim_end_matches('/').to_owned(), top, 0)];
    while let Some((path, target, depth)) = left.pop() {
        fs::create_dir_all(&target).await.map_err(|error| Failure::usage(format!("{}: {error}", target.display())))?;
        for entry in client.file_list(at, &path).await? {
            // The guest chose these names: only the last piece counts, and only if it is a plain one.
            let Some(name) = plain_name(&entry.path) else { continue };
            let inner = if path.is_empty() { name.to_owned() } else { format!("{path}/{name}") };
            match entry.kind {
                FileEntryKind::File => fetch(client, at, &inner, &target.join(name)).await?,
                FileEntryKind::Directory if depth < DEPTH_MAX => left.push((inner, target.join(name), depth + 1)),
                _ => print::complain(&format!("{inner}: neither a file nor a directory, left out")),
            }
        }
    }
    Ok(())
}

fn plain_name(path: &str) -> Option<&str> {
    match Path::new(path).components().next_back() {
        Some(Component::Normal(name)) => name.to_str(),
        _ => None,
    }
}

async fn is_directory(client: &Client, at: At<'_>, path: &str) -> Result<bool, Failure> {
    let parent = path.rsplit_once('/').map_or("", |(parent, _)| parent);
    let entries = client.file_list(at, parent).await?;
    let name = plain_name(path);
    Ok(entries.iter().any(|entry| plain_name(&entry.path) == name && entry.kind == FileEntryKind::Directory))
}

/// Writes beside the target and renames over it, so that a broken copy leaves no half file.
async fn fetch(client: &Client, at: At<'_>, from: &str, to: &Path) -> Result<(), Failure> {
    let bytes = client.file_read(at, from).await?;
    let mut part = to.as_os_str().to_owned();
    part.push(".madang-part");
    let fail = |error| Failure::usage(format!("{}: {error}", to.display()));
    let mut file = File::create(&part).await.map_err(fail)?;
    let poured = pour(bytes, &mut file, &to.display().to_string()).await;
    if let Err(failure) = poured {
        // What is left of a broken copy is of no use; that it cannot be removed changes nothing.
        let _ = fs::remove_file(&part).await;
        return Err(failure);
    }
    fs::rename(&part, to).await.map_err(fail)
}

async fn pour(mut bytes: FileBytes, to: &mut (impl AsyncWrite + Unpin), what: &str) -> Result<(), Failure> {
    let fail = |error| Failure::usage(format!("writing {what}: {error}"));
    while let Some(chunk) = bytes.next().await? {
        to.write_all(&chunk).await.map_err(fail)?;
    }
    to.flush().await.map_err(fail)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session(session: &str, path: &str) -> Side {
        Side::Session { session: session.to_owned(), path: path.to_owned() }
    }

    #[test]
    fn sides() {
        assert_eq!(side("a.txt"), Side::Here("a.txt".into()));
        assert_eq!(side("./a:b"), Side::Here("./a:b".into()));
        assert_eq!(side("-"), Side::Stream);
        assert_eq!(side("box:a/b"), session("box", "a/b"));
        assert_eq!(side("box:/home/work/a"), session("box", "a"));
        assert_eq!(side("box:"), session("box", ""));
        let folder = |folder: &str, path: &str| Side::Folder { folder: folder.into(), path: path.into() };
        assert_eq!(side("folder:own/a/b"), folder("own", "a/b"));
        assert_eq!(side("folder:own"), folder("own", ""));
        assert_eq!(side("folder:own/a/"), folder("own", "a/"));
    }

    #[test]
    fn names_that_lead_away_are_dropped() {
        assert_eq!(plain_name("a/b.txt"), Some("b.txt"));
        assert_eq!(plain_name("a/.."), None);
        assert_eq!(plain_name("/"), None);
    }
}
