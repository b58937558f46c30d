//! `throughput`: fresh Python sandboxes per second under steady load, then compile jobs beside the bare compiler.

use std::time::{Duration, Instant};

use madang_client::Client;

use crate::{BenchError, Settings, compile, report::Report, sample::Samples, server::Server, start};

const DURATION: Duration = Duration::from_secs(60);
const CONCURRENCY: usize = 8;
/// Failures whose reasons are told.
const REASONS_MAX: usize = 3;

/// What one of several clients saw.
#[derive(Default)]
struct Seen {
    samples: Samples,
    failures: u64,
    reasons: Vec<String>,
}

pub async fn measure(settings: &Settings, report: &mut Report) -> Result<(), BenchError> {
    let server = Server::for_bench(settings).await?;
    let duration = settings.duration.unwrap_or(DURATION);
    let concurrency = settings.concurrency.unwrap_or(CONCURRENCY);
    let started = Instant::now();
    let clients: Vec<_> =
        (0..concurrency).map(|_| tokio::spawn(load(server.client.clone(), started + duration))).collect();
    let mut all = Seen::default();
    for client in clients {
        let seen = client.await.map_err(|error| BenchError::Wrong(format!("a client of the benchmark: {error}")))?;
        all.samples.extend(seen.samples);
        all.failures += seen.failures;
        all.reasons.extend(seen.reasons);
    }
    let took = started.elapsed().as_secs_f64();
    report.metric("runs_per_s", all.samples.len() as f64 / took);
    report.metric("failures", all.failures as f64);
    report.metric("concurrency", concurrency as f64);
    report.metric("duration_s", took);
    report.latencies("fresh sandbox", "", &all.samples);
    report.failures += all.failures;
    all.reasons.truncate(REASONS_MAX);
    all.reasons.into_iter().for_each(|reason| report.note(format!("a run failed: {reason}")));
    compile::load(&server.client, settings, report).await?;
    server.stop().await?;
    Ok(())
}

/// One request after the other until the time is over.
async fn load(client: Client, until: Instant) -> Seen {
    let mut seen = Seen::default();
    while Instant::now() < until {
        match start::one_shot(&client).await {
            Ok(took) => seen.samples.push(took),
            Err(error) => {
                seen.failures += 1;
                if seen.reasons.len() < REASONS_MAX {
                    seen.reasons.push(error.to_string());
                }
            }
        }
    }
    seen
}
