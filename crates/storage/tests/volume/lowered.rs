//! Quotas below what is held, and owners that nobody asks for beside others.

use std::{
    fs,
    time::{Duration, Instant},
};

use madang_model::{FolderOwner, FolderQuota};
use madang_storage::Roots as _;

use crate::world::{BLOCK, MIB, Top, World, fill, is_full, taken, until};

const FILES: u64 = 500;
/// Longer than a scope is kept that nobody asks for.
const BUSY: Duration = Duration::from_secs(120);

fn set(world: &World, owner: FolderOwner, bytes: u64, files: u64) {
    world.volumes().owner_set(owner, FolderQuota { bytes, files }).unwrap();
}

#[test]
fn a_quota_below_what_is_held_lets_nothing_in_and_holds_as_soon_as_something_goes() {
    let mut world = World::new();
    let owner = world.owner(40 * MIB, FILES);
    let (place, top) = world.folder(owner);
    fs::write(top.path("much"), vec![7; 24 * MIB as usize]).unwrap();
    set(&world, owner, 20 * MIB, FILES);
    assert_eq!(world.volumes().owner_usage(owner).unwrap().quota.bytes, 20 * MIB);
    assert!(is_full(&fs::write(top.path("more"), vec![7; 2 * BLOCK as usize]).unwrap_err()));
    drop(top);
    // The next server knows it too.
    world.again();
    let top = Top(world.volumes().root(place.folder).unwrap());
    assert!(is_full(&fs::write(top.path("more"), vec![7; 2 * BLOCK as usize]).unwrap_err()));
    fs::remove_file(top.path("much")).unwrap();
    until("what is held is no more than the lower quota", || {
        fill(&top.path("again"));
        let held = taken(&top.path(""));
        fs::remove_file(top.path("again")).unwrap();
        held.abs_diff(20 * MIB) <= BLOCK
    });
}

#[test]
fn a_quota_of_nothing_is_the_least_there_is() {
    let world = World::new();
    let owner = world.owner(40 * MIB, FILES);
    let (_, top) = world.folder(owner);
    set(&world, owner, 0, 0);
    fill(&top.path("a"));
    let held = taken(&top.path(""));
    assert!(held.abs_diff(MIB) <= BLOCK, "{held}");
    (0..14).for_each(|number| drop(fs::File::create(top.path(&number.to_string()))));
    assert!(is_full(&fs::File::create(top.path("one too many")).unwrap_err()));
}

#[test]
fn a_scope_that_nobody_asks_for_is_left_however_busy_others_are() {
    let world = World::new();
    let (busy, idle) = (world.owner(8 * MIB, FILES), world.owner(8 * MIB, FILES));
    until("both are there", || {
        world.used(busy);
        world.used(idle);
        world.devices().len() == 2
    });
    let began = Instant::now();
    while world.devices().len() == 2 {
        assert!(began.elapsed() < BUSY, "a scope is still there that nobody asks for");
        world.used(busy);
        std::thread::sleep(Duration::from_millis(200));
    }
    assert_eq!(world.devices().len(), 1);
    world.used(idle);
}
