//! Inputs that follow from a seed, for as long as `MADANG_FUZZ_SECONDS` says; `MADANG_FUZZ_SEED` repeats a run.

use std::{
    fmt, fs,
    path::Path,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

const SECONDS: &str = "MADANG_FUZZ_SECONDS";
const SEED: &str = "MADANG_FUZZ_SEED";
/// Where nothing is said.
const SECONDS_USUAL: f64 = 2.0;

/// Numbers that need not be good, only repeatable: SplitMix64.
#[derive(Debug, Clone)]
pub struct Dice(u64);

impl Dice {
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// From 0 on, and 0 where nothing is below `end`.
    #[allow(clippy::cast_possible_truncation, reason = "it is below a usize")]
    pub fn below(&mut self, end: usize) -> usize {
        (self.roll() % end.max(1) as u64) as usize
    }

    pub fn one<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.below(of.len())]
    }

    pub fn bytes(&mut self, count: usize) -> Vec<u8> {
        std::iter::repeat_with(|| self.roll().to_le_bytes()).flatten().take(count).collect()
    }
}

/// A target that inputs are thrown at: `while fuzz.goes_on() { … fuzz.dice … }`.
#[derive(Debug)]
pub struct Fuzz {
    pub dice: Dice,
    target: String,
    seed: u64,
    until: Instant,
    inputs: u64,
}

impl Fuzz {
    /// Says the seed first, whatever happens after.
    #[must_use]
    pub fn begin(target: &str) -> Self {
        let now = || SystemTime::now().duration_since(UNIX_EPOCH).map_or(1, |since| u64::from(since.subsec_nanos()));
        let seed = number(SEED).unwrap_or_else(now);
        println!("{target}: {SEED}={seed}");
        let until = Instant::now() + Duration::from_secs_f64(number(SECONDS).unwrap_or(SECONDS_USUAL));
        Self { dice: Dice::new(seed), target: target.to_owned(), seed, until, inputs: 0 }
    }

    /// Whether another input is to be tried; there is one at least. Says how many there were once the time is over.
    pub fn goes_on(&mut self) -> bool {
        if self.inputs == 0 || Instant::now() < self.until {
            self.inputs += 1;
            return true;
        }
        println!("{}: {} inputs", self.target, self.inputs);
        false
    }

    /// Inputs so far, the present one included.
    #[must_use]
    pub fn inputs(&self) -> u64 {
        self.inputs
    }

    /// Keeps an input in `artifacts/fuzz/TARGET/` of the working copy, and fails.
    ///
    /// # Panics
    /// Always.
    pub fn fail(&self, input: &[u8], why: impl fmt::Display) -> ! {
        let place = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../artifacts/fuzz").join(&self.target);
        let file = place.join(format!("{}-{}", self.seed, self.inputs));
        let kept = fs::create_dir_all(&place).and_then(|()| fs::write(&file, input));
        let kept = kept.map_or_else(|error| format!("lost: {error}"), |()| file.display().to_string());
        panic!("{} with {SEED}={}: {why}; the input is {kept}", self.target, self.seed)
    }
}

/// # Panics
/// Where the environment says something that is no number.
fn number<T: std::str::FromStr>(name: &str) -> Option<T> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name} is a number, not {text:?}")))
}
