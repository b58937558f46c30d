//! Random choices that can be made again: the seed is printed, and `MADANG_CHAOS_SEED` sets it.

use std::time::{Duration, SystemTime};

/// splitmix64, <https://prng.di.unimi.it/splitmix64.c>.
pub struct Dice(u64);

impl Dice {
    pub fn from_environment() -> Self {
        let given = std::env::var("MADANG_CHAOS_SEED").ok().map(|text| text.parse().expect("a seed is a number"));
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_micros() as u64;
        let seed = given.unwrap_or(now);
        println!("chaos: MADANG_CHAOS_SEED={seed}");
        Self(seed)
    }

    pub fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % bound as u64) as usize
    }

    pub fn pick<'a, T>(&mut self, from: &'a [T]) -> Option<&'a T> {
        if from.is_empty() { None } else { Some(&from[self.below(from.len())]) }
    }

    pub fn moment(&mut self, max: Duration) -> Duration {
        Duration::from_micros(self.below(max.as_micros() as usize) as u64)
    }
}
