//! A quota that is raised further than a server that may not grow file systems can go.

use std::fs;

use madang_model::FolderQuota;
use madang_storage::StorageError;
use rustix::thread::{CapabilitySet, capabilities, set_capabilities};

use crate::world::{BLOCK, MIB, World, fill, is_full, taken};

/// Larger than any image that is made for a quota of one MiB.
const FAR: FolderQuota = FolderQuota { bytes: 400 * MIB, files: 5_000_000 };

/// The calling thread, and those that it starts, may not; as in most containers.
fn give_up_growing() {
    let mut sets = capabilities(None).unwrap();
    sets.effective -= CapabilitySet::SYS_RESOURCE;
    sets.permitted -= CapabilitySet::SYS_RESOURCE;
    set_capabilities(None, sets).unwrap();
}

#[test]
fn where_nothing_can_grow_as_much_is_held_as_there_is_room_for_and_the_refusal_says_why() {
    give_up_growing();
    let mut world = World::new();
    let owner = world.owner(MIB, 100);
    let (_, top) = world.folder(owner);
    let length = |world: &World| {
        let images = fs::read_dir(world.home.path().join("scopes")).unwrap().flatten();
        images.map(|scope| fs::metadata(scope.path().join("image")).unwrap().len()).sum::<u64>()
    };
    let before = length(&world);
    for _ in 0..2 {
        match world.volumes().owner_set(owner, FAR) {
            Err(StorageError::Unavailable(why)) => assert!(why.contains("CAP_SYS_RESOURCE"), "{why}"),
            other => panic!("it cannot grow, and says {other:?}"),
        }
    }
    assert_eq!(length(&world), before, "tries do not add up");
    let held = world.volumes().owner_usage(owner).unwrap().quota;
    assert!((2 * MIB..FAR.bytes).contains(&held.bytes) && (101..FAR.files).contains(&held.files), "{held:?}");
    fill(&top.path("a"));
    assert!(taken(&top.path("")).abs_diff(held.bytes) <= BLOCK, "{} of {held:?}", taken(&top.path("")));
    // It can be lowered all the same, one part of it while the other is raised.
    fs::remove_file(top.path("a")).unwrap();
    world.volumes().owner_set(owner, FolderQuota { bytes: FAR.bytes, files: 20 }).unwrap_err();
    assert_eq!(world.volumes().owner_usage(owner).unwrap().quota.files, 20);
    world.volumes().owner_set(owner, FolderQuota { bytes: 2 * MIB, files: 20 }).unwrap();
    drop(top);
    world.again();
    let (_, top) = world.folder(owner);
    // Two folders are in it.
    (2..20).for_each(|number| fs::write(top.path(&number.to_string()), "").unwrap());
    assert!(is_full(&fs::write(top.path("one too many"), "").unwrap_err()));
}
