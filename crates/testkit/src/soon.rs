//! Waiting for what comes by itself.

use std::time::{Duration, Instant};

/// Nothing takes longer, on however busy a machine.
const PATIENCE: Duration = Duration::from_secs(120);
const LOOK: Duration = Duration::from_millis(20);

/// Looks again and again until `found` finds something; says what it last saw when that never happens.
///
/// # Panics
/// Then.
pub async fn soon<T>(what: &str, mut found: impl AsyncFnMut() -> Result<T, String>) -> T {
    let until = Instant::now() + PATIENCE;
    loop {
        match found().await {
            Ok(found) => return found,
            Err(seen) => assert!(Instant::now() < until, "{what}: {seen}"),
        }
        tokio::time::sleep(LOOK).await;
    }
}
