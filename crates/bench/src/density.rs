//! `density`: how many idle Python sessions live on this machine, what one costs, what they leave behind.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use madang_client::Client;
use tokio::time::sleep;

use crate::{BenchError, Settings, census::Census, machine, query, report::Report, sample::Samples, server::Server};

const SESSIONS: usize = 4_000;
const CONCURRENCY: usize = 8;
/// After teardown the kernel frees namespaces and cgroups in its own time; what is left after this long has leaked.
const SETTLE_WAIT: Duration = Duration::from_secs(60);
const LOOK_INTERVAL: Duration = Duration::from_millis(250);

pub async fn measure(settings: &Settings, report: &mut Report) -> Result<(), BenchError> {
    let before = Census::take(&settings.madang, None);
    let server = Server::for_bench(settings).await?;
    let files_before = Census::take(&settings.madang, server.home()).files;
    let concurrency = settings.concurrency.unwrap_or(CONCURRENCY);
    let count = settings.sessions.unwrap_or(SESSIONS);
    // The first session pays for what all share; it is not what one more costs.
    let first = query::open(&server.client).await?.id.to_string();
    query::ask(&server.client, &first, 0).await?;

    let memory = available()?;
    let (sessions, opened) = open_all(&server.client, count, concurrency).await?;
    let used = memory.saturating_sub(available()?);
    report.metric("sessions", sessions.len() as f64);
    report.metric("kib_per_session", used as f64 / 1024.0 / sessions.len().max(1) as f64);
    report.latencies("create", "create_", &opened);

    let sessions = Arc::new(sessions);
    let asked = for_each(&server.client, &sessions, concurrency, Task::Ask).await?;
    report.latencies("first query", "first_query_", &asked);
    let ended = for_each(&server.client, &sessions, concurrency, Task::End).await?;
    report.latencies("end", "end_", &ended);
    server.client.session_end(&first).await?;

    let leaked = teardown(server, settings, before, files_before).await?;
    report.metric("leaked", leaked.iter().map(|(_, count)| *count).sum::<usize>() as f64);
    for (kind, count) in leaked {
        report.failures += count as u64;
        report.note(format!("{count} {kind} more than before"));
    }
    Ok(())
}

/// Stops a server of ours and counts what is left of it; of another's, only files cannot be told apart.
async fn teardown(
    server: Server,
    settings: &Settings,
    before: Census,
    files_before: usize,
) -> Result<Vec<(&'static str, usize)>, BenchError> {
    let home = server.stop().await?;
    let before = Census { files: files_before, ..before };
    let until = Instant::now() + SETTLE_WAIT;
    loop {
        let now = Census::take(&settings.madang, home.as_ref().map(tempfile::TempDir::path));
        let leaked = now.more_than(&before);
        if leaked.is_empty() || Instant::now() >= until {
            return Ok(leaked);
        }
        sleep(LOOK_INTERVAL).await;
    }
}

fn available() -> Result<u64, BenchError> {
    machine::memory_bytes("MemAvailable")
        .ok_or_else(|| BenchError::Wrong("/proc/meminfo says no MemAvailable".to_owned()))
}

async fn open_all(client: &Client, count: usize, concurrency: usize) -> Result<(Vec<String>, Samples), BenchError> {
    let next = Arc::new(AtomicUsize::new(0));
    let workers: Vec<_> = (0..concurrency)
        .map(|_| {
            let (client, next) = (client.clone(), Arc::clone(&next));
            tokio::spawn(async move {
                let (mut ids, mut samples) = (Vec::new(), Samples::default());
                while next.fetch_add(1, Ordering::Relaxed) < count {
                    let started = Instant::now();
                    ids.push(query::open(&client).await?.id.to_string());
                    samples.push(started.elapsed());
                }
                Ok::<_, BenchError>((ids, samples))
            })
        })
        .collect();
    let (mut ids, mut samples) = (Vec::new(), Samples::default());
    for worker in workers {
        let (some, took) = worker.await.map_err(|error| BenchError::Wrong(format!("creating sessions: {error}")))??;
        ids.extend(some);
        samples.extend(took);
    }
    Ok((ids, samples))
}

/// What to do with every session.
#[derive(Debug, Clone, Copy)]
enum Task {
    Ask,
    End,
}

async fn for_each(
    client: &Client,
    sessions: &Arc<Vec<String>>,
    concurrency: usize,
    task: Task,
) -> Result<Samples, BenchError> {
    let next = Arc::new(AtomicUsize::new(0));
    let workers: Vec<_> = (0..concurrency)
        .map(|_| {
            let (client, next, sessions) = (client.clone(), Arc::clone(&next), Arc::clone(sessions));
            tokio::spawn(async move {
                let mut samples = Samples::default();
                while let Some((number, id)) = {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    sessions.get(number).map(|id| (number, id))
                } {
                    let started = Instant::now();
                    match task {
                        Task::Ask => drop(query::ask(&client, id, number).await?),
                        Task::End => client.session_end(id).await?,
                    }
                    samples.push(started.elapsed());
                }
                Ok::<_, BenchError>(samples)
            })
        })
        .collect();
    let mut samples = Samples::default();
    for worker in workers {
        samples
            .extend(worker.await.map_err(|error| BenchError::Wrong(format!("{task:?} in every session: {error}")))??);
    }
    Ok(samples)
}
