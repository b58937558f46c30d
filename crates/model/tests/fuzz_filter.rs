//! Throws changed filters at the parser that reads them from strangers.
//!
//! `MADANG_FUZZ_SECONDS` says how long it runs (1 by default); `MADANG_FUZZ_SEED` repeats a run.

#![allow(clippy::unwrap_used)] // A test's way to say that something must be so.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use madang_model::session_filter::{FILTER_TERMS_MAX, FILTER_VALUES_MAX, NameMatch, SessionFilter, TagMatch, Term};

const SEEDS: [&str; 5] = [
    "live state:running,queued",
    r#"owner:ada,"b c" name:train*,"x\"y" image:host"#,
    r#"tag:course="machine learning",x,y="#,
    "created>=2026-01-02 created<2026-01-02T01:00:00.001Z created>=7",
    "kind:batch language:python project:\u{fc}\u{1f600}",
];
const BITS: [&str; 12] = ["\"", "\\", ",", ":", " ", "*", "=", ">=", "<", "\u{fc}", "\0", "live"];

struct Dice(u64);

impl Dice {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % end.max(1) as u64) as usize
    }
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

fn change(text: &str, dice: &mut Dice) -> String {
    let mut letters: Vec<char> = text.chars().collect();
    for _ in 0..=dice.below(5) {
        let at = dice.below(letters.len() + 1);
        match dice.below(3) {
            0 if at < letters.len() => drop(letters.remove(at)),
            1 => letters.extend(BITS[dice.below(BITS.len())].chars()),
            _ => {
                for (index, letter) in BITS[dice.below(BITS.len())].chars().enumerate() {
                    letters.insert(at + index, letter);
                }
            }
        }
    }
    letters.into_iter().collect()
}

fn quote(value: &str) -> String {
    format!("\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\""))
}

fn write(filter: &SessionFilter) -> String {
    let plain = |field: &str, values: &[String]| {
        format!("{field}:{}", values.iter().map(|value| quote(value)).collect::<Vec<_>>().join(","))
    };
    let name = |name: &NameMatch| match name {
        NameMatch::Whole(name) => name.clone(),
        NameMatch::Beginning(name) => format!("{name}*"),
    };
    let tag = |tag: &TagMatch| match &tag.value {
        Some(value) => format!("{}={value}", tag.key),
        None => tag.key.clone(),
    };
    let term = |term: &Term| match term {
        Term::Live => "live".to_owned(),
        Term::State(values) => plain("state", values),
        Term::Kind(values) => plain("kind", values),
        Term::Owner(values) => plain("owner", values),
        Term::Project(values) => plain("project", values),
        Term::Image(values) => plain("image", values),
        Term::Language(values) => plain("language", values),
        Term::Name(names) => plain("name", &names.iter().map(name).collect::<Vec<_>>()),
        Term::Tag(tags) => plain("tag", &tags.iter().map(tag).collect::<Vec<_>>()),
        Term::CreatedFrom(at) => format!("created>={at}"),
        Term::CreatedBefore(at) => format!("created<{at}"),
    };
    filter.terms.iter().map(term).collect::<Vec<_>>().join(" ")
}

/// What was understood keeps its limits and, written down again, means the same.
#[test]
fn fuzz_filter() {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos() as u64;
    let seed = number("MADANG_FUZZ_SEED").unwrap_or(now).max(1);
    println!("filter: MADANG_FUZZ_SEED={seed}");
    let until = Instant::now() + Duration::from_secs(number("MADANG_FUZZ_SECONDS").unwrap_or(1));
    let (mut dice, mut tries, mut understood) = (Dice(seed), 0_u64, 0_u64);
    while tries < 1_000 || Instant::now() < until {
        let text = change(SEEDS[dice.below(SEEDS.len())], &mut dice);
        tries += 1;
        let Ok(filter) = text.parse::<SessionFilter>() else { continue };
        understood += 1;
        assert!(filter.terms.len() <= FILTER_TERMS_MAX);
        let values = |term: &Term| match term {
            Term::Name(names) => names.len(),
            Term::Owner(values) | Term::Image(values) => values.len(),
            _ => 1,
        };
        assert!(filter.terms.iter().all(|term| (1..=FILTER_VALUES_MAX).contains(&values(term))), "{text:?}");
        let again = write(&filter);
        assert_eq!(again.parse::<SessionFilter>().as_ref(), Ok(&filter), "{text:?} as {again:?}");
    }
    println!("filter: {tries} inputs, {understood} understood");
    assert!(understood > 0, "no input was ever understood");
}
