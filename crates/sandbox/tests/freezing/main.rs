//! What freezing does to a slot: nothing runs, memory goes back, everything is there afterwards. Needs root.

#[path = "../bench/mod.rs"]
#[allow(dead_code, reason = "shared with tests that use other parts of it")]
mod bench;
mod swap;

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use bench::{Bench, PATIENCE};
use madang_slot_api::{FileAsk, FromSlot, RunNumber, ToSlot};
use swap::SwapFile;

/// A program that says a line again and again.
const TICKS: &[&str] = &["/bin/sh", "-c", "while :; do echo tick; sleep 0.01; done"];

fn until(what: &str, mut done: impl FnMut() -> bool) {
    let late = Instant::now() + PATIENCE;
    while !done() {
        assert!(Instant::now() < late, "{what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// So many looks in a row that agree: version 1 counts at a tick, or when a processor is left.
const LOOKS_AT_REST: u32 = 20;

/// CPU time of what is frozen: whoever was on a processor leaves it a moment after the kernel calls it frozen.
fn cpu_at_rest(bench: &Bench) -> u64 {
    let (mut last, mut calm) = (bench.slot.cgroup.cpu_us(), 0);
    until("it rests", || {
        let before = std::mem::replace(&mut last, bench.slot.cgroup.cpu_us());
        calm = if before == last { calm + 1 } else { 0 };
        calm == LOOKS_AT_REST
    });
    last
}

fn hears(bench: &mut Bench, run: RunNumber) {
    bench.wait_for(|message| matches!(message, FromSlot::Output { run: of, .. } if *of == run));
}

#[test]
fn nothing_runs_while_it_is_frozen_and_everything_afterwards() {
    let mut bench = Bench::new();
    let run = bench.start(TICKS);
    hears(&mut bench, run);
    assert!(!bench.slot.cgroup.is_frozen());
    bench.slot.cgroup.freeze(PATIENCE).unwrap();
    assert!(bench.slot.cgroup.is_frozen());
    let cpu_us = cpu_at_rest(&bench);
    // A question is asked, and init does not answer: it does not run either.
    bench.send(&ToSlot::Ping);
    std::thread::yield_now();
    assert_eq!(bench.slot.cgroup.cpu_us(), cpu_us);
    // Freezing what is frozen is nothing new.
    bench.slot.cgroup.freeze(PATIENCE).unwrap();
    bench.slot.cgroup.thaw().unwrap();
    assert!(!bench.slot.cgroup.is_frozen());
    bench.wait_for(|message| *message == FromSlot::Pong);
    hears(&mut bench, run);
    bench.slot.cgroup.thaw().unwrap();
}

#[test]
fn what_forks_all_the_time_is_frozen_too() {
    let mut bench = Bench::new();
    let run = bench.start(&["/bin/sh", "-c", "echo go; while :; do (exit 0) & (exit 0) & wait; done"]);
    hears(&mut bench, run);
    for _ in 0..20 {
        bench.slot.cgroup.freeze(PATIENCE).unwrap();
        let (cpu_us, inside) = (cpu_at_rest(&bench), bench.slot.cgroup.processes());
        assert!(!inside.is_empty());
        std::thread::yield_now();
        assert_eq!((bench.slot.cgroup.cpu_us(), bench.slot.cgroup.processes()), (cpu_us, inside));
        bench.slot.cgroup.thaw().unwrap();
        until("it goes on", || bench.slot.cgroup.cpu_us() > cpu_us);
    }
}

#[test]
fn what_is_frozen_can_be_killed() {
    let mut bench = Bench::new();
    let run = bench.start(TICKS);
    hears(&mut bench, run);
    bench.slot.cgroup.freeze(PATIENCE).unwrap();
    bench.slot.kill();
    assert!(bench.slot.wait_ended(PATIENCE).unwrap());
    until("its processes go", || bench.slot.cgroup.processes() == BTreeSet::new());
}

#[test]
fn memory_is_given_back_and_comes_again() {
    // Files of a sandbox are memory without a file behind it: only swap can take them.
    let swap = SwapFile::on(256 << 20);
    let mut bench = Bench::new();
    let text: String = (0..6_000_u32).map(|number| format!("{number:09}\n")).collect();
    for number in 0..100 {
        let ask = FileAsk::Put { path: format!("{number}"), bytes: text.clone().into_bytes() };
        bench.file(ask).unwrap();
    }
    let sums = bench.run(&["/bin/sh", "-c", "cat * | sha256sum"]);
    bench.slot.cgroup.freeze(PATIENCE).unwrap();
    let given = bench.slot.cgroup.give_back().unwrap();
    assert!(bench.slot.cgroup.is_frozen(), "its memory goes, it stays as it is");
    println!("{} KiB before, {} KiB after, swap {swap:?}", given.before_bytes >> 10, given.after_bytes >> 10);
    assert!(given.before_bytes > 6_000_000, "{given:?}");
    match swap {
        Ok(_) => assert!(given.after_bytes < given.before_bytes / 2, "{given:?}"),
        Err(why) => assert!(given.after_bytes <= given.before_bytes, "{given:?}, and no swap: {why}"),
    }
    bench.slot.cgroup.thaw().unwrap();
    assert_eq!(bench.run(&["/bin/sh", "-c", "cat * | sha256sum"]).stdout, sums.stdout);
}
