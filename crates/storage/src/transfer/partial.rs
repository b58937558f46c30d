//! Uploads that are not finished, on disk: beside the folder, where no guest sees them. A **note** says what is to become of the bytes,
//! a **part** holds those that have come. They outlive the server; a rename makes the part the file.

use std::{
    io,
    os::fd::{AsFd as _, OwnedFd},
};

use rustix::{
    fs::{AtFlags, Dir, Mode, OFlags, Stat, fstat, ftruncate, openat, renameat, statat, unlinkat},
    io::{Errno, pread, pwrite},
};
use serde::{Deserialize, Serialize};

use super::{Digest, token};
use crate::{
    StorageError,
    tree::{Existing, Parents, Tree, TreePath, rename},
};

/// An upload that nobody has gone on with for as long is given up.
pub const UPLOAD_KEPT_MS: u64 = 24 * 3_600_000;
/// Uploads of one folder that are not finished.
pub const UPLOADS_KEPT_MAX: usize = 256;
const NOTE_BYTES_MAX: usize = 64 << 10;
const FILE_MODE: Mode = Mode::from_raw_mode(0o644);
const NOTE: &str = ".note";
const PART: &str = ".part";

/// What is to become of an upload.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Note {
    /// Where it goes, percent-encoded.
    pub path: String,
    /// None until the client knows.
    pub length: Option<u64>,
    /// What the whole has to come to: SHA-256 in hexadecimal digits.
    pub sha256: Option<String>,
    /// A file that is there already is replaced.
    pub replace: bool,
    /// Directories on the way are made.
    pub parents: bool,
    /// As the client gave it: it is told again.
    pub metadata: Option<String>,
}

/// An upload that is not finished.
#[derive(Debug)]
pub struct Partial {
    pub id: String,
    pub note: Note,
    pub file: OwnedFd,
    /// Bytes that are there.
    pub offset: u64,
    /// Unix time of the last byte.
    pub touched_ms: u64,
}

/// An upload that has become a file.
#[derive(Debug, Clone)]
pub struct Done {
    pub path: TreePath,
    pub stat: Stat,
}

impl Note {
    pub fn target(&self) -> Result<TreePath, StorageError> {
        TreePath::from_percent(&self.path)
    }
}

impl Partial {
    /// Begins an upload. Nothing of it shows in the folder.
    pub fn create(tree: &Tree, note: Note) -> Result<Self, StorageError> {
        if count(tree)? >= UPLOADS_KEPT_MAX {
            return Err(StorageError::Limit(format!(
                "{UPLOADS_KEPT_MAX} uploads to this folder are not finished: finish or end some"
            )));
        }
        let partial = Self::plain(tree, note)?;
        let text = serde_json::to_vec(&partial.note).map_err(|error| StorageError::Invalid(error.to_string()))?;
        if text.len() > NOTE_BYTES_MAX {
            partial.discard(tree);
            return Err(StorageError::Invalid("the metadata of an upload is too long".to_owned()));
        }
        // Last, because an upload is there once its note is.
        if let Err(error) = write_note(tree, &partial.id, &text) {
            partial.discard(tree);
            return Err(error);
        }
        Ok(partial)
    }

    /// One that ends with the request that began it: without a note nobody can go on with it.
    pub fn plain(tree: &Tree, note: Note) -> Result<Self, StorageError> {
        // What cannot be made a file need not come.
        drop(tree.pass()?);
        let id = token()?;
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let made = openat(tree.staging()?, format!("{id}{PART}"), flags, FILE_MODE);
        let file = made.map_err(failed("making an upload"))?;
        let touched_ms = touched_ms(&fstat(&file).map_err(failed("looking at an upload"))?);
        Ok(Self { id, note, file, offset: 0, touched_ms })
    }

    /// The upload of this name. `id` comes from outside.
    pub fn open(tree: &Tree, id: &str) -> Result<Self, StorageError> {
        let none = || StorageError::NotFound("this upload".to_owned());
        if id.is_empty() || id.len() > 64 || !id.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(none());
        }
        let staging = tree.staging()?;
        let open = |ending: &str, flags| {
            let flags = flags | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            openat(staging, format!("{id}{ending}"), flags, Mode::empty())
        };
        let missing = |errno| if errno == Errno::NOENT { none() } else { failed("opening an upload")(errno) };
        let note = open(NOTE, OFlags::RDONLY).map_err(missing)?;
        let file = open(PART, OFlags::RDWR).map_err(missing)?;
        let mut text = vec![0; NOTE_BYTES_MAX];
        let read = pread(&note, &mut text, 0).map_err(failed("reading an upload's note"))?;
        let note = serde_json::from_slice(&text[..read]).map_err(|_| none())?;
        let stat = fstat(&file).map_err(failed("looking at an upload"))?;
        let offset = u64::try_from(stat.st_size).unwrap_or(0);
        Ok(Self { id: id.to_owned(), note, file, offset, touched_ms: touched_ms(&stat) })
    }

    /// The length that had been put off.
    pub fn set_length(&mut self, tree: &Tree, length: u64) -> Result<(), StorageError> {
        self.note.length = Some(length);
        let text = serde_json::to_vec(&self.note).map_err(|error| StorageError::Invalid(error.to_string()))?;
        write_note(tree, &self.id, &text)
    }

    /// Forgets the bytes behind `offset`.
    pub fn cut(&mut self, offset: u64) -> Result<(), StorageError> {
        ftruncate(&self.file, offset).map_err(failed("shortening an upload"))?;
        self.offset = offset;
        Ok(())
    }

    /// Makes it the file, whole and at once. `seen` is what the bytes came to, which
    /// somebody has to know where the note says what they should.
    pub fn commit(&self, tree: &Tree, seen: Option<Digest>) -> Result<Done, StorageError> {
        let path = self.note.target()?;
        if let Some(wanted) = &self.note.sha256 {
            let wanted = Digest::from_hex(wanted)?;
            let seen = seen.ok_or_else(|| StorageError::Mismatch("nobody has added up what came".to_owned()))?;
            if seen != wanted {
                return Err(StorageError::Mismatch(format!(
                    "what came has the SHA-256 {}, and not {}",
                    seen.to_hex(),
                    wanted.to_hex()
                )));
            }
        }
        let (above, name) =
            path.split_last().ok_or_else(|| StorageError::Conflict("this is the folder itself".to_owned()))?;
        let _passing = tree.pass()?;
        let parent = tree.open_parents(&above, if self.note.parents { Parents::Make } else { Parents::MustExist })?;
        let part = format!("{}{PART}", self.id);
        let existing = if self.note.replace { Existing::Accept } else { Existing::Refuse };
        let staging = tree.staging()?;
        rename(staging, part.as_str(), &parent, name, existing).map_err(crate::tree::failed(&path))?;
        // Without its part a note is nothing, and is swept away.
        let _ = unlinkat(staging, format!("{}{NOTE}", self.id), AtFlags::empty());
        let stat = fstat(&self.file).map_err(failed("looking at a file"))?;
        Ok(Done { path, stat })
    }

    pub fn discard(&self, tree: &Tree) {
        discard(tree, &self.id);
    }
}

/// Ends what nobody goes on with, and removals that were cut off.
pub fn sweep(tree: &Tree, now_ms: u64) -> Result<(), StorageError> {
    let doing = failed("sweeping what uploads have left");
    // Where nothing may be written now there is a next time.
    let Ok(staging) = tree.staging() else { return Ok(()) };
    let mut names = names(staging).map_err(&doing)?;
    // Parts first: a note goes with its part, in whatever order they are listed.
    names.sort_by_key(|name| !name.ends_with(PART));
    for name in names {
        let Ok(stat) = statat(staging, name.as_str(), AtFlags::SYMLINK_NOFOLLOW) else { continue };
        let old = touched_ms(&stat).saturating_add(UPLOAD_KEPT_MS) <= now_ms;
        // A note's own time is that of the upload's beginning.
        let part = name.strip_suffix(NOTE).map(|id| format!("{id}{PART}"));
        let lives = part.is_some_and(|part| statat(staging, part, AtFlags::SYMLINK_NOFOLLOW).is_ok());
        if old && !lives && !name.ends_with(crate::tree::GONE) {
            let _ = unlinkat(staging, name.as_str(), AtFlags::empty());
        }
    }
    tree.clear_gone().map_err(doing)
}

fn count(tree: &Tree) -> Result<usize, StorageError> {
    let names = names(tree.staging()?).map_err(failed("counting uploads"))?;
    Ok(names.iter().filter(|name| name.ends_with(PART)).count())
}

/// No more than a little above what may be there: our own names are few.
fn names(staging: &OwnedFd) -> Result<Vec<String>, Errno> {
    let directory = openat(staging, ".", OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
    let names = Dir::read_from(directory.as_fd())?.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()));
    names.filter(|name| !matches!(name.as_deref(), Ok("." | ".."))).take(4 * UPLOADS_KEPT_MAX).collect()
}

fn write_note(tree: &Tree, id: &str, text: &[u8]) -> Result<(), StorageError> {
    let (staging, doing) = (tree.staging()?, failed("writing an upload's note"));
    let (draft, name) = (format!("{id}.draft"), format!("{id}{NOTE}"));
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = openat(staging, draft.as_str(), flags, FILE_MODE).map_err(&doing)?;
    if pwrite(&file, text, 0).map_err(&doing)? < text.len() {
        return Err(doing(Errno::NOSPC));
    }
    renameat(staging, draft, staging, name).map_err(doing)
}

fn discard(tree: &Tree, id: &str) {
    // What cannot be removed now is swept away later.
    let Ok(staging) = tree.staging() else { return };
    for ending in [NOTE, PART, ".draft"] {
        let _ = unlinkat(staging, format!("{id}{ending}"), AtFlags::empty());
    }
}

fn touched_ms(stat: &Stat) -> u64 {
    u64::try_from(crate::tree::modified_ms(stat)).unwrap_or(0)
}

fn failed(doing: &'static str) -> impl Fn(Errno) -> StorageError {
    move |errno| match errno {
        Errno::NOSPC | Errno::DQUOT => {
            StorageError::Full("no space: the quota of the folder's owner is used up".to_owned())
        }
        errno => StorageError::Io { doing: doing.to_owned(), source: io::Error::from(errno) },
    }
}
