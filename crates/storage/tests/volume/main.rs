//! Volumes on the real kernel: quotas that hold to the block, up and down; what is removed and copied; nothing left. Needs root.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod handed;
mod lowered;
mod raised;
mod scope;
mod shared;
mod world;

use std::{
    fs,
    os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink},
    path::Path,
};

use madang_ids::FolderId;
use madang_model::{FolderPlace, FolderQuota};
use madang_storage::{Roots as _, StorageError};

use world::{BLOCK, MIB, Top, World, fill, is_full, taken, until};

const THREADS: usize = 8;

#[test]
fn eight_threads_get_the_quota_to_the_block_and_the_neighbour_nothing_less() {
    let world = World::new();
    for bytes in [100 * MIB, 3 * MIB] {
        let (owner, neighbour) = (world.owner(bytes, 1000), world.owner(8 * MIB, 100));
        let (_, top) = world.folder(owner);
        std::thread::scope(|scope| {
            for number in 0..THREADS {
                let path = top.path(&number.to_string());
                scope.spawn(move || fill(&path));
            }
        });
        let held = taken(&top.path(""));
        assert!(held.abs_diff(bytes) <= BLOCK, "{held} bytes where {bytes} are the quota");
        assert!(world.used(owner).0.abs_diff(held) <= BLOCK, "{:?} is said, {held} is there", world.used(owner));
        assert!(matches!(
            world.volumes().make(FolderPlace { owner, folder: FolderId::new() }),
            Err(StorageError::Full(_))
        ));
        let (_, other) = world.folder(neighbour);
        fs::write(other.path("a"), vec![1; 4 << 20]).unwrap();
    }
}

#[test]
fn as_many_files_as_the_quota_says_and_not_one_more() {
    let world = World::new();
    let owner = world.owner(20 * MIB, 100);
    let (_, top) = world.folder(owner);
    // The folder is one of them.
    for number in 1..100 {
        fs::write(top.path(&number.to_string()), "").unwrap();
    }
    assert_eq!(world.used(owner).1, 100);
    assert!(is_full(&fs::write(top.path("one too many"), "").unwrap_err()));
    fs::remove_file(top.path("7")).unwrap();
    fs::write(top.path("again"), "").unwrap();
    let (bytes, files) = (20 * MIB, 150);
    world.volumes().owner_set(owner, FolderQuota { bytes, files }).unwrap();
    (100..150).for_each(|number| fs::write(top.path(&number.to_string()), "").unwrap());
    assert!(is_full(&fs::write(top.path("one too many"), "").unwrap_err()));
}

#[test]
fn quotas_grow_and_shrink_under_whoever_writes_and_hold_after_a_restart() {
    let mut world = World::new();
    let owner = world.owner(10 * MIB, 500);
    let (place, top) = world.folder(owner);
    let set = |world: &World, mib: u64| world.volumes().owner_set(owner, FolderQuota { bytes: mib * MIB, files: 500 });
    for mib in [30, 150, 12, 40] {
        set(&world, mib).unwrap();
        fill(&top.path("a"));
        let held = taken(&top.path(""));
        assert!(held.abs_diff(mib * MIB) <= BLOCK, "{held} bytes where {mib} MiB are the quota");
        fs::remove_file(top.path("a")).unwrap();
    }
    fill(&top.path("a"));
    set(&world, 39).unwrap();
    assert_eq!(world.volumes().owner_usage(owner).unwrap().quota.bytes, 39 * MIB);
    let held = world.used(owner);
    drop(top);
    world.again();
    assert_eq!(world.used(owner), held);
    let top = Top(world.volumes().root(place.folder).unwrap());
    assert!(is_full(&fs::write(top.path("b"), vec![0; 2 * BLOCK as usize]).unwrap_err()));
    assert_eq!(world.devices().len(), 1);
}

#[test]
fn an_image_that_is_in_use_is_not_served_twice() {
    let mut world = World::new();
    let owner = world.owner(8 * MIB, 100);
    let (place, top) = world.folder(owner);
    fs::write(top.path("before"), "1").unwrap();
    // Somebody still works in it, as a sandbox of a server that died does.
    world.again();
    let again = Top(world.volumes().root(place.folder).unwrap());
    fs::write(top.path("after"), "2").unwrap();
    assert_eq!(fs::read_to_string(again.path("after")).unwrap(), "2");
    assert_eq!(world.devices().len(), 1);
}

#[test]
fn what_is_removed_goes_whatever_it_is_and_gives_its_room_back() {
    let mut world = World::new();
    let owner = world.owner(16 * MIB, 5000);
    let (place, top) = world.folder(owner);
    let empty = world.used(owner);
    let mut deep = String::from("deep");
    for _ in 0..300 {
        fs::create_dir(top.path(&deep)).unwrap();
        deep.push_str("/d");
    }
    symlink("/etc", top.path("link")).unwrap();
    fs::write(top.path("a"), vec![1; MIB as usize]).unwrap();
    fs::hard_link(top.path("a"), top.path("b")).unwrap();
    assert!(world.usage(place).unwrap_err().contains("deep"));
    let staging = Top(world.volumes().staging(place.folder).unwrap());
    fs::write(staging.path("half"), vec![1; MIB as usize]).unwrap();
    // What is open is there until it is closed, as anywhere.
    drop((top, staging));
    // Twice, and a server dies over it.
    world.volumes().remove(place).unwrap();
    world.volumes().remove(place).unwrap();
    assert!(matches!(world.volumes().root(place.folder), Err(StorageError::NotFound(_))));
    world.again();
    until("the room is free again", || world.used(owner) < empty);
    assert!(fs::metadata("/etc/passwd").is_ok());
}

#[test]
fn a_copy_is_whole_or_not_there() {
    let world = World::new();
    let (owner, small) = (world.owner(16 * MIB, 500), world.owner(2 * MIB, 500));
    let (from, top) = world.folder(owner);
    fs::create_dir(top.path("d")).unwrap();
    fs::write(top.path("d/a"), vec![3; 3 << 20]).unwrap();
    fs::File::create(top.path("holes")).unwrap().set_len(1 << 40).unwrap();
    fs::write(top.path("run"), "x").unwrap();
    fs::set_permissions(top.path("run"), fs::Permissions::from_mode(0o4755)).unwrap();
    chown(top.path("run"), Some(0), Some(0)).unwrap();
    symlink("/etc/passwd", top.path("link")).unwrap();
    let to = FolderPlace { owner, folder: FolderId::new() };
    world.volumes().copy(from, to).unwrap();
    let copy = Top(world.volumes().root(to.folder).unwrap());
    assert_eq!(fs::read(copy.path("d/a")).unwrap(), vec![3; 3 << 20]);
    assert_eq!(fs::metadata(copy.path("holes")).unwrap().len(), 1 << 40);
    assert_eq!(fs::read_link(copy.path("link")).unwrap(), Path::new("/etc/passwd"));
    let run = fs::metadata(copy.path("run")).unwrap();
    assert_eq!((run.uid(), run.gid(), run.mode() & 0o7777), (1000, 1000, 0o755));
    let too_much = FolderPlace { owner: small, folder: FolderId::new() };
    let refused = world.volumes().copy(from, too_much);
    assert!(matches!(refused, Err(StorageError::Full(_))), "{refused:?}");
    assert!(matches!(world.volumes().root(too_much.folder), Err(StorageError::NotFound(_))));
    until("its room is free again", || world.used(small).0 < MIB);
}
