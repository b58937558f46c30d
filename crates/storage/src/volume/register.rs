//! Whose a folder is, for those who know only its id: one symbolic link a folder, whose text is the owner.

use std::{fs, io, os::unix::fs::symlink, path::PathBuf};

use madang_ids::FolderId;
use madang_model::FolderPlace;

use super::{failed, scope};
use crate::StorageError;

#[derive(Debug, Clone)]
pub(super) struct Register {
    directory: PathBuf,
}

impl Register {
    pub fn open(directory: PathBuf) -> Result<Self, StorageError> {
        fs::create_dir_all(&directory).map_err(failed("making the register of folders"))?;
        Ok(Self { directory })
    }

    /// Before the folder is made: one that is registered and not there is not there.
    pub fn put(&self, place: FolderPlace) -> Result<(), StorageError> {
        match symlink(scope::owner_text(place.owner), self.path(place.folder)) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => match self.find(place.folder)? {
                known if known == place => Ok(()),
                _ => Err(StorageError::Conflict(format!("folder {} is somebody else's", place.folder))),
            },
            put => put.map_err(failed("registering a folder")),
        }
    }

    /// From now on the folder is this owner's; in one step.
    pub fn change(&self, place: FolderPlace) -> Result<(), StorageError> {
        let next = self.directory.join(format!("{}.next", place.folder));
        match fs::remove_file(&next) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed("registering a folder")(error)),
            _ => {}
        }
        let put = symlink(scope::owner_text(place.owner), &next);
        put.and_then(|()| fs::rename(next, self.path(place.folder))).map_err(failed("registering a folder"))?;
        // It is so by now, whatever comes of this.
        if let Err(error) = fs::File::open(&self.directory).and_then(|directory| directory.sync_all()) {
            tracing::error!(%error, folder = %place.folder, "whose a folder is may be forgotten by a power cut");
        }
        Ok(())
    }

    pub fn find(&self, folder: FolderId) -> Result<FolderPlace, StorageError> {
        let unknown = || StorageError::NotFound(format!("folder {folder}"));
        let text = fs::read_link(self.path(folder)).map_err(|_| unknown())?;
        let owner = text.to_str().and_then(scope::owner_of).ok_or_else(unknown)?;
        Ok(FolderPlace { owner, folder })
    }

    pub fn forget(&self, place: FolderPlace) -> Result<(), StorageError> {
        if self.find(place.folder).is_ok_and(|known| known != place) {
            return Ok(());
        }
        match fs::remove_file(self.path(place.folder)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failed("forgetting a folder")(error)),
            _ => Ok(()),
        }
    }

    fn path(&self, folder: FolderId) -> PathBuf {
        self.directory.join(folder.to_string())
    }
}
