//! `proxy`: the proxy for apps beside nginx as the proxy of the same upstream, taking turns on the same machine.
//!
//! Three processes: this one asks and answers, the proxy that is measured passes on, and nginx does. What is asked and answered is
//! the same for both.

mod client;
mod nginx;
mod upstream;

use std::{
    fs,
    io::{BufRead as _, BufReader},
    net::SocketAddr,
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use client::{Connection, Way};
use nginx::Nginx;
use tokio::task::JoinSet;

use crate::{BenchError, Settings, report::Report, sample::Samples};

/// Bytes of the large body.
const LARGE_BYTES: u64 = 1 << 30;
/// Bytes of the small one.
const SMALL_BYTES: usize = 1 << 10;
/// So often each takes its turn.
const TURNS: usize = 5;
/// Connections that ask at once.
const CONCURRENCY: usize = 32;
/// How long they ask in one turn.
const DURATION: Duration = Duration::from_secs(3);
/// Requests one after the other, each way.
const ROUNDS: usize = 3_000;
/// WebSockets that say nothing.
const SOCKETS: usize = 2_000;
/// Before the sockets are counted so many have come and gone: what a first one needs once is not the others'.
const SOCKETS_BEFORE: usize = 100;
/// The memory of a process has settled when it stands still for so long.
const SETTLE: Duration = Duration::from_secs(1);

pub async fn measure(settings: &Settings, report: &mut Report) -> Result<(), BenchError> {
    files_allow()?;
    let upstream = upstream::start()?;
    let ours = Ours::start(&settings.madang, upstream)?;
    let nginx = Nginx::start(upstream);
    let mut ways =
        vec![Way { name: "direct", address: upstream, path: "/".to_owned(), lines: String::new() }, ours.way.clone()];
    match &nginx {
        Ok(nginx) => {
            ways.push(Way { name: "nginx", address: nginx.address, path: "/".to_owned(), lines: String::new() })
        }
        Err(why) => report.note(format!("nginx is absent: {why}")),
    }
    latencies(settings, &ways, report).await?;
    requests(settings, &ways, report).await?;
    bodies(&ways, report).await?;
    sockets(settings, &ours, report).await?;
    report.ratio("throughput_ratio", "madang_download_mib_per_s", "nginx_download_mib_per_s");
    report.ratio("upload_ratio", "madang_upload_mib_per_s", "nginx_upload_mib_per_s");
    report.ratio("requests_ratio", "madang_requests_per_s", "nginx_requests_per_s");
    Ok(())
}

/// One connection each way, one request after the other, in turns.
async fn latencies(settings: &Settings, ways: &[Way], report: &mut Report) -> Result<(), BenchError> {
    let mut connections = Vec::new();
    for way in ways {
        connections.push((way, Connection::open(way).await?, Samples::default()));
    }
    for round in 0..settings.rounds.unwrap_or(ROUNDS) + 100 {
        for (way, connection, samples) in &mut connections {
            let started = Instant::now();
            connection.get(way, "small").await?;
            // The first ones open what later ones find open.
            if round >= 100 {
                samples.push(started.elapsed());
            }
        }
    }
    let direct = connections[0].2.percentile_ms(50.0).unwrap_or_default();
    for (way, _, samples) in &connections {
        report.latencies(&format!("GET 1 KiB, {}", way.name), &format!("{}_", way.name), samples);
        if let (true, Some(p50)) = (way.name != "direct", samples.percentile_ms(50.0)) {
            let name =
                if way.name == "madang" { "added_p50_ms".to_owned() } else { format!("{}_added_p50_ms", way.name) };
            report.metric(name, p50 - direct);
        }
    }
    Ok(())
}

/// Many connections, each asking as fast as it is answered.
async fn requests(settings: &Settings, ways: &[Way], report: &mut Report) -> Result<(), BenchError> {
    let concurrency = settings.concurrency.unwrap_or(CONCURRENCY);
    let duration = settings.duration.unwrap_or(DURATION);
    let mut rates = vec![Vec::new(); ways.len()];
    for _ in 0..TURNS {
        for (way, rates) in ways.iter().zip(&mut rates) {
            let mut asking = JoinSet::new();
            let started = Instant::now();
            for _ in 0..concurrency {
                asking.spawn(ask_until(way.clone(), started + duration));
            }
            let mut answered = 0;
            while let Some(asked) = asking.join_next().await {
                answered += asked.map_err(|error| BenchError::Wrong(error.to_string()))??;
            }
            rates.push(answered as f64 / started.elapsed().as_secs_f64());
        }
    }
    for (way, rates) in ways.iter().zip(rates) {
        report.metric(format!("{}_requests_per_s", way.name), median(rates));
    }
    Ok(())
}

async fn ask_until(way: Way, until: Instant) -> Result<u64, BenchError> {
    let mut connection = Connection::open(&way).await?;
    let mut answered = 0;
    while Instant::now() < until {
        connection.get(&way, "small").await?;
        answered += 1;
    }
    Ok(answered)
}

/// A gibibyte down and a gibibyte up, in turns.
async fn bodies(ways: &[Way], report: &mut Report) -> Result<(), BenchError> {
    let mut rates = vec![[Vec::new(), Vec::new()]; ways.len()];
    for _ in 0..TURNS {
        for (way, [down, up]) in ways.iter().zip(&mut rates) {
            let mut connection = Connection::open(way).await?;
            let started = Instant::now();
            let got = connection.get(way, "large").await?;
            if got != LARGE_BYTES {
                return Err(BenchError::Wrong(format!("{} bytes of {LARGE_BYTES} came by {}", got, way.name)));
            }
            down.push(mib_per_s(started.elapsed()));
            let started = Instant::now();
            connection.put(way, LARGE_BYTES).await?;
            up.push(mib_per_s(started.elapsed()));
        }
    }
    for (way, [down, up]) in ways.iter().zip(rates) {
        report.metric(format!("{}_download_mib_per_s", way.name), median(down));
        report.metric(format!("{}_upload_mib_per_s", way.name), median(up));
    }
    Ok(())
}

fn mib_per_s(took: Duration) -> f64 {
    (LARGE_BYTES >> 20) as f64 / took.as_secs_f64()
}

/// What the proxy's memory grows by with many WebSockets that say nothing.
async fn sockets(settings: &Settings, ours: &Ours, report: &mut Report) -> Result<(), BenchError> {
    let count = settings.sessions.unwrap_or(SOCKETS);
    let open = async |count: usize| {
        let mut open = Vec::with_capacity(count);
        for _ in 0..count {
            let mut connection = Connection::open(&ours.way).await?;
            connection.upgrade(&ours.way).await?;
            open.push(connection);
        }
        Ok::<_, BenchError>(open)
    };
    drop(open(SOCKETS_BEFORE).await?);
    let before = settled_kib(ours.child.id()).await?;
    let mut sockets = open(count).await?;
    let after = settled_kib(ours.child.id()).await?;
    for socket in sockets.iter_mut().step_by(count.div_ceil(20)) {
        socket.echo().await?;
    }
    report.metric("websocket_kib", after.saturating_sub(before) as f64 / count as f64);
    report.metric("websockets", count as f64);
    Ok(())
}

/// Resident memory once it stands still.
async fn settled_kib(process: u32) -> Result<u64, BenchError> {
    let mut last = resident_kib(process)?;
    loop {
        tokio::time::sleep(SETTLE).await;
        let now = resident_kib(process)?;
        if now == last {
            return Ok(now);
        }
        last = now;
    }
}

fn resident_kib(process: u32) -> Result<u64, BenchError> {
    let path = format!("/proc/{process}/status");
    let text = fs::read_to_string(&path).map_err(BenchError::io(format!("reading {path}")))?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let number = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
    number.ok_or_else(|| BenchError::Wrong(format!("{path} does not say how much memory is resident")))
}

fn median(mut rates: Vec<f64>) -> f64 {
    rates.sort_unstable_by(f64::total_cmp);
    rates.get(rates.len() / 2).copied().unwrap_or_default()
}

/// As many files as the machine lets us have open.
fn files_allow() -> Result<(), BenchError> {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let most = getrlimit(Resource::Nofile).maximum;
    setrlimit(Resource::Nofile, Rlimit { current: most, maximum: most })
        .map_err(|error| BenchError::Wrong(format!("allowing {most:?} open files: {error}")))
}

/// The proxy that is measured, in a process of its own.
struct Ours {
    child: Child,
    way: Way,
}

impl Ours {
    fn start(madang: &Path, upstream: SocketAddr) -> Result<Self, BenchError> {
        let mut child = Command::new(madang)
            .args(["bench-proxy", "--upstream", &upstream.to_string()])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(BenchError::io(format!("starting {}", madang.display())))?;
        // It says one line and nothing after it: where it listens, and the path and the ticket of its only app.
        let mut line = String::new();
        let said = child.stdout.take().map(|stdout| BufReader::new(stdout).read_line(&mut line));
        let words: Vec<&str> = line.split_whitespace().collect();
        let way = match (said, &words[..]) {
            (Some(Ok(_)), [address, path, ticket]) => address.parse().ok().map(|address| Way {
                name: "madang",
                address,
                path: (*path).to_owned(),
                lines: format!("cookie: madang_app={ticket}\r\n"),
            }),
            _ => None,
        };
        match way {
            Some(way) => Ok(Self { child, way }),
            None => {
                let _ = child.kill().and_then(|()| child.wait());
                Err(BenchError::Server(format!("the proxy said {line:?}")))
            }
        }
    }
}

impl Drop for Ours {
    fn drop(&mut self) {
        let _ = self.child.kill().and_then(|()| self.child.wait());
    }
}
