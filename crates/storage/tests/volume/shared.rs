//! One place, two machines: what one does with folders the other sees, and neither undoes what the other is at.

use std::{fs, path::Path, sync::Arc};

use madang_ids::{FolderId, UserId};
use madang_model::{FolderOwner, FolderPlace, FolderQuota};
use madang_storage::{Holding, Roots as _, Sharing, StorageError, Volumes};

use crate::world::{MIB, until};

const QUOTA: FolderQuota = FolderQuota { bytes: 4 * MIB, files: 1_000 };

fn machine(place: &Path) -> Arc<Volumes> {
    Volumes::open_shared(place, Sharing { writable: true }).unwrap()
}

/// What an owner has of this kind, on the disk.
fn within(place: &Path, owner: FolderOwner, what: &str) -> Vec<String> {
    let directory = fs::read_dir(place.join(format!("scopes/{owner}/tree/{what}"))).unwrap();
    directory.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect()
}

#[test]
fn what_one_machine_makes_the_other_has() {
    let place = tempfile::tempdir().unwrap();
    let (one, other) = (machine(place.path()), machine(place.path()));
    assert_eq!((one.place(), one.holding()), (other.place(), &Holding::Shared(Sharing { writable: true })));
    assert!(one.place().is_some());

    let owner = FolderOwner::User(UserId::new());
    let folder = FolderPlace { owner, folder: FolderId::new() };
    one.owner_set(owner, QUOTA).unwrap();
    one.make(folder).unwrap();
    assert_eq!(other.owner_usage(owner).unwrap().quota, QUOTA);
    other.root(folder.folder).unwrap();

    let copy = FolderPlace { owner, folder: FolderId::new() };
    other.copy(folder, copy).unwrap();
    one.root(copy.folder).unwrap();
    other.remove(folder).unwrap();
    assert!(matches!(one.root(folder.folder), Err(StorageError::NotFound(_))));
    until("what was removed is gone from the disk", || within(place.path(), owner, "dying").is_empty());
}

#[test]
fn who_comes_leaves_a_copy_alone_that_another_makes() {
    let place = tempfile::tempdir().unwrap();
    let owner = FolderOwner::User(UserId::new());
    let one = machine(place.path());
    one.owner_set(owner, QUOTA).unwrap();
    let under_way = place.path().join(format!("scopes/{owner}/tree/copying/half"));
    fs::create_dir(&under_way).unwrap();

    machine(place.path()).owner_usage(owner).unwrap();
    assert_eq!(within(place.path(), owner, "copying"), ["half"]);
}

#[test]
fn uploads_are_refused_when_the_owner_holds_as_much_as_may_be() {
    let place = tempfile::tempdir().unwrap();
    let (one, other) = (machine(place.path()), machine(place.path()));
    let owner = FolderOwner::User(UserId::new());
    let folder = FolderPlace { owner, folder: FolderId::new() };
    one.owner_set(owner, QUOTA).unwrap();
    one.make(folder).unwrap();
    other.staging(folder.folder).unwrap();
    let files = place.path().join(format!("scopes/{owner}/tree/folders/{}", folder.folder));
    fs::write(files.join("large"), vec![1; 5 << 20]).unwrap();
    assert!(matches!(one.staging(folder.folder), Err(StorageError::Full(_))));
}

#[test]
fn a_place_that_is_not_mounted_is_not_made() {
    let home = tempfile::tempdir().unwrap();
    let absent = home.path().join("not mounted");
    Volumes::open_shared(&absent, Sharing { writable: false }).unwrap_err();
    assert!(!absent.exists());
}
