//! What was used, by whom, and what it cost.

use std::{borrow::Cow, fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use time::{Date, Month};
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{KnownFormat, ObjectBuilder, RefOr, Schema, SchemaFormat, Type},
};

/// The day number of 1970-01-01 in the count that `time` uses.
const EPOCH: i32 = 2_440_588;

/// A day, UTC: days since 1970 inside, `2026-01-31` outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Day(pub u64);

/// A text that is no day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a day is written as in 2026-01-31")]
pub struct DayError;

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number = i32::try_from(self.0).ok().and_then(|days| days.checked_add(EPOCH)).ok_or(fmt::Error)?;
        let date = Date::from_julian_day(number).map_err(|_| fmt::Error)?;
        write!(f, "{:04}-{:02}-{:02}", date.year(), u8::from(date.month()), date.day())
    }
}

impl FromStr for Day {
    type Err = DayError;

    fn from_str(text: &str) -> Result<Self, DayError> {
        let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        let parts: Vec<&str> = text.split('-').collect();
        let [year, month, day] = parts.as_slice() else { return Err(DayError) };
        if [year.len(), month.len(), day.len()] != [4, 2, 2] || ![year, month, day].iter().all(|part| digits(part)) {
            return Err(DayError);
        }
        let (year, day): (i32, u8) = (year.parse().map_err(|_| DayError)?, day.parse().map_err(|_| DayError)?);
        let month = month.parse::<u8>().ok().and_then(|month| Month::try_from(month).ok()).ok_or(DayError)?;
        let date = Date::from_calendar_date(year, month, day).map_err(|_| DayError)?;
        u64::try_from(date.to_julian_day() - EPOCH).map(Self).map_err(|_| DayError)
    }
}

impl Serialize for Day {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Day {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Cow::<'de, str>::deserialize(from)?.parse().map_err(serde::de::Error::custom)
    }
}

impl PartialSchema for Day {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(Type::String)
            .format(Some(SchemaFormat::KnownFormat(KnownFormat::Date)))
            .description(Some("A day in UTC, not before 1970"))
            .into()
    }
}

impl ToSchema for Day {}

/// What sums are made for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum UsageBy {
    #[default]
    User,
    Project,
    Organization,
    Day,
    Image,
    Language,
    Node,
}

/// What was used, summed up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct UsageSums {
    pub by: UsageBy,
    pub from: Day,
    /// The last day that is in it.
    pub to: Day,
    /// Of the costs; none where nothing has a price.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub currency: Option<String>,
    /// Days in order, others the dearest first; 1,000 at most.
    pub items: Vec<UsageSum>,
    /// There were more.
    pub truncated: bool,
}

/// The sums of one user, project, day and so on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct UsageSum {
    /// An id, a name, or a day; empty for what had none.
    pub key: String,
    /// What an id is called, where the asker may know it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Records that are summed up.
    pub records: u64,
    /// How long sandboxes were there, microseconds.
    pub wall_us: u64,
    pub cpu_user_us: u64,
    pub cpu_system_us: u64,
    /// The highest of all peaks, bytes.
    pub memory_peak_bytes: u64,
    /// Memory held over time, MiB · s.
    pub memory_mib_s: u64,
    pub read_bytes: u64,
    pub written_bytes: u64,
    pub received_bytes: u64,
    pub sent_bytes: u64,
    pub accelerator_us: u64,
    /// In millionths of the currency, each use by the prices of its time.
    pub cost_micro: u64,
}

/// What a sandbox of a session used between two looks at it, or a whole one-shot run: a line of the export.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct UsageEntry {
    /// Id of the sandbox or of the one-shot run.
    pub subject: String,
    /// With the subject it names the entry; a program that reads entries twice counts each once.
    pub sequence: u64,
    pub at: crate::Timestamp,
    pub user: String,
    pub user_name: String,
    pub project: String,
    pub project_name: String,
    pub organization: String,
    pub organization_name: String,
    /// Id of the session; empty for a one-shot run.
    pub session: String,
    pub image: String,
    pub language: String,
    pub node: String,
    pub wall_us: u64,
    pub cpu_user_us: u64,
    pub cpu_system_us: u64,
    pub memory_peak_bytes: u64,
    pub memory_kib_ms: u64,
    pub read_bytes: u64,
    pub written_bytes: u64,
    pub received_bytes: u64,
    pub sent_bytes: u64,
    pub accelerator_us: u64,
    /// In thousandths of a millionth of the currency.
    pub cost_nano: u64,
}

/// How the export is written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum UsageFormat {
    /// With a line of headings. A text that a spreadsheet would take for a formula has an apostrophe before it.
    #[default]
    Csv,
    /// A JSON object on each line.
    Ndjson,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_written_as_they_are_read() {
        for text in ["1970-01-01", "2024-02-29", "2026-12-31", "9999-12-31"] {
            assert_eq!(text.parse::<Day>().unwrap().to_string(), text);
        }
        assert_eq!("2000-03-01".parse(), Ok(Day(11_017)));
        for text in ["", "2023-02-29", "1969-12-31", "2026-1-01", "2026-01-01-", "+026-01-01", "2026-13-01"] {
            assert_eq!(text.parse::<Day>(), Err(DayError), "{text}");
        }
    }
}
