//! The first administrator's token: a file that only its owner can read, made at the first start.

use std::{
    fs,
    io::{self, Write},
    os::unix::fs::{MetadataExt, OpenOptionsExt},
    path::Path,
};

use madang_ids::TokenId;
use madang_model::{Scopes, person::ADMINISTRATOR};
use madang_store::{Store, StoreError, TOKEN_IN_FILE as NAME, TokenRecord};

use crate::{app::identity::hash_hex, clock::now_ms};

/// File name below the home directory.
pub(crate) const FILE: &str = "admin.token";
/// Enough to tell the processes of one installation apart.
const PLACE_DIGITS: usize = 12;
const RANDOM_BYTES: usize = 32;
/// No bit of these: whoever reads the file is the administrator.
const MODE_OF_OTHERS: u32 = 0o077;
const TOKEN_BYTES_MIN: usize = 16;

#[derive(Debug, thiserror::Error)]
pub enum AdminTokenError {
    #[error("reading or making the administrator's token {path}")]
    File { path: String, source: io::Error },
    #[error("the administrator's token {path} is too short to be safe; remove the file to have a new one made")]
    Short { path: String },
    #[error(
        "others may read the administrator's token {path} (mode {mode:03o}); run `chmod 600 {path}`, or remove it to have a new one made"
    )]
    Open { path: String, mode: u32 },
    #[error("keeping the administrator's token")]
    Store(#[from] StoreError),
}

/// Makes sure that the file and the store agree; the file wins.
pub(crate) async fn ensure(home: &Path, store: &Store) -> Result<(), AdminTokenError> {
    let path = home.join(FILE);
    let shown = || path.display().to_string();
    let (token, mode) = read_or_make(&path).map_err(|source| AdminTokenError::File { path: shown(), source })?;
    if mode & MODE_OF_OTHERS != 0 {
        return Err(AdminTokenError::Open { path: shown(), mode });
    }
    if token.len() < TOKEN_BYTES_MIN {
        return Err(AdminTokenError::Short { path: shown() });
    }
    let hash = hash_hex(token.as_bytes());
    let name = name_in(home, store);
    let known = store.token_list().await?.iter().any(|known| known.hash == hash);
    if !known {
        let record = TokenRecord {
            id: TokenId::new(),
            owner: ADMINISTRATOR,
            name: name.clone(),
            hash: hash.clone(),
            scopes: Scopes::ALL,
            created_ms: now_ms(),
            expires_ms: None,
        };
        store.token_insert(&record).await?;
    }
    store.token_retire(ADMINISTRATOR, &name, &hash).await?;
    Ok(())
}

/// Processes that share a database have a file each, and must not retire each other's.
fn name_in(home: &Path, store: &Store) -> String {
    if !store.is_shared() {
        return NAME.to_owned();
    }
    let home = fs::canonicalize(home).unwrap_or_else(|_| home.to_owned());
    let place = format!("{}:{}", rustix::system::uname().nodename().to_string_lossy(), home.display());
    format!("{NAME}-{}", &hash_hex(place.as_bytes())[..PLACE_DIGITS])
}

/// The token and its file's mode.
fn read_or_make(path: &Path) -> io::Result<(String, u32)> {
    match fs::File::open(path) {
        Ok(file) => {
            let mode = file.metadata()?.mode() & 0o777;
            return Ok((io::read_to_string(file)?.trim().to_owned(), mode));
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    let mut random = [0; RANDOM_BYTES];
    getrandom::fill(&mut random).map_err(io::Error::other)?;
    let token = random.iter().fold(String::from("mdg_"), |text, byte| text + &format!("{byte:02x}"));
    // Written beside and renamed: a crash between leaves no empty token behind.
    let beside = path.with_extension("token.new");
    let _ = fs::remove_file(&beside);
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&beside)?;
    writeln!(file, "{token}")?;
    file.sync_all()?;
    fs::rename(&beside, path)?;
    Ok((token, 0o600))
}
