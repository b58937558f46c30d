//! `madang bench`: arguments to the benchmarks' settings, findings to a table or JSON.

use std::{env, fs, time::Duration};

use madang_bench::{Bench, BenchError, Settings};

use crate::{
    args::{BenchArgs, BenchName},
    exit,
    exit::Failure,
    print,
};

pub fn run(args: BenchArgs) -> Result<u8, Failure> {
    let bench = match args.bench {
        BenchName::Start => Bench::Start,
        BenchName::Throughput => Bench::Throughput,
        BenchName::Density => Bench::Density,
        BenchName::Query => Bench::Query,
        BenchName::Compile => Bench::Compile,
        BenchName::Reservation => Bench::Reservation,
        BenchName::Folder => Bench::Folder,
        BenchName::Schedule => Bench::Schedule,
        BenchName::Proxy => Bench::Proxy,
        BenchName::Suspend => Bench::Suspend,
        BenchName::App => Bench::App,
    };
    let madang = env::current_exe().map_err(|error| Failure::internal(format!("finding this program: {error}")))?;
    let settings = Settings {
        madang,
        endpoint: args.endpoint,
        duration: args.duration.map(|time| Duration::from_millis(time.0)),
        concurrency: args.concurrency,
        rounds: args.rounds,
        sessions: args.sessions,
        bytes: args.size.map(|size| size.0),
        nodes: args.nodes,
        database: args.database,
    };
    let report = madang_bench::run(bench, &settings).map_err(failure)?;
    if let Some(path) = &args.save {
        let text = serde_json::to_string_pretty(&report).map_err(|error| Failure::internal(error.to_string()))?;
        fs::write(path, text + "\n").map_err(|error| Failure::usage(format!("{}: {error}", path.display())))?;
    }
    match args.json {
        true => print::json(&report)?,
        false => print::say(&report.text())?,
    }
    if report.failures > 0 {
        print::complain(&format!("{}: {} things happened that must not", report.bench, report.failures));
        return Ok(1);
    }
    Ok(0)
}

fn failure(error: BenchError) -> Failure {
    match error {
        BenchError::Client(error) => error.into(),
        BenchError::Server(_) => Failure { code: exit::UNREACHABLE, line: error.to_string() },
        BenchError::Io { .. } | BenchError::Wrong(_) => Failure::internal(error.to_string()),
    }
}
