//! `suspend`: what suspending idle Python sessions gives back, how soon the next query is answered, and that none is lost while they are
//! suspended, resumed and asked at random.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use madang_client::{Client, ClientError};
use madang_model::Verdict;
use madang_public_api::{RunMode, RunRequest, SessionState, session::SuspendWhen};
use tokio::{sync::Mutex, task::JoinSet};

use crate::{BenchError, Settings, query, report::Report, sample::Samples, server::Server};

const SESSIONS: usize = 100;
const DURATION: Duration = Duration::from_secs(30);
const CONCURRENCY: usize = 8;
/// Of one session that is suspended and asked again and again.
const ROUNDS: usize = 100;
/// Complaints that are told one by one.
const NOTES_MAX: u64 = 20;

/// A session, and how often it was asked to count on. One question at a time; suspending it asks nobody.
struct Counting {
    id: String,
    count: Mutex<u64>,
}

/// What happened to all of them.
#[derive(Debug, Default)]
struct Happened {
    queries: AtomicU64,
    suspended: AtomicU64,
    /// Suspending was refused, because somebody used the session.
    busy: AtomicU64,
}

pub async fn measure(settings: &Settings, report: &mut Report) -> Result<(), BenchError> {
    let server = Server::for_bench(settings).await?;
    let sessions = open_all(&server.client, settings.sessions.unwrap_or(SESSIONS)).await?;
    report.metric("sessions", sessions.len() as f64);
    give_back(&server.client, &sessions, report).await?;
    if let Some(session) = sessions.first() {
        answer_times(&server.client, session, settings.rounds.unwrap_or(ROUNDS), report).await?;
    }
    let happened = disturb(settings, &server.client, &sessions, report).await?;
    for (name, count) in
        [("queries", &happened.queries), ("suspensions", &happened.suspended), ("suspensions_refused", &happened.busy)]
    {
        report.metric(name, count.load(Ordering::Relaxed) as f64);
    }
    count_lost(&server.client, &sessions, report).await;
    for session in sessions.iter() {
        server.client.session_end(&session.id).await?;
    }
    server.stop().await?;
    Ok(())
}

async fn open_all(client: &Client, count: usize) -> Result<Arc<Vec<Counting>>, BenchError> {
    let mut all = Vec::new();
    for _ in 0..count {
        let session = Counting { id: query::open(client).await?.id.to_string(), count: Mutex::new(0) };
        run(client, &session.id, "count = 0").await?;
        all.push(session);
    }
    Ok(Arc::new(all))
}

/// All of them at rest.
async fn give_back(client: &Client, sessions: &[Counting], report: &mut Report) -> Result<(), BenchError> {
    let (mut before, mut after, mut took) = (0, 0, Samples::default());
    for session in sessions {
        let started = Instant::now();
        let told = client.session_suspend(&session.id, SuspendWhen::Idle).await?;
        took.push(started.elapsed());
        before += told.before_bytes;
        after += told.after_bytes;
    }
    report.latencies("suspend", "suspend_", &took);
    report.metric("kib_before", before as f64 / 1024.0 / sessions.len().max(1) as f64);
    report.metric("kib_suspended", after as f64 / 1024.0 / sessions.len().max(1) as f64);
    report.metric("given_back_percent", 100.0 * (1.0 - after as f64 / (before as f64).max(1.0)));
    Ok(())
}

/// The next query of a session that is suspended, beside one that is not, in alternation; and the resuming by itself.
async fn answer_times(
    client: &Client,
    session: &Counting,
    rounds: usize,
    report: &mut Report,
) -> Result<(), BenchError> {
    let (mut asleep, mut awake, mut resumed) = (Samples::default(), Samples::default(), Samples::default());
    for round in 0..rounds {
        client.session_suspend(&session.id, SuspendWhen::Idle).await?;
        asleep.push(query::ask(client, &session.id, round).await?);
        awake.push(query::ask(client, &session.id, round).await?);
        client.session_suspend(&session.id, SuspendWhen::Idle).await?;
        let started = Instant::now();
        client.session_resume(&session.id).await?;
        resumed.push(started.elapsed());
    }
    report.latencies("query when suspended", "query_suspended_", &asleep);
    report.latencies("query when running", "query_running_", &awake);
    report.latencies("resume", "resume_", &resumed);
    Ok(())
}

/// Everything at random, for as long as is wanted. Whatever fails that must not is noted and counted.
async fn disturb(
    settings: &Settings,
    client: &Client,
    sessions: &Arc<Vec<Counting>>,
    report: &mut Report,
) -> Result<Arc<Happened>, BenchError> {
    let until = Instant::now() + settings.duration.unwrap_or(DURATION);
    let happened = Arc::new(Happened::default());
    let mut workers = JoinSet::new();
    for worker in 0..settings.concurrency.unwrap_or(CONCURRENCY) {
        let (client, sessions, happened) = (client.clone(), Arc::clone(sessions), Arc::clone(&happened));
        workers.spawn(async move {
            let mut dice = 0x9e37_79b9_7f4a_7c15_u64.wrapping_mul(worker as u64 + 1);
            let mut wrong = Vec::new();
            while Instant::now() < until {
                dice ^= dice << 13;
                dice ^= dice >> 7;
                dice ^= dice << 17;
                let Some(session) = sessions.get((dice >> 8) as usize % sessions.len().max(1)) else { break };
                if let Err(error) = act(&client, session, dice % 4, &happened).await {
                    wrong.push(format!("session {}: {error}", session.id));
                }
            }
            wrong
        });
    }
    while let Some(wrong) = workers.join_next().await {
        let wrong = wrong.map_err(|error| BenchError::Wrong(format!("a worker: {error}")))?;
        for why in wrong {
            report.failures += 1;
            if report.failures <= NOTES_MAX {
                report.note(why);
            }
        }
    }
    Ok(happened)
}

async fn act(client: &Client, session: &Counting, what: u64, happened: &Happened) -> Result<(), BenchError> {
    match what {
        0 | 1 => {
            count_on(client, session).await?;
            happened.queries.fetch_add(1, Ordering::Relaxed);
        }
        2 => match client.session_suspend(&session.id, SuspendWhen::Idle).await {
            Ok(_) => drop(happened.suspended.fetch_add(1, Ordering::Relaxed)),
            Err(error) if is_busy(&error) => drop(happened.busy.fetch_add(1, Ordering::Relaxed)),
            Err(error) => return Err(error.into()),
        },
        _ => drop(client.session_resume(&session.id).await?),
    }
    Ok(())
}

fn is_busy(error: &ClientError) -> bool {
    error.problem().is_some_and(|problem| problem.code == "conflict")
}

/// One more; the interpreter must have remembered all before.
async fn count_on(client: &Client, session: &Counting) -> Result<(), BenchError> {
    let mut count = session.count.lock().await;
    let said = run(client, &session.id, "count += 1; print(count)").await?;
    *count += 1;
    match said.trim() == count.to_string() {
        true => Ok(()),
        false => Err(BenchError::Wrong(format!("it counted to {said:?} instead of {count}"))),
    }
}

async fn run(client: &Client, session: &str, code: &str) -> Result<String, BenchError> {
    let request = RunRequest { mode: RunMode::Query, code: Some(code.to_owned()), ..RunRequest::default() };
    let run = client.session_run(session, &request).await?;
    match run.whole.verdict {
        Some(Verdict::Ok) => Ok(run.whole.stdout.lossy().into_owned()),
        verdict => Err(BenchError::Wrong(format!("{verdict:?} {:?} {:?}", run.whole.detail, run.whole.stderr.lossy()))),
    }
}

/// Those that are not there any more, or have forgotten what they counted.
async fn count_lost(client: &Client, sessions: &[Counting], report: &mut Report) {
    let mut lost = 0;
    for session in sessions {
        let there = match client.session_get(&session.id).await {
            Ok(view) if matches!(view.state, SessionState::Running | SessionState::Suspended) => {
                count_on(client, session).await.map_err(|error| error.to_string())
            }
            Ok(view) => Err(format!("it is {:?}: {:?}", view.state, view.why)),
            Err(error) => Err(error.to_string()),
        };
        if let Err(why) = there {
            lost += 1;
            report.failures += 1;
            if lost <= NOTES_MAX {
                report.note(format!("lost: session {}: {why}", session.id));
            }
        }
    }
    report.metric("sessions_lost", lost as f64);
}
