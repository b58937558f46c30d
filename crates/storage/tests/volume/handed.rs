//! Folders that go to another owner.

use std::fs;

use madang_ids::UserId;
use madang_model::{FolderOwner, FolderPlace};
use madang_storage::{Roots as _, StorageError};

use crate::world::{MIB, Top, World, until};

#[test]
fn a_folder_goes_to_another_owner_whole_once_and_back() {
    let mut world = World::new();
    let (owner, other) = (world.owner(16 * MIB, 500), world.owner(16 * MIB, 500));
    let (from, top) = world.folder(owner);
    let to = FolderPlace { owner: other, ..from };
    fs::create_dir(top.path("d")).unwrap();
    fs::write(top.path("d/a"), vec![3; 3 << 20]).unwrap();
    drop(top);
    let before = world.volumes().door(from.folder).unwrap();
    drop(before.pass().unwrap());
    world.volumes().copy(from, to).unwrap();
    // Whoever stood before the former door would write where nobody looks any more.
    assert!(matches!(before.pass(), Err(StorageError::Unavailable(_))));
    let after = world.volumes().door(from.folder).unwrap();
    let now = Top(world.volumes().root(from.folder).unwrap());
    drop(after.pass().unwrap());
    fs::write(now.path("d/b"), "later").unwrap();
    // Asked for again, as after a crash: nothing is copied over what has changed since.
    world.volumes().copy(from, to).unwrap();
    world.volumes().remove(from).unwrap();
    assert_eq!(fs::read(now.path("d/a")).unwrap(), vec![3; 3 << 20]);
    assert_eq!(fs::read_to_string(now.path("d/b")).unwrap(), "later");
    assert!(matches!(world.volumes().make(from), Err(StorageError::Conflict(_))));
    until("the former owner's room is free again", || world.used(owner).0 < MIB);
    drop(now);
    world.again();
    world.volumes().copy(to, from).unwrap();
    world.volumes().remove(to).unwrap();
    drop(world.volumes().door(from.folder).unwrap().pass().unwrap());
    let now = Top(world.volumes().root(from.folder).unwrap());
    assert_eq!(fs::read_to_string(now.path("d/b")).unwrap(), "later");
}

#[test]
fn a_folder_that_does_not_fit_stays_whose_it_was_and_what_a_crash_has_left_is_no_folder() {
    let world = World::new();
    let (owner, small, other) = (world.owner(16 * MIB, 500), world.owner(2 * MIB, 500), world.owner(16 * MIB, 500));
    let (from, top) = world.folder(owner);
    fs::write(top.path("a"), vec![3; 3 << 20]).unwrap();
    let refused = world.volumes().copy(from, FolderPlace { owner: small, ..from });
    assert!(matches!(refused, Err(StorageError::Full(_))), "{refused:?}");
    drop(world.volumes().door(from.folder).unwrap().pass().unwrap());
    fs::write(top.path("b"), "since").unwrap();
    // What a server leaves that dies between the copy and the register.
    let to = FolderPlace { owner: other, ..from };
    let register = world.home.path().join("by-id").join(from.folder.to_string());
    world.volumes().copy(from, to).unwrap();
    fs::remove_file(&register).unwrap();
    std::os::unix::fs::symlink(owner.to_string(), &register).unwrap();
    fs::write(top.path("c"), "after the crash").unwrap();
    world.volumes().copy(from, to).unwrap();
    let now = Top(world.volumes().root(from.folder).unwrap());
    assert_eq!(fs::read_to_string(now.path("b")).unwrap(), "since");
    assert_eq!(fs::read_to_string(now.path("c")).unwrap(), "after the crash");
    let stranger = FolderPlace { owner: FolderOwner::User(UserId::new()), ..from };
    world.volumes().copy(stranger, from).unwrap_err();
}
