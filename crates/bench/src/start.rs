//! `start`: how long a fresh Python takes from asking to its output, beside everybody else, in alternation.

use std::{
    collections::BTreeMap,
    fs,
    path::Path,
    time::{Duration, Instant},
};

use madang_client::Client;
use madang_model::Verdict;
use madang_public_api::OneShotRequest;
use tempfile::TempDir;

use crate::{
    BenchError, Settings,
    peer::{self, OUTPUT, PROGRAM, Peer},
    report::Report,
    sample::Samples,
    server::{Pools, Server},
};

const ROUNDS: usize = 200;
/// Runs before the first that counts.
const WARM_UP: usize = 10;

/// Everybody who takes part, and what each took.
struct Field {
    warm: Server,
    cold: Option<Server>,
    peers: Vec<Peer>,
    program: TempDir,
    samples: BTreeMap<&'static str, Samples>,
}

pub async fn measure(settings: &Settings, report: &mut Report) -> Result<(), BenchError> {
    let mut field = enter(settings, report).await?;
    for round in 0..settings.rounds.unwrap_or(ROUNDS) {
        self::round(&mut field, settings, round).await?;
    }
    for (name, samples) in &field.samples {
        report.latencies(name, &format!("{name}_"), samples);
    }
    for (name, above, below) in [
        ("warm_bare_ratio", "warm_p50_ms", "bare_p50_ms"),
        ("cold_bare_ratio", "cold_p50_ms", "bare_p50_ms"),
        ("cold_runc_ratio", "cold_p50_ms", "runc_p50_ms"),
        ("cold_docker_ratio", "cold_p50_ms", "docker_p50_ms"),
    ] {
        report.ratio(name, above, below);
    }
    field.warm.stop().await?;
    if let Some(cold) = field.cold {
        cold.stop().await?;
    }
    Ok(())
}

async fn enter(settings: &Settings, report: &mut Report) -> Result<Field, BenchError> {
    let (peers, folder) = peer::present(report)?;
    let warm = Server::for_bench(settings).await?;
    let cold = match &settings.endpoint {
        None => Some(Server::start(&settings.madang, Pools::Off).await?),
        Some(_) => {
            report.note("cold and cli are absent: they need servers of the benchmark's own");
            None
        }
    };
    fs::write(folder.path().join("hello.py"), PROGRAM).map_err(BenchError::io("writing hello.py"))?;
    for server in [Some(&warm), cold.as_ref()].into_iter().flatten() {
        for _ in 0..WARM_UP {
            one_shot(&server.client).await?;
        }
    }
    Ok(Field { warm, cold, peers, program: folder, samples: BTreeMap::new() })
}

/// Everybody once, always in the same order, so that each meets the same weather.
async fn round(field: &mut Field, settings: &Settings, round: usize) -> Result<(), BenchError> {
    let Field { warm, cold, peers, program, samples } = field;
    let mut note = |name: &'static str, took: Duration| samples.entry(name).or_default().push(took);
    note("warm", one_shot(&warm.client).await?);
    if let Some(cold) = cold {
        note("cold", one_shot(&cold.client).await?);
    }
    if let Some(home) = warm.home() {
        note("cli", command(&settings.madang, home, &program.path().join("hello.py"))?);
    }
    for peer in peers.iter_mut().filter(|peer| round.is_multiple_of(peer.every)) {
        note(peer.name, peer.run()?);
    }
    Ok(())
}

/// One program in one fresh sandbox; anything but the right answer is an error.
pub async fn one_shot(client: &Client) -> Result<Duration, BenchError> {
    let request = OneShotRequest {
        language: Some("python".to_owned()),
        code: Some(PROGRAM.to_owned()),
        ..OneShotRequest::default()
    };
    let started = Instant::now();
    let run = client.run(&request).await?;
    let took = started.elapsed();
    if run.whole.verdict != Some(Verdict::Ok) || run.whole.stdout.0 != OUTPUT {
        let verdict = run.whole.verdict.map_or("unfinished", Verdict::name);
        return Err(BenchError::Wrong(format!(
            "a run ended with {verdict}: {:?} {:?}",
            run.whole.stdout, run.whole.detail
        )));
    }
    Ok(took)
}

/// `madang run hello.py` as a whole process.
fn command(madang: &Path, home: &Path, program: &Path) -> Result<Duration, BenchError> {
    let argv = [madang, Path::new("run"), program].map(|word| word.display().to_string());
    peer::timed("cli", &argv, |command| {
        command.env("MADANG_HOME", home).env_remove("MADANG_ENDPOINT").env_remove("MADANG_TOKEN");
    })
}
