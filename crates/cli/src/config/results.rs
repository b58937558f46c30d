//! The section `[results]`: where large results of runs are kept.

use madang_store::{RESULTS_AWAY, RESULTS_BEYOND_BYTES, RESULTS_WAIT_MAX, ResultsConfig};

use super::{Section, is_web};

pub(super) fn read(section: &mut Section) -> ResultsConfig {
    let url = section.needed("url");
    if !url.is_empty() && !is_place(&url) {
        section.problem("url", "is s3://bucket/prefix or file:///directory");
    }
    let beyond = section.number("beyond_bytes").map(|bytes| usize::try_from(bytes).unwrap_or(usize::MAX));
    ResultsConfig {
        url,
        endpoint: section.checked("endpoint", "http:// or https://", is_web),
        region: section.text("region"),
        key_file: section.text("key_file").map(Into::into),
        beyond_bytes: beyond.unwrap_or(RESULTS_BEYOND_BYTES),
        wait_max: RESULTS_WAIT_MAX,
        away: RESULTS_AWAY,
    }
}

fn is_place(url: &str) -> bool {
    url.starts_with("s3://") || url.starts_with("file:///")
}
