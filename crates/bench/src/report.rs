//! What a benchmark found: JSON for machines, a table for people.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    time::{SystemTime, UNIX_EPOCH},
};

use madang_public_api::Timestamp;
use serde::Serialize;

use crate::{Bench, machine, sample::Samples};

/// One benchmark's findings. Metric names end in their unit.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    pub bench: &'static str,
    pub machine: String,
    pub at: Timestamp,
    pub metrics: BTreeMap<String, f64>,
    /// What is missing and why, for a person.
    #[serde(skip)]
    pub notes: Vec<String>,
    #[serde(skip)]
    rows: Vec<[String; 6]>,
    /// Things that must not happen and did.
    #[serde(skip)]
    pub failures: u64,
}

impl Report {
    pub(crate) fn new(bench: Bench) -> Self {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self {
            bench: bench.name(),
            machine: machine::describe(),
            at: Timestamp(u64::try_from(since.as_millis()).unwrap_or(u64::MAX)),
            metrics: BTreeMap::new(),
            notes: Vec::new(),
            rows: Vec::new(),
            failures: 0,
        }
    }

    pub(crate) fn metric(&mut self, name: impl Into<String>, value: f64) {
        self.metrics.insert(name.into(), round(value));
    }

    pub(crate) fn note(&mut self, note: impl Into<String>) {
        self.notes.push(note.into());
    }

    /// A row of percentiles: `NAME_p50_ms` and so on in the metrics.
    pub(crate) fn latencies(&mut self, name: &str, prefix: &str, samples: &Samples) {
        let mut cells =
            [name.to_owned(), samples.len().to_string(), String::new(), String::new(), String::new(), String::new()];
        for (index, percent) in [50.0, 90.0, 99.0, 100.0].into_iter().enumerate() {
            let Some(ms) = samples.percentile_ms(percent) else { continue };
            cells[index + 2] = format!("{ms:.2}");
            if percent < 100.0 {
                self.metric(format!("{prefix}p{percent}_ms"), ms);
            }
        }
        self.rows.push(cells);
    }

    /// `numerator / denominator` of two metrics that are there, as `name`.
    pub(crate) fn ratio(&mut self, name: &str, numerator: &str, denominator: &str) {
        let pair = (self.metrics.get(numerator).copied(), self.metrics.get(denominator).copied());
        if let (Some(above), Some(below)) = pair
            && below > 0.0
        {
            self.metric(name, above / below);
        }
    }

    /// For people: what was measured where, percentiles, other metrics, what is missing.
    pub fn text(&self) -> String {
        let mut text = format!("{} · {} · {}\n", self.bench, self.machine, self.at);
        // Writing to a String cannot fail.
        if !self.rows.is_empty() {
            let _ = writeln!(
                text,
                "  {:<22}{:>7}{:>10}{:>10}{:>10}{:>10}",
                "", "n", "p50 ms", "p90 ms", "p99 ms", "max ms"
            );
        }
        for [name, n, p50, p90, p99, max] in &self.rows {
            let _ = writeln!(text, "  {name:<22}{n:>7}{p50:>10}{p90:>10}{p99:>10}{max:>10}");
        }
        for (name, value) in self.metrics.iter().filter(|(name, _)| !is_percentile(name)) {
            let _ = writeln!(text, "  {name:<34}{value:>12}");
        }
        for note in &self.notes {
            let _ = writeln!(text, "  note: {note}");
        }
        text
    }
}

/// Those are in the rows above.
fn is_percentile(name: &str) -> bool {
    ["p50_ms", "p90_ms", "p99_ms"].iter().any(|ending| name.ends_with(ending))
}

/// Three decimals are more than any of this is good for.
fn round(value: f64) -> f64 {
    (value * 1_000.0).round() / 1_000.0
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn metrics_carry_the_names_that_promises_rest_on() {
        let mut report = Report::new(Bench::Start);
        let mut samples = Samples::default();
        samples.push(Duration::from_micros(4_000));
        report.latencies("warm", "warm_", &samples);
        samples.push(Duration::from_micros(8_000));
        report.latencies("bare", "bare_", &samples);
        report.ratio("warm_bare_ratio", "warm_p50_ms", "bare_p50_ms");
        report.ratio("warm_runc_ratio", "warm_p50_ms", "runc_p50_ms");
        let json = serde_json::to_value(&report).unwrap();
        assert_eq!(json["bench"], "start");
        assert_eq!(json["metrics"]["warm_p50_ms"], 4.0);
        assert_eq!(json["metrics"]["bare_p99_ms"], 8.0);
        assert_eq!(json["metrics"]["warm_bare_ratio"], 1.0);
        assert!(json["metrics"].get("warm_runc_ratio").is_none(), "a peer that is not there has no ratio");
        assert_eq!(json.as_object().unwrap().len(), 4, "{json}");
    }
}
