//! `madang admin backup` and `madang admin restore`: at the database itself, no server is asked.

use std::{
    fs::{self, OpenOptions},
    io::{BufWriter, Write as _},
    os::unix::{fs::OpenOptionsExt as _, net::UnixStream},
    path::{Path, PathBuf},
};

use clap::Args;
use madang_control::ControlConfig;
use madang_store::{
    StoreConfig,
    backup::{BackupError, Copied, Present, backup, check, restore},
};

use crate::{config, exit::Failure, print};

#[derive(Debug, Args)]
pub struct BackupArgs {
    /// The file to write; it must not be there yet. Only its owner may read it: it holds whatever is secret in the database
    file: PathBuf,
    #[command(flatten)]
    place: PlaceArgs,
}

#[derive(Debug, Args)]
pub struct RestoreArgs {
    /// The copy to put back
    file: PathBuf,
    #[command(flatten)]
    place: PlaceArgs,
    /// Replace what is in the database
    #[arg(long)]
    replace: bool,
    /// Only read the copy to its end and say what is in it
    #[arg(long, conflicts_with = "replace")]
    check: bool,
}

#[derive(Debug, Args)]
struct PlaceArgs {
    /// The database [default: what MADANG_CONFIG says, else madang.db in the data directory]
    #[arg(long, value_name = "URL|FILE")]
    database: Option<StoreConfig>,
    /// Data directory [default: $MADANG_HOME, else /var/lib/madang as root and ~/.local/share/madang for others]
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
}

/// What belongs to one server.
struct Place {
    database: StoreConfig,
    /// Where it listens, if it is at work.
    socket: PathBuf,
    /// The key that sealed what is in the database. It is no part of a copy, which would otherwise be as good as every access key.
    key: PathBuf,
}

impl PlaceArgs {
    fn find(self) -> Result<Place, Failure> {
        let home = self.data.unwrap_or_else(madang_client::data_home);
        let mut config = ControlConfig::new(&home);
        config::apply(&mut config)?;
        let database = self.database.or(config.database);
        Ok(Place {
            database: database.unwrap_or_else(|| StoreConfig::sqlite(home.join("madang.db"))),
            socket: config.socket.unwrap_or_else(|| home.join("madang.sock")),
            key: config.key_file.unwrap_or_else(|| home.join("server.key")),
        })
    }
}

/// Written beside and renamed: what has the name is whole.
pub async fn run_backup(args: BackupArgs) -> Result<u8, Failure> {
    let Place { database, key, .. } = args.place.find()?;
    let here = |what: &str, error: std::io::Error| Failure::usage(format!("{what} {}: {error}", args.file.display()));
    if args.file.exists() {
        return Err(Failure::usage(format!("{} is there already", args.file.display())));
    }
    let beside = beside(&args.file)?;
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&beside);
    let file = file.map_err(|error| here("writing beside", error))?;
    let mut writer = BufWriter::new(file);
    let copied = backup(&database, &mut writer).await;
    let kept = match copied {
        Ok(copied) => writer
            .flush()
            .and_then(|()| writer.get_ref().sync_all())
            .map(|()| copied)
            .map_err(|error| here("writing", error)),
        Err(error) => Err(failure(&error)),
    };
    let named = kept
        .and_then(|copied| fs::hard_link(&beside, &args.file).map(|()| copied).map_err(|error| here("naming", error)));
    // What was linked keeps its own name.
    let _ = fs::remove_file(&beside);
    say(&args.file, named?, "holds")?;
    if key.exists() {
        print::say(&format!("keep {} too, elsewhere: it opens what is sealed in the copy\n", key.display()))?;
    }
    Ok(0)
}

pub async fn run_restore(args: RestoreArgs) -> Result<u8, Failure> {
    if args.check {
        let copied = check(&args.file).map_err(|error| failure(&error))?;
        say(&args.file, copied, "is whole:")?;
        return Ok(0);
    }
    let Place { database, socket, key } = args.place.find()?;
    if UnixStream::connect(&socket).is_ok() {
        return Err(Failure::usage(format!("a server listens on {}; stop it first", socket.display())));
    }
    let present = if args.replace { Present::Replace } else { Present::Refuse };
    let copied = restore(&database, &args.file, present).await.map_err(|error| failure(&error))?;
    say(&args.file, copied, "was put back:")?;
    if !database.is_shared() && !key.exists() {
        print::say(&format!("put the key that belongs to it at {} before you start a server\n", key.display()))?;
    }
    Ok(0)
}

fn beside(file: &Path) -> Result<PathBuf, Failure> {
    let name = file.file_name().ok_or_else(|| Failure::usage(format!("{} is no file name", file.display())))?;
    Ok(file.with_file_name(format!("{}.{}.part", name.to_string_lossy(), std::process::id())))
}

fn say(file: &Path, copied: Copied, what: &str) -> Result<(), Failure> {
    let Copied { tables, rows, at_ms } = copied;
    let at = madang_public_api::Timestamp(at_ms);
    print::say(&format!("{} {what} {rows} rows of {tables} tables as of {at}\n", file.display()))
}

fn failure(error: &BackupError) -> Failure {
    let mut line = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(error) = source {
        line.push_str(&format!(": {error}"));
        source = error.source();
    }
    match error {
        BackupError::NotEmpty { .. } => Failure::usage(format!("{line}; --replace does away with it")),
        BackupError::InUse { .. } => Failure::usage(format!("{line}; stop it first")),
        BackupError::Unknown { .. } => Failure::internal(line),
        _ => Failure::usage(line),
    }
}
