//! `madang image`: what sandboxes can be made from.
//!
//! Listing asks the server. Changes are made to the store in this machine's data directory, which a server that runs has to itself.

mod build;
mod push;
mod recipe;

use std::{
    collections::{BTreeMap, BTreeSet},
    env,
    io::{self, IsTerminal as _},
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use madang_client::{Client, ClientError, FileBytes, data_home};
use madang_ids::ByteSize;
use madang_image::{Credentials, ImageEntry, ImageError, ImageStore, Progress, PullOptions, Reference};
use madang_public_api::{ImageChange, ImagePlaced, ImagePrefetch, ImageView};
use tokio::io::AsyncWriteExt as _;

use crate::{
    args::{ImageArgs, ImageCommand, PullArgs},
    exit,
    exit::Failure,
    print,
    print::Cell,
};

/// Where a registry's password is given, so that it stands in no command line.
const PASSWORD: &str = "MADANG_REGISTRY_PASSWORD";

pub async fn run(args: ImageArgs) -> Result<u8, Failure> {
    match args.command {
        ImageCommand::Pull(args) => pull(args).await?,
        ImageCommand::Import { file, name, json } => {
            std::fs::File::open(&file).map_err(|error| Failure::usage(format!("{}: {error}", file.display())))?;
            let entries = store()?.import(&file, name.as_deref(), &progress()).map_err(failure)?;
            changed(&entries, json.json)?;
        }
        ImageCommand::Push(args) => push::push(args).await?,
        ImageCommand::Build { recipe, json } => build::build(&recipe, json.json).await?,
        ImageCommand::Prefetch { image, nodes } => return prefetch(&image, nodes).await,
        ImageCommand::Export { image, file } => export(&image, &file).await?,
        ImageCommand::Ls { json } => list(json.json).await?,
        ImageCommand::Share { image } => {
            change(&image, ImageChange { shared: Some(true), ..ImageChange::default() }).await?
        }
        ImageCommand::Unshare { image } => {
            change(&image, ImageChange { shared: Some(false), ..ImageChange::default() }).await?
        }
        ImageCommand::Rm { images } => remove(&images).await?,
    }
    Ok(0)
}

fn store() -> Result<ImageStore, Failure> {
    let folder: PathBuf = data_home().join("images");
    ImageStore::open(&folder).map_err(failure)
}

async fn pull(args: PullArgs) -> Result<(), Failure> {
    let reference: Reference =
        args.reference.parse().map_err(|error: madang_image::BadReference| Failure::usage(error.to_string()))?;
    let options = PullOptions { credentials: credentials(args.user)?, name: args.name, ..PullOptions::default() };
    let entry = store()?.pull(&reference, &options, &progress()).await.map_err(failure)?;
    changed(&[entry], args.json)
}

fn credentials(user: Option<String>) -> Result<Option<Credentials>, Failure> {
    let Some(user) = user else { return Ok(None) };
    let password =
        env::var(PASSWORD).map_err(|_| Failure::usage(format!("--user needs the password in {PASSWORD}")))?;
    Ok(Some(Credentials { user, password }))
}

fn changed(entries: &[ImageEntry], json: bool) -> Result<(), Failure> {
    if json {
        return print::json(&entries);
    }
    let line = |entry: &ImageEntry| format!("{} {} {}\n", entry.name, ByteSize(entry.size_bytes), entry.digest);
    print::say(&entries.iter().map(line).collect::<String>())
}

/// The server has what was made of its sessions; the others are in the store.
async fn export(image: &str, path: &Path) -> Result<(), Failure> {
    match Client::discover()?.image_export(image).await {
        Ok(bytes) => {
            let size_bytes = download(bytes, path).await?;
            return print::say(&format!("{image} {}\n", ByteSize(size_bytes)));
        }
        Err(ClientError::Unreachable { .. }) => {}
        Err(ClientError::Refused(problem)) if problem.status == 404 => {}
        Err(error) => return Err(error.into()),
    }
    let written = store()?.export(image, path).map_err(failure)?;
    print::say(&format!("{} {} {}\n", written.name, ByteSize(written.size_bytes), written.digest))
}

/// Into a file that must not be there yet; one that cannot be finished is removed.
async fn download(bytes: FileBytes, path: &Path) -> Result<u64, Failure> {
    let wrong = |error: io::Error| Failure::usage(format!("{}: {error}", path.display()));
    let file = tokio::fs::File::create_new(path).await.map_err(wrong)?;
    let written = write_all(bytes, file, wrong).await;
    if written.is_err() {
        // It is ours: it was not there before.
        let _ = tokio::fs::remove_file(path).await;
    }
    written
}

async fn write_all(
    mut bytes: FileBytes,
    mut file: tokio::fs::File,
    wrong: impl Fn(io::Error) -> Failure,
) -> Result<u64, Failure> {
    let mut size_bytes = 0;
    while let Some(piece) = bytes.next().await? {
        file.write_all(&piece).await.map_err(&wrong)?;
        size_bytes += piece.len() as u64;
    }
    file.sync_all().await.map_err(wrong)?;
    Ok(size_bytes)
}

async fn change(image: &str, change: ImageChange) -> Result<(), Failure> {
    Client::discover()?.image_change(image, &change).await.map(drop).map_err(Failure::from)
}

async fn prefetch(image: &str, nodes: Vec<String>) -> Result<u8, Failure> {
    let done = Client::discover()?.image_prefetch(image, &ImagePrefetch { nodes }).await?;
    let line = |node: &ImagePlaced| format!("{} {}\n", node.name, node.problem.as_deref().unwrap_or("has it"));
    print::say(&done.nodes.iter().map(line).collect::<String>())?;
    Ok(if done.nodes.iter().all(|node| node.problem.is_none()) { 0 } else { exit::UNREACHABLE })
}

/// The server removes what was made of its sessions; the others are in the store.
async fn remove(images: &[String]) -> Result<(), Failure> {
    let mut stored = Vec::new();
    for image in images {
        match Client::discover()?.image_remove(image).await {
            Ok(_) => print::say(&format!("{image} removed\n"))?,
            Err(ClientError::Unreachable { .. }) => stored.push(image),
            Err(ClientError::Refused(problem)) if problem.status == 404 => stored.push(image),
            Err(error) => return Err(error.into()),
        }
    }
    if stored.is_empty() {
        return Ok(());
    }
    let store = store()?;
    for image in stored {
        store.remove(image).map_err(failure)?;
    }
    let gone = store.gc(&BTreeSet::new()).map_err(failure)?;
    print::say(&format!("{} layers removed, {} freed\n", gone.layers, ByteSize(gone.bytes)))
}

/// Bars on a terminal, nothing elsewhere.
fn progress() -> Progress {
    if !io::stderr().is_terminal() {
        return Progress::silent();
    }
    let style = ProgressStyle::with_template("{msg:32} {bar:30} {bytes:>10} / {total_bytes:10}")
        .unwrap_or_else(|_| ProgressStyle::default_bar());
    let all = MultiProgress::new();
    let bars: Mutex<BTreeMap<String, ProgressBar>> = Mutex::default();
    Progress::new(move |step| {
        let mut bars = bars.lock().unwrap_or_else(PoisonError::into_inner);
        let bar = bars.entry(step.what.to_owned()).or_insert_with(|| {
            let bar = all.add(ProgressBar::new(step.total)).with_style(style.clone());
            bar.set_message(print::first_line(step.what, 30));
            bar
        });
        bar.set_length(step.total.max(step.done));
        bar.set_position(step.done);
    })
}

fn failure(error: ImageError) -> Failure {
    let line = error.to_string();
    let code = match &error {
        ImageError::Busy(_) => {
            return Failure { code: exit::REFUSED, line: format!("{line}; images are changed while no server runs") };
        }
        ImageError::Refused { .. } => exit::REFUSED,
        ImageError::NotFound(_) | ImageError::Invalid(_) => exit::USAGE,
        ImageError::Denied(_) | ImageError::Unavailable(_) => exit::UNREACHABLE,
        ImageError::Io { .. } => exit::INTERNAL,
    };
    Failure { code, line }
}

/// The server's images; where no server runs, those in the store.
async fn images() -> Result<Vec<ImageView>, Failure> {
    match Client::discover()?.images().await {
        Err(ClientError::Unreachable { .. }) => {
            let entries = store()?.list().map_err(failure)?;
            let view = |entry: ImageEntry| ImageView {
                name: entry.name,
                digest: Some(entry.digest.to_string()),
                size_bytes: entry.size_bytes,
                languages: Vec::new(),
                committed: None,
            };
            Ok(entries.into_iter().map(view).collect())
        }
        answer => Ok(answer?),
    }
}

async fn list(json: bool) -> Result<(), Failure> {
    let images = images().await?;
    if json {
        return print::json(&images);
    }
    let rows: Vec<Vec<Cell>> = images
        .iter()
        .map(|image| {
            vec![
                image.name.clone().into(),
                ByteSize(image.size_bytes).to_string().into(),
                image.languages.join(" ").into(),
                image.digest.clone().unwrap_or_default().into(),
            ]
        })
        .collect();
    print::table(&["NAME", "SIZE", "LANGUAGES", "DIGEST"], &rows)
}
