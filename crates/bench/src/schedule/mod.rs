//! `schedule`: the scheduler by itself, then a control process whose nodes are simulated and dial in as real ones do: what a thousand idle
//! ones cost it, how soon a burst of sessions runs on them, how long a list of ten thousand sessions takes on each database.

mod burst;
mod control;
mod placement;

use std::time::Duration;

use crate::{BenchError, Settings, report::Report};
use control::Control;

const NODES: usize = 1_000;
/// Creates of the burst.
const BURST: usize = 1_000;
/// Sessions that there are when lists are measured.
const LISTED: usize = 10_000;
/// How long idle nodes are watched unless told otherwise.
const IDLE: Duration = Duration::from_secs(20);
/// For what else the nodes and we do before they are idle.
const CALM: Duration = Duration::from_secs(5);

pub async fn measure(settings: &Settings, report: &mut Report) -> Result<(), BenchError> {
    placements(report)?;
    let count = settings.nodes.unwrap_or(NODES);
    let control = Control::start(settings, None).await?;
    let nodes = control.join(count).await?;
    tokio::time::sleep(CALM).await;
    let idle = control.watch(settings.duration.unwrap_or(IDLE)).await?;
    report.metric("nodes", count as f64);
    report.metric("idle_1000_nodes_core_share", idle.core_share);
    report.metric("idle_1000_nodes_rss_mib", idle.rss_mib);
    let burst = burst::create(control.client(), BURST, burst::Kind::Plain).await?;
    report.metric("burst_1000_running_s", burst.seconds);
    report.latencies("create in a burst", "burst_create_", &burst.creates);
    let mut worst: f64 = list(&control, "sqlite", BURST, report).await?;
    nodes.stop();
    control.stop().await?;
    match &settings.database {
        Some(url) => {
            let control = Control::start(settings, Some(url)).await?;
            worst = worst.max(list(&control, "postgres", 0, report).await?);
            control.stop().await?;
        }
        None => report.note("lists on PostgreSQL: name an empty database with --database or MADANG_TEST_DATABASE"),
    }
    report.metric("list_10000_p99_ms", worst);
    Ok(())
}

/// Fills up to ten thousand sessions and lists them; the 99th percentile, milliseconds.
async fn list(control: &Control, database: &str, there: usize, report: &mut Report) -> Result<f64, BenchError> {
    burst::create(control.client(), LISTED - there, burst::Kind::Varied).await?;
    let samples = burst::list(control.client()).await?;
    report.latencies(&format!("list, {database}"), &format!("list_10000_{database}_"), &samples);
    samples.percentile_ms(99.0).ok_or_else(|| BenchError::Wrong("no list was read".to_owned()))
}

/// The slowest of all is what is promised.
fn placements(report: &mut Report) -> Result<(), BenchError> {
    let (mut slowest, mut longest) = (f64::INFINITY, 0.0_f64);
    for measured in placement::each()? {
        let name = measured.name.replace(' ', "_");
        slowest = slowest.min(measured.placements_per_s);
        longest = longest.max(measured.decisions.percentile_ms(99.0).unwrap_or_default());
        report.metric(format!("placements_per_s_{name}"), measured.placements_per_s);
        report.latencies(&format!("decide {}", measured.name), &format!("decision_{name}_"), &measured.decisions);
    }
    report.metric("placements_per_s", slowest);
    report.metric("decision_p99_ms", longest);
    Ok(())
}
