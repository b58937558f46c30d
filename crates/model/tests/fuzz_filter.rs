//! Throws changed filters at the parser that reads them from strangers.
//!
//! `MADANG_FUZZ_SECONDS` says how long it runs (2 by default); `MADANG_FUZZ_SEED` repeats a run.

#![allow(clippy::unwrap_used)] // A test's way to say that something must be so.

use madang_model::session_filter::{FILTER_TERMS_MAX, FILTER_VALUES_MAX, NameMatch, SessionFilter, TagMatch, Term};
use madang_testkit::{Dice, Fuzz};

const SEEDS: [&str; 5] = [
    "live state:running,queued",
    r#"owner:ada,"b c" name:train*,"x\"y" image:host"#,
    r#"tag:course="machine learning",x,y="#,
    "created>=2026-01-02 created<2026-01-02T01:00:00.001Z created>=7",
    "kind:batch language:python project:\u{fc}\u{1f600}",
];
const BITS: [&str; 12] = ["\"", "\\", ",", ":", " ", "*", "=", ">=", "<", "\u{fc}", "\0", "live"];

/// Of so many inputs some are understood.
const INPUTS_MANY: u64 = 1_000;

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
    let (mut fuzz, mut understood) = (Fuzz::begin("filter"), 0_u64);
    while fuzz.goes_on() {
        let text = change(SEEDS[fuzz.dice.below(SEEDS.len())], &mut fuzz.dice);
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
    println!("filter: {understood} understood");
    // A machine that starves may have got to few.
    assert!(understood > 0 || fuzz.inputs() < INPUTS_MANY, "no input was ever understood");
}
