//! Which sessions of a list: a small language, `state:running,queued owner:ada name:train* tag:course=ml created>=2026-01-02`.
//!
//! ```text
//! filter = term *(" " term)                        all of them hold
//! term   = "live" / state                          has not ended / is in the state
//!        / field ":" value *("," value)            one of the values holds
//!        / "created" (">=" / "<") time             RFC 3339, a date, or milliseconds since 1970
//! field  = "state" / "kind" / "owner" / "project" / "image" / "language" / "name" / "tag"
//! value  = characters without space, quote and comma / DQUOTE any, with \" and \\ DQUOTE
//! ```
//! `name:train*` is a beginning, `name:train` the whole name. `tag:course=ml` is a tag with its value, `tag:course` one with any.
//! Owners and projects are ids or names.

use time::{Date, OffsetDateTime, Time, format_description::well_known::Rfc3339, macros::format_description};

/// Length of a filter, bytes.
pub const FILTER_BYTES_MAX: usize = 4_096;
/// Terms of one filter.
pub const FILTER_TERMS_MAX: usize = 16;
/// Values of one term.
pub const FILTER_VALUES_MAX: usize = 64;
/// The states that a session may be in.
pub const SESSION_STATES: [&str; 9] =
    ["requested", "queued", "placed", "starting", "running", "suspended", "draining", "ended", "refused"];
const KINDS: [&str; 2] = ["interactive", "batch"];
const FIELDS: &str = "live, a state, state: kind: owner: project: image: language: name: tag: created>= created<";

/// A filter that was understood. Every term must hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SessionFilter {
    pub terms: Vec<Term>,
}

/// One thing that must hold: of several values, for one of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Term {
    /// It has not ended.
    Live,
    State(Vec<String>),
    Kind(Vec<String>),
    /// Ids or names.
    Owner(Vec<String>),
    /// Ids or names.
    Project(Vec<String>),
    Image(Vec<String>),
    Language(Vec<String>),
    Name(Vec<NameMatch>),
    Tag(Vec<TagMatch>),
    /// Milliseconds since 1970.
    CreatedFrom(u64),
    /// Milliseconds since 1970.
    CreatedBefore(u64),
}

/// A name, or how it begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NameMatch {
    Whole(String),
    Beginning(String),
}

/// A tag, with this value or with any.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TagMatch {
    pub key: String,
    pub value: Option<String>,
}

/// Why a filter was not understood.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FilterError {
    #[error(
        "a filter has {FILTER_BYTES_MAX} bytes, {FILTER_TERMS_MAX} terms and {FILTER_VALUES_MAX} values of one at most"
    )]
    TooLong,
    #[error("`{0}` is no term of a filter: {FIELDS}")]
    Term(String),
    #[error("a filter has no NUL in it")]
    Nul,
    #[error("a quote is not closed")]
    Quote,
    #[error("`{0}:` has no value")]
    NoValue(String),
    #[error("`{value}` is none of {known}")]
    Value { value: String, known: String },
    #[error("`{0}` is no time: RFC 3339, a date, or milliseconds since 1970")]
    Time(String),
}

impl std::str::FromStr for SessionFilter {
    type Err = FilterError;

    fn from_str(text: &str) -> Result<Self, FilterError> {
        if text.len() > FILTER_BYTES_MAX {
            return Err(FilterError::TooLong);
        }
        if text.contains('\0') {
            return Err(FilterError::Nul);
        }
        let mut terms = Vec::new();
        let mut rest = text.trim_start();
        while !rest.is_empty() {
            if terms.len() == FILTER_TERMS_MAX {
                return Err(FilterError::TooLong);
            }
            let (term, after) = term(rest)?;
            terms.push(term);
            rest = after.trim_start();
        }
        Ok(Self { terms })
    }
}

fn term(text: &str) -> Result<(Term, &str), FilterError> {
    let word_end = text.find(char::is_whitespace).unwrap_or(text.len());
    let word = &text[..word_end];
    let letters = word.find(|letter: char| !letter.is_ascii_lowercase()).unwrap_or(word_end);
    let (field, after) = text.split_at(letters);
    if letters == word_end {
        return Ok((bare(word)?, after));
    }
    for (sign, make) in [(">=", Term::CreatedFrom as fn(u64) -> Term), ("<", Term::CreatedBefore)] {
        if field == "created"
            && let Some(after) = after.strip_prefix(sign)
        {
            let (value, after) = value(after)?;
            return Ok((make(time(&value)?), after));
        }
    }
    let after = after.strip_prefix(':').ok_or_else(|| FilterError::Term(word.to_owned()))?;
    let (values, after) = values(field, after)?;
    Ok((of_field(field, values)?, after))
}

fn bare(word: &str) -> Result<Term, FilterError> {
    match word {
        "live" => Ok(Term::Live),
        state if SESSION_STATES.contains(&state) => Ok(Term::State(vec![state.to_owned()])),
        _ => Err(FilterError::Term(word.to_owned())),
    }
}

fn of_field(field: &str, values: Vec<String>) -> Result<Term, FilterError> {
    match field {
        "state" => known(values, &SESSION_STATES).map(Term::State),
        "kind" => known(values, &KINDS).map(Term::Kind),
        "owner" => Ok(Term::Owner(values)),
        "project" => Ok(Term::Project(values)),
        "image" => Ok(Term::Image(values)),
        "language" => Ok(Term::Language(values)),
        "name" => Ok(Term::Name(values.into_iter().map(name_match).collect())),
        "tag" => Ok(Term::Tag(values.into_iter().map(tag_match).collect())),
        _ => Err(FilterError::Term(format!("{field}:"))),
    }
}

fn known(values: Vec<String>, known: &[&str]) -> Result<Vec<String>, FilterError> {
    match values.iter().find(|value| !known.contains(&value.as_str())) {
        None => Ok(values),
        Some(value) => Err(FilterError::Value { value: value.clone(), known: known.join(", ") }),
    }
}

fn name_match(value: String) -> NameMatch {
    match value.strip_suffix('*') {
        Some(beginning) => NameMatch::Beginning(beginning.to_owned()),
        None => NameMatch::Whole(value),
    }
}

fn tag_match(value: String) -> TagMatch {
    match value.split_once('=') {
        Some((key, value)) => TagMatch { key: key.to_owned(), value: Some(value.to_owned()) },
        None => TagMatch { key: value, value: None },
    }
}

fn values<'a>(field: &str, text: &'a str) -> Result<(Vec<String>, &'a str), FilterError> {
    let mut values = Vec::new();
    let mut rest = text;
    loop {
        let (value, after) = value(rest)?;
        if value.is_empty() {
            return Err(FilterError::NoValue(field.to_owned()));
        }
        if values.len() == FILTER_VALUES_MAX {
            return Err(FilterError::TooLong);
        }
        values.push(value);
        match after.strip_prefix(',') {
            Some(more) => rest = more,
            None => return Ok((values, after)),
        }
    }
}

/// Plain and quoted parts in a row are one value: `tag:course="machine learning"`.
fn value(text: &str) -> Result<(String, &str), FilterError> {
    let mut value = String::new();
    let mut letters = text.char_indices();
    while let Some((at, letter)) = letters.next() {
        match letter {
            '"' => quoted(&mut letters, &mut value)?,
            ',' => return Ok((value, &text[at..])),
            space if space.is_whitespace() => return Ok((value, &text[at..])),
            letter => value.push(letter),
        }
    }
    Ok((value, ""))
}

fn quoted(letters: &mut std::str::CharIndices<'_>, value: &mut String) -> Result<(), FilterError> {
    loop {
        match letters.next().ok_or(FilterError::Quote)?.1 {
            '"' => return Ok(()),
            '\\' => value.push(letters.next().ok_or(FilterError::Quote)?.1),
            letter => value.push(letter),
        }
    }
}

fn time(text: &str) -> Result<u64, FilterError> {
    let wrong = || FilterError::Time(text.to_owned());
    if let Ok(ms) = text.parse::<u64>() {
        return Ok(ms);
    }
    let date = Date::parse(text, format_description!("[year]-[month]-[day]"));
    let at = match date {
        Ok(date) => date.with_time(Time::MIDNIGHT).assume_utc(),
        Err(_) => OffsetDateTime::parse(text, &Rfc3339).map_err(|_| wrong())?,
    };
    u64::try_from(at.unix_timestamp_nanos() / 1_000_000).map_err(|_| wrong())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Vec<Term>, String> {
        text.parse::<SessionFilter>().map(|filter| filter.terms).map_err(|error| error.to_string())
    }

    #[test]
    fn terms_are_understood() {
        let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        assert_eq!(read("").unwrap(), []);
        assert_eq!(read("live").unwrap(), [Term::Live]);
        assert_eq!(
            read(" running  kind:batch ").unwrap(),
            [Term::State(words(&["running"])), Term::Kind(words(&["batch"]))]
        );
        assert_eq!(read("state:running,queued").unwrap(), [Term::State(words(&["running", "queued"]))]);
        assert_eq!(
            read(r#"owner:ada image:"a b,c",host project:"say \"x\\y\"""#).unwrap(),
            [
                Term::Owner(words(&["ada"])),
                Term::Image(words(&["a b,c", "host"])),
                Term::Project(words(&[r#"say "x\y""#])),
            ]
        );
        let names = vec![NameMatch::Beginning("train".into()), NameMatch::Whole("a*b".into())];
        assert_eq!(read("name:train*,a*b").unwrap(), [Term::Name(names)]);
        let tags = [("course", Some("machine learning")), ("x", None), ("y", Some(""))];
        let tags = tags.map(|(key, value)| TagMatch { key: key.into(), value: value.map(str::to_owned) });
        assert_eq!(read(r#"tag:course="machine learning",x,y="#).unwrap(), [Term::Tag(tags.to_vec())]);
        let midnight = 1_767_312_000_000;
        let times = [Term::CreatedFrom(midnight), Term::CreatedBefore(midnight + 3_600_001), Term::CreatedFrom(7)];
        assert_eq!(read("created>=2026-01-02 created<2026-01-02T01:00:00.001Z created>=7").unwrap(), times);
    }

    #[test]
    fn what_is_not_understood_says_why() {
        let refused = [
            ("alive", "`alive` is no term"),
            ("Running", "`Running` is no term"),
            ("state:asleep", "`asleep` is none of requested"),
            ("kind:odd", "`odd` is none of interactive, batch"),
            ("colour:red", "`colour:` is no term"),
            ("name:", "`name:` has no value"),
            ("name:a,", "`name:` has no value"),
            ("name:\"a", "a quote is not closed"),
            ("name:\"a\\", "a quote is not closed"),
            ("created>=soon", "`soon` is no time"),
            ("created>=1969-01-01", "`1969-01-01` is no time"),
            ("name:a\0", "a filter has no NUL"),
            ("created>5", "`created>5` is no term"),
        ];
        for (text, why) in refused {
            let said = read(text).expect_err(text);
            assert!(said.contains(why), "{text}: {said}");
        }
        let limits = "a filter has 4096 bytes";
        assert!(read(&"live ".repeat(17)).unwrap_err().contains(limits));
        assert!(read(&format!("name:{}", vec!["a"; 65].join(","))).unwrap_err().contains(limits));
        assert!(read(&format!("name:{}", "a".repeat(4_096))).unwrap_err().contains(limits));
    }
}
