//! `compile`: C programs compiled and run per second, in sandboxes and bare, window by window in alternation.

use std::{
    fs,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use madang_client::Client;
use madang_model::Verdict;
use madang_public_api::OneShotRequest;
use tempfile::TempDir;

use crate::{BenchError, Settings, report::Report, server::Server};

/// As many as the machine we promise for has cores.
const CONCURRENCY: usize = 2;
const DURATION: Duration = Duration::from_secs(40);
/// The load changes sides this often, so that both meet the same weather.
const WINDOW: Duration = Duration::from_secs(5);
/// Compiled afresh every time: nothing here may be cached by content.
const PROGRAM: &str = "#include <stdio.h>\nint main(void) { printf(\"%d\\n\", 6 * 7); return 0; }\n";
const OUTPUT: &[u8] = b"42\n";
/// What the C recipe does, as `languages/c.toml` says it.
const BARE: &str = "/usr/bin/gcc -std=gnu17 -O2 -pipe -o main *.c -lm -pthread && exec ./main";

/// Who compiles.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    Sandbox,
    Bare,
}

pub async fn measure(settings: &Settings, report: &mut Report) -> Result<(), BenchError> {
    let server = Server::for_bench(settings).await?;
    load(&server.client, settings, report).await?;
    server.stop().await?;
    Ok(())
}

/// Both sides in turn; `compile_runs_per_s`, `bare_compile_runs_per_s` and what of it is overhead.
pub async fn load(client: &Client, settings: &Settings, report: &mut Report) -> Result<(), BenchError> {
    job(client, Side::Sandbox).await?;
    job(client, Side::Bare).await?;
    let pairs = (settings.duration.unwrap_or(DURATION).as_secs_f64() / 2.0 / WINDOW.as_secs_f64()).ceil() as usize;
    let (mut sandbox, mut bare) = (Rate::default(), Rate::default());
    for _ in 0..pairs.max(1) {
        window(client, Side::Sandbox, &mut sandbox).await?;
        window(client, Side::Bare, &mut bare).await?;
    }
    report.metric("compile_runs_per_s", sandbox.per_second());
    report.metric("bare_compile_runs_per_s", bare.per_second());
    report.metric("compile_overhead_percent", (bare.per_second() / sandbox.per_second() - 1.0) * 100.0);
    Ok(())
}

/// Jobs over time.
#[derive(Debug, Default)]
struct Rate {
    jobs: u64,
    took: Duration,
}

impl Rate {
    fn per_second(&self) -> f64 {
        self.jobs as f64 / self.took.as_secs_f64()
    }
}

async fn window(client: &Client, side: Side, rate: &mut Rate) -> Result<(), BenchError> {
    let started = Instant::now();
    let until = started + WINDOW;
    let workers: Vec<_> = (0..CONCURRENCY).map(|_| tokio::spawn(worker(client.clone(), side, until))).collect();
    for worker in workers {
        rate.jobs +=
            worker.await.map_err(|error| BenchError::Wrong(format!("a client of the benchmark: {error}")))??;
    }
    rate.took += started.elapsed();
    Ok(())
}

async fn worker(client: Client, side: Side, until: Instant) -> Result<u64, BenchError> {
    let mut jobs = 0;
    while Instant::now() < until {
        job(&client, side).await?;
        jobs += 1;
    }
    Ok(jobs)
}

async fn job(client: &Client, side: Side) -> Result<(), BenchError> {
    match side {
        Side::Sandbox => sandboxed(client).await,
        Side::Bare => tokio::task::spawn_blocking(bare)
            .await
            .map_err(|error| BenchError::Wrong(format!("a bare compile job: {error}")))?,
    }
}

async fn sandboxed(client: &Client) -> Result<(), BenchError> {
    let request =
        OneShotRequest { language: Some("c".to_owned()), code: Some(PROGRAM.to_owned()), ..OneShotRequest::default() };
    let run = client.run(&request).await?;
    if run.whole.verdict != Some(Verdict::Ok) || run.whole.stdout.0 != OUTPUT {
        let verdict = run.whole.verdict.map_or("unfinished", Verdict::name);
        return Err(BenchError::Wrong(format!("a compile job ended with {verdict}: {:?}", run.whole.detail)));
    }
    Ok(())
}

fn bare() -> Result<(), BenchError> {
    let folder = TempDir::with_prefix("madang-bare-").map_err(BenchError::io("making a folder to compile in"))?;
    fs::write(folder.path().join("main.c"), PROGRAM).map_err(BenchError::io("writing main.c"))?;
    let output = Command::new("/bin/sh")
        .args(["-c", BARE])
        .current_dir(folder.path())
        .stdin(Stdio::null())
        .output()
        .map_err(BenchError::io("starting gcc"))?;
    if !output.status.success() || output.stdout != OUTPUT {
        return Err(BenchError::Wrong(format!("bare gcc: {}", String::from_utf8_lossy(&output.stderr).trim())));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bare_job_compiles_and_runs() {
        bare().unwrap();
    }
}
