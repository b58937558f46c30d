//! Control and nodes over a simulated network whose faults come from a seed: nothing is lost, nothing is done or runs twice.
//!
//! `MADANG_SEED=n` plays one seed again, `MADANG_SEEDS=n` plays so many from 0 on and prints how long that took.

#![allow(clippy::unwrap_used, reason = "tests may; the lint knows only functions marked as tests")]

mod control;
mod dice;
mod machine;
mod store;
mod world;

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Instant,
};

/// In the suite, where `MADANG_SEEDS` says nothing else.
const SEEDS: u64 = 40;

fn number(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name}={text} is no number")))
}

#[test]
fn faults_of_the_network_lose_nothing_and_double_nothing() {
    if let Some(seed) = number("MADANG_SEED") {
        let played = world::play(seed);
        let (moves, whole, rest) = (played.moves, played.whole, played.at_rest_ms);
        println!("seed {seed}: {moves} moves, {whole} runs heard whole, at rest after {rest} ms");
        assert_eq!(played.broken, Vec::<String>::new());
        return;
    }
    let (seeds, began, next) = (number("MADANG_SEEDS").unwrap_or(SEEDS), Instant::now(), AtomicU64::new(0));
    let (moves, orders) = (AtomicU64::new(0), AtomicU64::new(0));
    let player = || {
        let mut broken = Vec::new();
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= seeds || broken.len() > 5 {
                return broken;
            }
            let played = world::play(seed);
            moves.fetch_add(played.moves, Ordering::Relaxed);
            orders.fetch_add(played.sessions, Ordering::Relaxed);
            if !played.broken.is_empty() {
                broken.push(format!("MADANG_SEED={seed}: {}", played.broken.join("; ")));
            }
        }
    };
    let broken: Vec<_> = std::thread::scope(|scope| {
        let players: Vec<_> = (0..2).map(|_| scope.spawn(player)).collect();
        players.into_iter().flat_map(|player| player.join().unwrap()).collect()
    });
    let (moves, sessions) = (moves.into_inner(), orders.into_inner());
    println!("{seeds} seeds, {sessions} sessions, {moves} moves in {:.1} s", began.elapsed().as_secs_f64());
    assert!(broken.is_empty(), "{} seeds broke a rule:\n{}", broken.len(), broken.join("\n"));
    assert!(seeds < 10 || moves > 0, "no session was ever moved: the faults do nothing");
}
