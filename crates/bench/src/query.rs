//! `query`: the round trip in a live Python session.

use std::time::{Duration, Instant};

use madang_client::Client;
use madang_model::Verdict;
use madang_public_api::{RunMode, RunRequest, SessionCreate, SessionView};

use crate::{BenchError, Settings, report::Report, sample::Samples, server::Server};

const ROUNDS: usize = 2_000;
/// Queries before the first that counts.
const WARM_UP: usize = 50;

pub async fn measure(settings: &Settings, report: &mut Report) -> Result<(), BenchError> {
    let server = Server::for_bench(settings).await?;
    let session = open(&server.client).await?.id.to_string();
    let rounds = settings.rounds.unwrap_or(ROUNDS);
    let mut samples = Samples::default();
    for round in 0..WARM_UP + rounds {
        let took = ask(&server.client, &session, round).await?;
        if round >= WARM_UP {
            samples.push(took);
        }
    }
    report.latencies("query", "", &samples);
    server.client.session_end(&session).await?;
    server.stop().await?;
    Ok(())
}

/// A live Python session.
pub async fn open(client: &Client) -> Result<SessionView, BenchError> {
    let request = SessionCreate { language: Some("python".to_owned()), ..SessionCreate::default() };
    Ok(client.session_create(&request).await?)
}

/// One query with an answer that only it has.
pub async fn ask(client: &Client, session: &str, number: usize) -> Result<Duration, BenchError> {
    let request = RunRequest { mode: RunMode::Query, code: Some(format!("{number} + 1")), ..RunRequest::default() };
    let started = Instant::now();
    let run = client.session_run(session, &request).await?;
    let took = started.elapsed();
    let expected = format!("{}\n", number + 1);
    if run.whole.verdict != Some(Verdict::Ok) || run.whole.stdout.0 != expected.as_bytes() {
        let verdict = run.whole.verdict.map_or("unfinished", Verdict::name);
        let (stdout, stderr) = (&run.whole.stdout, &run.whole.stderr);
        return Err(BenchError::Wrong(format!("query {number} in {session}: {verdict} {stdout:?} {stderr:?}")));
    }
    Ok(took)
}
