//! More names than anybody should keep in memory. Apart from `volume`, because the memory of the whole process is looked at. Needs root.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[allow(dead_code, reason = "`volume` needs more of it")]
#[path = "volume/world.rs"]
mod world;

use std::{
    fs,
    sync::Arc,
    time::{Duration, Instant},
};

use madang_model::{FolderOwner, FolderPlace};

use world::{MIB, World, until};

const LINKS: usize = 200_000;
/// `ext4` gives a file no more than 65,000 names.
const LINKS_OF_A_FILE: usize = 60_000;
/// Of a name. All names together are more than [`GROWTH_MAX`].
const NAME_BYTES: usize = 24;
/// What the process may take more meanwhile.
const GROWTH_MAX: u64 = 8 * MIB;
const ASKERS: usize = 64;
const TRIES: usize = 3;
/// Between two looks so far apart more than one thing may have happened.
const MISSED: Duration = Duration::from_secs(1);

/// A line of what the kernel says of this process, in bytes.
fn memory(of: &str) -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(of)).unwrap();
    line.trim().trim_end_matches("kB").trim().parse::<u64>().unwrap() << 10
}

/// How much more memory this process had at its height than before.
fn growth<T>(act: impl FnOnce() -> T) -> (T, u64) {
    let before = memory("VmRSS:");
    // The height is what there is now: proc_pid_clear_refs(5).
    fs::write("/proc/self/clear_refs", "5").unwrap();
    let done = act();
    (done, memory("VmHWM:").saturating_sub(before))
}

/// A folder of few files with many names.
fn linked(world: &World, owner: FolderOwner) -> (FolderPlace, u64) {
    let (place, top) = world.folder(owner);
    let files = LINKS.div_ceil(LINKS_OF_A_FILE);
    for number in 0..LINKS {
        let file = top.path(&format!("file-{}", number / LINKS_OF_A_FILE));
        if number % LINKS_OF_A_FILE == 0 {
            fs::write(&file, "x").unwrap();
        }
        fs::hard_link(file, top.path(&format!("{number:0NAME_BYTES$}"))).unwrap();
    }
    (place, files as u64 + 1)
}

#[test]
fn many_names_are_counted_and_removed_without_keeping_them_and_hold_nobody_up() {
    let world = World::new();
    let (owner, neighbour) = (world.owner(108 * MIB, 500), world.owner(16 * MIB, 500));
    let (empty, nothing) = (world.used(owner).0, world.used(neighbour).0);
    let (place, files) = linked(&world, owner);
    let (other, top) = world.folder(neighbour);
    fs::write(top.path("a"), vec![1; 8 << 20]).unwrap();
    drop(top);
    let full = world.used(owner).0;
    let (used, grown) = growth(|| world.usage(place).unwrap());
    assert_eq!(used.files, files);
    assert!(grown < GROWTH_MAX, "counting took {grown} bytes");
    asked_together(&world, place, files);
    let ((), grown) = growth(|| {
        world.volumes().remove(place).unwrap();
        world.volumes().remove(other).unwrap();
        let (mut held, mut looked) = (full, Instant::now());
        let mut apart = Duration::ZERO;
        until("the neighbour's room is free again", || {
            // Looked at before the neighbour: it may go as soon as the neighbour's is free.
            held = world.used(owner).0;
            let free = world.used(neighbour).0 <= nothing;
            (apart, looked) = (looked.elapsed(), Instant::now());
            free
        });
        match held >= full {
            false if apart > MISSED => println!("order not judged: nobody looked for {apart:?}"),
            first => assert!(first, "what is large has gone first"),
        }
        until("the room is free again", || world.used(owner).0 <= empty + MIB);
    });
    assert!(grown < GROWTH_MAX, "removing took {grown} bytes");
}

/// Many who ask one question have one answer.
fn asked_together(world: &World, place: FolderPlace, files: u64) {
    let once = || took(|| assert_eq!(world.usage(place).unwrap().files, files));
    let mut tries = 0;
    loop {
        // The machine may be busier afterwards than it was before, or busy just meanwhile.
        let before = once();
        let together = took(|| ask_at_once(world, place, files));
        let alone = before.max(once());
        if together < 8 * alone {
            return;
        }
        tries += 1;
        assert!(tries < TRIES, "{ASKERS} at once took {together:?}, one {alone:?}");
    }
}

fn ask_at_once(world: &World, place: FolderPlace, files: u64) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap();
    let volumes = Arc::clone(world.volumes.as_ref().unwrap());
    runtime.block_on(async {
        let asking = (0..ASKERS).map(|_| {
            let volumes = Arc::clone(&volumes);
            tokio::spawn(async move { volumes.usage(place).await.unwrap() })
        });
        let asking: Vec<_> = asking.collect();
        for asked in asking {
            assert_eq!(asked.await.unwrap().files, files);
        }
    });
}

fn took(act: impl FnOnce()) -> Duration {
    let began = Instant::now();
    act();
    began.elapsed()
}
