//! `folder`: a large file in and out beside nginx on the same disk, many small files as one archive, an upload that is cut.

mod nginx;
mod wire;

use std::time::{Duration, Instant};

use madang_client::{FolderFiles, Packing};
use nginx::Nginx;
use serde::Deserialize;
use serde_json::json;
use sha2::{Digest as _, Sha256};
use wire::{Body, Request, Wire};

use crate::{BenchError, Settings, report::Report, sample::Samples, server::Server};

/// The large file.
const LARGE_BYTES: u64 = 1 << 30;
const ROUNDS: usize = 5;
const SMALL_FILES: usize = 10_000;
/// What is in a small file, about.
const SMALL_BYTES: usize = 1_000;
/// Small files sent at once.
const SMALL_AT_ONCE: usize = 8;
const CUTS: usize = 50;
/// How often two clients put one file at once, and what each of them has to say.
const RACES: u32 = 20;
const RACE_BODIES: [(u8, usize); 2] = [(1, (8 << 20) + 1), (2, (12 << 20) + 2)];
/// What the upload that is cut has.
const CUT_BYTES: usize = 64 << 20;

/// What a server says of a right to a folder.
#[derive(Debug, Deserialize)]
struct Opened {
    url: String,
    ticket: String,
}

#[derive(Debug, Deserialize)]
struct Made {
    id: String,
}

pub async fn measure(settings: &Settings, report: &mut Report) -> Result<(), BenchError> {
    let server = Server::for_bench(settings).await?;
    let made: Made = server.client.post("/api/v1/folders", &json!({ "name": "bench-folder" })).await?;
    let asked = json!({ "path": "", "may": "delete" });
    let opened: Opened = server.client.post(&format!("/api/v1/folders/{}/tickets", made.id), &asked).await?;
    let files = server.client.folder_files(&opened.url, &opened.ticket)?;
    let ours = Wire::to(server.client.endpoint(), &opened.url, &opened.ticket)?;
    large(settings, report, &server, &ours).await?;
    small(report, &files).await?;
    cut(report, &ours, &files).await?;
    race(report, &ours, &files).await?;
    server.stop().await?;
    Ok(())
}

/// Everybody in turn, so that what else the machine does meets all alike.
async fn large(settings: &Settings, report: &mut Report, server: &Server, ours: &Wire) -> Result<(), BenchError> {
    let bytes = settings.bytes.unwrap_or(LARGE_BYTES);
    let beside = server.home().map(std::path::Path::to_owned);
    let nginx = match Nginx::start(beside.as_deref()) {
        Ok(nginx) => Some(nginx),
        Err(error) => {
            report.note(format!("nginx is absent: {error}"));
            None
        }
    };
    let peers = [("madang", Some(ours)), ("nginx", nginx.as_ref().map(|nginx| &nginx.wire))];
    let mut taken: [[Samples; 2]; 2] = Default::default();
    for _ in 0..settings.rounds.unwrap_or(ROUNDS) {
        for (at, (name, wire)) in peers.iter().enumerate() {
            let Some(wire) = wire else { continue };
            let (up, down) = one(wire, bytes).await.map_err(|error| BenchError::Wrong(format!("{name}: {error}")))?;
            taken[at][0].push(up);
            taken[at][1].push(down);
        }
    }
    for ((name, _), samples) in peers.iter().zip(&taken) {
        for (what, samples) in ["upload", "download"].iter().zip(samples) {
            let Some(ms) = samples.percentile_ms(50.0) else { continue };
            report.latencies(&format!("{name} {what}"), &format!("{name}_{what}_"), samples);
            report.metric(format!("{name}_{what}_mib_per_s"), bytes as f64 / f64::from(1 << 20) / (ms / 1_000.0));
        }
    }
    for what in ["upload", "download"] {
        report.ratio(&format!("{what}_ratio"), &format!("madang_{what}_mib_per_s"), &format!("nginx_{what}_mib_per_s"));
    }
    Ok(())
}

/// Up and down, once.
async fn one(wire: &Wire, bytes: u64) -> Result<(Duration, Duration), BenchError> {
    let started = Instant::now();
    let put = Request { method: "PUT", target: "files/large", heads: &[], body: Body::Large(bytes) };
    wire.send(put).await?.expect_success()?;
    let up = started.elapsed();
    let started = Instant::now();
    let get = Request { method: "GET", target: "files/large", heads: &[], body: Body::None };
    let got = wire.send(get).await?.expect_success()?;
    let down = started.elapsed();
    if got.bytes != bytes {
        return Err(BenchError::Wrong(format!("{} bytes of {bytes} came back", got.bytes)));
    }
    // So that each upload makes a new file, for everybody.
    wire.send(Request { method: "DELETE", target: "files/large", heads: &[], body: Body::None })
        .await?
        .expect_success()?;
    Ok((up, down))
}

async fn small(report: &mut Report, files: &FolderFiles) -> Result<(), BenchError> {
    let started = Instant::now();
    let mut sending = tokio::task::JoinSet::new();
    for at in 0..SMALL_AT_ONCE {
        let files = files.clone();
        sending.spawn(async move {
            for number in (at..SMALL_FILES).step_by(SMALL_AT_ONCE) {
                let text = format!("{number}\n").repeat(SMALL_BYTES / 6);
                files.write(&format!("small/{:02}/{number}", number % 100), text.into()).await?;
            }
            Ok::<_, BenchError>(())
        });
    }
    while let Some(sent) = sending.join_next().await {
        sent.map_err(|error| BenchError::Wrong(error.to_string()))??;
    }
    report.metric("small_files_put_s", started.elapsed().as_secs_f64());
    let started = Instant::now();
    let mut archive = files.pack("small", Packing::Zip).await?;
    let (mut bytes, mut end) = (0, Vec::new());
    while let Some(piece) = archive.next().await? {
        bytes += piece.len();
        end.extend_from_slice(&piece);
        end.drain(..end.len().saturating_sub(END_BYTES));
    }
    report.metric("small_files_zip_s", started.elapsed().as_secs_f64());
    report.metric("small_files_zip_mib", bytes as f64 / f64::from(1 << 20));
    let entries = entries(&end).ok_or_else(|| BenchError::Wrong("the archive has no end".to_owned()))?;
    if entries != SMALL_FILES + 100 {
        report.failures += 1;
        report.note(format!("the archive has {entries} entries"));
    }
    Ok(())
}

/// The end of a zip without a comment (APPNOTE 4.3.16).
const END_BYTES: usize = 22;

fn entries(end: &[u8]) -> Option<usize> {
    let known = end.len() == END_BYTES && end.starts_with(b"PK\x05\x06");
    known.then(|| usize::from(u16::from_le_bytes([end[10], end[11]])))
}

/// An upload whose connection breaks again and again comes out as it went in.
async fn cut(report: &mut Report, wire: &Wire, files: &FolderFiles) -> Result<(), BenchError> {
    let mut dice = Dice(0x5EED);
    let bytes: Vec<u8> = std::iter::repeat_with(|| dice.next().to_le_bytes()).flatten().take(CUT_BYTES).collect();
    // "cut", in base64.
    let heads = [("Upload-Length", CUT_BYTES.to_string()), ("Upload-Metadata", "path Y3V0".to_owned())];
    let request = Request { method: "POST", target: "uploads", heads: &heads, body: Body::None };
    let made = wire.send(request).await?.expect_success()?;
    let upload = made.head("location").ok_or_else(|| BenchError::Wrong("an upload without a place".to_owned()))?;
    let started = Instant::now();
    for _ in 0..CUTS {
        let at = offset(wire, &upload).await?;
        let some = (dice.next() as usize % (2 * CUT_BYTES / CUTS)).min(CUT_BYTES - at - 1);
        wire.cut(&upload, at, (&bytes[at..at + some], CUT_BYTES - at)).await?;
    }
    loop {
        let at = offset(wire, &upload).await?;
        if at == CUT_BYTES {
            break;
        }
        let heads = [("Upload-Offset", at.to_string()), wire::offset_stream()];
        let body = Body::Bytes(&bytes[at..]);
        // What a cut connection had sent may still be taken in: then one asks again where the upload stands.
        wire.send(Request { method: "PATCH", target: &upload, heads: &heads, body }).await?;
    }
    report.metric("cut_upload_s", started.elapsed().as_secs_f64());
    let (mut reading, mut adding) = (files.read("cut").await?.0, Sha256::new());
    while let Some(piece) = reading.next().await? {
        adding.update(&piece);
    }
    let same = adding.finalize() == Sha256::digest(&bytes);
    report.metric("cut_upload_right", if same { 1.0 } else { 0.0 });
    report.failures += u64::from(!same);
    Ok(())
}

/// Two clients put files of two sizes under one name at once: what is there then is one of them, whole.
async fn race(report: &mut Report, wire: &Wire, files: &FolderFiles) -> Result<(), BenchError> {
    let put = async |body: &[u8]| -> Result<(), BenchError> {
        let put = Request { method: "PUT", target: "files/race", heads: &[], body: Body::Bytes(body) };
        wire.send(put).await?.expect_success().map(drop)
    };
    let both = RACE_BODIES.map(|(byte, count)| vec![byte; count]);
    let mut whole = 0;
    for _ in 0..RACES {
        let (one, other) = tokio::join!(put(&both[0]), put(&both[1]));
        one.and(other)?;
        let (mut reading, mut got) = (files.read("race").await?.0, Vec::new());
        while let Some(piece) = reading.next().await? {
            got.extend_from_slice(&piece);
        }
        whole += u64::from(both.contains(&got));
    }
    report.metric("races", f64::from(RACES));
    report.metric("races_won_whole", whole as f64);
    report.failures += u64::from(RACES) - whole;
    Ok(())
}

async fn offset(wire: &Wire, upload: &str) -> Result<usize, BenchError> {
    let seen =
        wire.send(Request { method: "HEAD", target: upload, heads: &[], body: Body::None }).await?.expect_success()?;
    let offset = seen.head("upload-offset").and_then(|text| text.parse().ok());
    offset.ok_or_else(|| BenchError::Wrong("an upload that stands nowhere".to_owned()))
}

/// The same throws each time (xorshift64).
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }
}
