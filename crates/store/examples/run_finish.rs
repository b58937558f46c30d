//! What it costs to keep a finished run: `cargo run --release -p madang-store --example run_finish [postgres://…]`.

use std::{error::Error, time::Instant};

use madang_ids::RunId;
use madang_model::{Blob, Outcome, Owner, RunEvent, RunEventBody, Usage, Verdict};
use madang_store::{RunRecord, Store, StoreConfig, UsageRecord};

const ROUNDS: usize = 2_000;
const AT_ONCE: usize = 8;

fn record() -> RunRecord {
    let outcome =
        Outcome { verdict: Verdict::Ok, exit_code: Some(0), signal: None, usage: Usage::default(), detail: None };
    let bodies =
        [RunEventBody::Started, RunEventBody::Stdout { data: Blob::from("1\n") }, RunEventBody::Finished { outcome }];
    RunRecord {
        id: RunId::new(),
        session: None,
        owner: Owner::DEFAULT,
        mode: "batch".into(),
        language: Some("python".into()),
        verdict: Some(Verdict::Ok),
        truncated: false,
        created_ms: 1,
        finished_ms: Some(2),
        events: bodies.into_iter().zip(0..).map(|(body, seq)| RunEvent { seq, at_us: 1, body }).collect(),
    }
}

fn used(run: &RunRecord) -> UsageRecord {
    UsageRecord {
        subject: run.id.to_string(),
        sequence: 1,
        at_ms: 2,
        owner: run.owner,
        session: None,
        image: "host".into(),
        language: run.language.clone(),
        node: None,
        usage: Usage { wall_us: 3, cpu_user_us: 2, ..Usage::default() },
        cost_nano: 1,
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let home = tempfile::tempdir()?;
    let config = match std::env::args().nth(1) {
        Some(url) => url.parse()?,
        None => StoreConfig::sqlite(home.path().join("bench.db")),
    };
    let store = Store::open(&config).await?;
    for (what, with_use) in [("a run", false), ("a run and its use", true)] {
        let mut times_us = Vec::with_capacity(ROUNDS);
        for _ in 0..ROUNDS {
            let record = record();
            let used = with_use.then(|| used(&record));
            let began = Instant::now();
            store.run_finish_fenced(&record, used.as_ref(), None).await?;
            times_us.push(began.elapsed().as_micros());
        }
        times_us.sort_unstable();
        let at = |share: usize| times_us[(ROUNDS - 1) * share / 100];
        println!("{what}, one at a time: p50 {} µs  p90 {} µs  p99 {} µs", at(50), at(90), at(99));
    }
    let began = Instant::now();
    let writers: Vec<_> = (0..AT_ONCE).map(|_| tokio::spawn(write(store.clone()))).collect();
    for writer in writers {
        writer.await??;
    }
    let per_run_us = began.elapsed().as_micros() / ROUNDS as u128;
    println!("a run and its use, {AT_ONCE} at once: {per_run_us} µs a run");
    Ok(())
}

async fn write(store: Store) -> Result<(), madang_store::StoreError> {
    for _ in 0..ROUNDS / AT_ONCE {
        let record = record();
        store.run_finish_fenced(&record, Some(&used(&record)), None).await?;
    }
    Ok(())
}
