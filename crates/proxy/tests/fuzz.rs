//! Bytes thrown at the proxy's front over real sockets: nothing panics, it goes on answering, and the app behind sees no request but
//! those that the proxy wrote.
//!
//! `MADANG_FUZZ_SECONDS` says how long each target runs (2 by default); `MADANG_FUZZ_SEED` repeats a run. What makes a target fail is
//! written to `artifacts/fuzz/TARGET/`.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[allow(dead_code, reason = "other tests use the rest of it")]
#[path = "front/world.rs"]
mod world;

use std::{
    sync::{
        Arc, Mutex, Once,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use madang_ids::{AppId, UserId};
use madang_testkit::{Dice, Fuzz};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};
use world::{World, within};

/// Inputs grow no larger than this.
const INPUT_BYTES_MAX: usize = 32 << 10;
/// After so many inputs somebody asks as one should.
const CHECK_EVERY: u64 = 64;
/// After so long nothing comes late any more.
const QUIET: Duration = Duration::from_secs(1);
/// An app reads no more of a head.
const HEAD_BYTES_MAX: usize = 256 << 10;

/// Pieces that matter to heads.
const TOKENS: [&[u8]; 32] = [
    b"\r\n",
    b"\n",
    b"\r",
    b"\r\n\r\n",
    b"\0",
    b" ",
    b"\t",
    b":",
    b"content-length: 5\r\n",
    b"content-length: +5\r\n",
    b"content-length: 0\r\n",
    b"content-length: 18446744073709551616\r\n",
    b"transfer-encoding: chunked\r\n",
    b"transfer-encoding: identity\r\n",
    b"transfer-encoding : chunked\r\n",
    b"Transfer-Encoding: gzip, chunked\r\n",
    b"connection: keep-alive, content-length\r\n",
    b"connection: upgrade\r\n",
    b"upgrade: websocket\r\n",
    b"upgrade: h2c\r\n",
    b"expect: 100-continue\r\n",
    b"host: b\r\n",
    b"x-forwarded-for: 1.2.3.4\r\n",
    b"x_forwarded_user: me\r\n",
    b"te: trailers\r\n",
    b"0\r\n\r\n",
    b"5;a=b\r\nhello\r\n",
    b"ffffffffffffffff\r\n",
    b" HTTP/1.1\r\n",
    b" HTTP/1.0\r\n",
    b"GET /smuggled HTTP/1.1\r\nhost: a\r\n\r\n",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
];

fn change(seeds: &[Vec<u8>], dice: &mut Dice) -> Vec<u8> {
    let mut bytes = seeds[dice.below(seeds.len())].clone();
    for _ in 0..=dice.below(6) {
        let at = dice.below(bytes.len() + 1);
        match dice.below(9) {
            0 => bytes.truncate(at),
            1 if at < bytes.len() => bytes[at] ^= 1 << dice.below(8),
            2 if at < bytes.len() => bytes[at] = dice.roll().to_le_bytes()[0],
            3 | 4 => drop(bytes.splice(at..at, TOKENS[dice.below(TOKENS.len())].iter().copied())),
            // After a line's end, where most of them belong.
            5 => {
                let ends: Vec<usize> =
                    bytes.windows(2).enumerate().filter(|(_, pair)| pair == b"\r\n").map(|(at, _)| at + 2).collect();
                let at = ends.get(dice.below(ends.len())).copied().unwrap_or(at);
                drop(bytes.splice(at..at, TOKENS[dice.below(TOKENS.len())].iter().copied()));
            }
            6 => {
                let end = (at + dice.below(256)).min(bytes.len());
                bytes.drain(at..end);
            }
            7 => {
                let end = (at + dice.below(512)).min(bytes.len());
                let piece = bytes[at..end].to_vec();
                let to = dice.below(bytes.len() + 1);
                bytes.splice(to..to, piece);
            }
            _ => {
                let other = &seeds[dice.below(seeds.len())];
                let from = dice.below(other.len() + 1);
                bytes.truncate(at);
                bytes.extend_from_slice(&other[from..]);
            }
        }
    }
    bytes.truncate(INPUT_BYTES_MAX);
    bytes
}

/// What the app has seen.
#[derive(Default)]
struct Witness {
    heads: AtomicUsize,
    /// What it must never see.
    wrong: Mutex<Option<String>>,
}

impl Witness {
    fn sees(&self, head: &[u8], ticket: &str) {
        self.heads.fetch_add(1, Ordering::SeqCst);
        let text = String::from_utf8_lossy(head);
        let lines = |name: &str| text.lines().filter(|line| line.to_ascii_lowercase().starts_with(name)).count();
        // Nobody but the proxy knows whose ticket it is: a head without that was written by somebody else.
        let mark = format!("\r\nx-forwarded-user: {}\r\n", UserId::fixed(3));
        let why = [
            ("not the proxy's", text.matches(&mark).count() != 1 || lines("x-forwarded-user:") != 1),
            ("not one host", lines("host:") != 1),
            ("two framings", lines("content-length:") + lines("transfer-encoding:") > 1),
            ("with a bare line end", text.replace("\r\n", "").contains(['\r', '\n'])),
            ("with the ticket", shows(&text, ticket)),
            (
                "a name that some read as another",
                text.lines().skip(1).any(|line| line.split(':').next().unwrap().contains('_')),
            ),
            ("a line of the connection", lines("expect:") + lines("keep-alive:") + lines("http2-settings:") > 0),
        ];
        if let Some((why, _)) = why.iter().find(|(_, is)| *is) {
            self.wrong.lock().unwrap().get_or_insert_with(|| format!("{why}: {text:?}"));
        }
    }
}

/// Whether the ticket is anywhere where a client shows one. What somebody writes elsewhere is their own.
fn shows(head: &str, ticket: &str) -> bool {
    let parameter = format!("ticket={ticket}");
    let (first, lines) = head.split_once("\r\n").unwrap();
    let query = first.split(' ').nth(1).and_then(|target| target.split_once('?')).map_or("", |(_, query)| query);
    // So many are looked at.
    let in_query = query.matches("ticket=").count() <= 4 && query.split('&').any(|part| part == parameter);
    in_query
        || lines.lines().filter_map(|line| line.split_once(": ")).any(|(name, value)| match name {
            "cookie" => value.split(';').any(|pair| pair.trim().strip_prefix("madang_app=") == Some(ticket)),
            "authorization" => value.to_ascii_lowercase().starts_with("bearer ") && value[7..].trim() == ticket,
            "referer" => value.contains(&parameter),
            _ => false,
        })
}

/// An app that takes every byte for what HTTP says it is, and tells the witness.
async fn serve(mut stream: TcpStream, witness: Arc<Witness>, ticket: Arc<str>) {
    let mut read = Vec::new();
    loop {
        let end = loop {
            if let Some(at) = read.windows(4).position(|window| window == b"\r\n\r\n") {
                break at + 4;
            }
            if read.len() > HEAD_BYTES_MAX || stream.read_buf(&mut read).await.unwrap_or(0) == 0 {
                return;
            }
        };
        let head: Vec<u8> = read.drain(..end).collect();
        witness.sees(&head, &ticket);
        let head = String::from_utf8_lossy(&head).to_ascii_lowercase();
        if head.contains("\r\nupgrade: websocket\r\n") {
            let agreed = b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n";
            // What follows is no HTTP.
            let _ = stream.write_all(agreed).await;
            let _ = tokio::io::copy(&mut stream, &mut tokio::io::sink()).await;
            return;
        }
        if body(&mut stream, &head, &mut read).await.is_none() {
            return;
        }
        if stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await.is_err() {
            return;
        }
    }
}

/// Reads what follows a head; none where it broke off.
async fn body(stream: &mut TcpStream, head: &str, read: &mut Vec<u8>) -> Option<()> {
    let field = |name: &str| head.lines().find_map(|line| line.strip_prefix(name).map(str::trim));
    if let Some(length) = field("content-length:") {
        take(stream, read, length.parse().ok()?).await?;
    } else if field("transfer-encoding:").is_some() {
        while let size @ 1.. = usize::from_str_radix(&line(stream, read).await?, 16).ok()? {
            take(stream, read, size + 2).await?;
        }
        while !line(stream, read).await?.is_empty() {}
    }
    Some(())
}

async fn take(stream: &mut TcpStream, read: &mut Vec<u8>, mut bytes: usize) -> Option<()> {
    loop {
        let now = bytes.min(read.len());
        read.drain(..now);
        bytes -= now;
        if bytes == 0 {
            return Some(());
        }
        if stream.read_buf(read).await.ok()? == 0 {
            return None;
        }
    }
}

async fn line(stream: &mut TcpStream, read: &mut Vec<u8>) -> Option<String> {
    loop {
        if let Some(at) = read.windows(2).position(|pair| pair == b"\r\n") {
            let line = read.drain(..at + 2).take(at).collect();
            return String::from_utf8(line).ok();
        }
        if stream.read_buf(read).await.ok()? == 0 {
            return None;
        }
    }
}

/// Says all of it, and hears whatever comes of it.
async fn throw(world: &World, bytes: &[u8]) {
    let mut stream = world.connect().await;
    let (mut from, mut to) = stream.split();
    let say = async {
        // A refusal may come before everything is said.
        let _ = to.write_all(bytes).await;
        let _ = to.shutdown().await;
    };
    let hear = async {
        let mut answers = Vec::new();
        let _ = from.read_to_end(&mut answers).await;
    };
    within(async { tokio::join!(say, hear) }).await;
}

/// Panics of the proxy's threads since the first call.
fn panics() -> usize {
    static HOOK: Once = Once::new();
    static SEEN: AtomicUsize = AtomicUsize::new(0);
    HOOK.call_once(|| {
        let usual = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            let of_proxy = std::thread::current().name() == Some("madang-proxy");
            SEEN.fetch_add(usize::from(of_proxy), Ordering::SeqCst);
            usual(info);
        }));
    });
    SEEN.load(Ordering::SeqCst)
}

/// A world with one app and its ticket, and who watches the app.
struct Range {
    world: World,
    app: AppId,
    ticket: Arc<str>,
    witness: Arc<Witness>,
}

impl Range {
    async fn new() -> Self {
        let world = World::new().await;
        let witness = Arc::new(Witness::default());
        // The app's answers need its ticket, which needs the app.
        let ticket = Arc::new(std::sync::OnceLock::<Arc<str>>::new());
        let (seen, known) = (Arc::clone(&witness), Arc::clone(&ticket));
        let app = world
            .app(move |stream| {
                let (seen, known) = (Arc::clone(&seen), Arc::clone(&known));
                async move { serve(stream, seen, Arc::clone(known.get().unwrap())).await }
            })
            .await;
        let ticket = Arc::clone(ticket.get_or_init(|| world.ticket(app).into()));
        Self { world, app, ticket, witness }
    }

    /// Tries it again where more went through than could: what an earlier input began may have come late.
    async fn try_one(&self, bytes: &[u8]) -> Result<(), String> {
        if self.try_once(bytes).await?.is_none() {
            return Ok(());
        }
        tokio::time::sleep(QUIET).await;
        self.try_once(bytes).await?.map_or(Ok(()), Err)
    }

    /// What is wrong, or says that too many requests went through.
    async fn try_once(&self, bytes: &[u8]) -> Result<Option<String>, String> {
        let before = self.witness.heads.load(Ordering::SeqCst);
        throw(&self.world, bytes).await;
        if let Some(wrong) = self.witness.wrong.lock().unwrap().take() {
            return Err(format!("the app saw a head that is {wrong}"));
        }
        let seen = self.witness.heads.load(Ordering::SeqCst) - before;
        // Each request that goes through has shown the ticket. One whose kept connection broke off may be sent a second time.
        let shown = String::from_utf8_lossy(bytes).matches(&*self.ticket).count();
        let most = 2 * shown;
        if panics() > 0 {
            return Err("something panicked".to_owned());
        }
        Ok((seen > most).then(|| format!("the app saw {seen} requests, and the ticket was shown {shown} times")))
    }

    /// Whoever asks as one should is answered, and asks once. Looked at again otherwise, as above.
    async fn check(&self) -> Result<(), String> {
        if self.check_once().await? == 1 {
            return Ok(());
        }
        tokio::time::sleep(QUIET).await;
        let seen = self.check_once().await?;
        if seen == 1 { Ok(()) } else { Err(format!("a request was seen {seen} times")) }
    }

    /// How many requests the app has seen meanwhile.
    async fn check_once(&self) -> Result<usize, String> {
        let before = self.witness.heads.load(Ordering::SeqCst);
        let answer =
            self.world.get(&format!("/apps/{}/", self.app), &format!("cookie: madang_app={}\r\n", self.ticket)).await;
        let seen = self.witness.heads.load(Ordering::SeqCst) - before;
        let good = answer.starts_with("HTTP/1.1 200") && answer.ends_with("ok");
        if good { Ok(seen) } else { Err(format!("seen {seen}, answered {answer:?}")) }
    }
}

async fn drive(target: &str, range: &Range, seeds: &[Vec<u8>]) {
    assert_eq!(panics(), 0);
    let mut fuzz = Fuzz::begin(target);
    let mut whole = seeds.iter();
    // All of the seeds first, however short the time.
    while whole.len() > 0 || fuzz.goes_on() {
        let bytes = whole.next().cloned().unwrap_or_else(|| change(seeds, &mut fuzz.dice));
        let mut outcome = range.try_one(&bytes).await;
        if outcome.is_ok() && fuzz.inputs().is_multiple_of(CHECK_EVERY) {
            outcome = range.check().await;
        }
        if let Err(why) = outcome {
            fuzz.fail(&bytes, why);
        }
    }
    println!("{target}: {} requests seen", range.witness.heads.load(Ordering::SeqCst));
    assert!(range.witness.heads.load(Ordering::SeqCst) > 0, "nothing ever went through");
}

#[tokio::test(flavor = "multi_thread")]
async fn proxy_heads() {
    let range = Range::new().await;
    let (app, ticket) = (range.app, &range.ticket);
    let (path, cookie) = (format!("/apps/{app}/"), format!("cookie: madang_app={ticket}\r\n"));
    let bearer = format!("authorization: Bearer {ticket}\r\n");
    let name = format!("{}.apps.example", app.to_string().replace('_', "-"));
    let seeds = [
        format!("GET {path}a?b=c HTTP/1.1\r\nhost: a\r\n{cookie}accept: */*\r\n\r\n"),
        format!("GET {path}?ticket={ticket} HTTP/1.1\r\nhost: a\r\n\r\nGET {path} HTTP/1.1\r\nhost: a\r\n{cookie}\r\n"),
        format!("GET /x HTTP/1.1\r\nHost: {name}:8688\r\n{bearer}Forwarded: for=b\r\nX-Real-IP: 1\r\n\r\n"),
        format!(
            "GET http://a{path} HTTP/1.1\r\nhost: a\r\n{bearer}referer: http://a/?ticket={ticket}\r\nconnection: close, x-a\r\nx-a: b\r\n\r\n"
        ),
        format!(
            "HEAD {path} HTTP/1.0\r\nhost: a\r\n{cookie}connection: keep-alive\r\n\r\nOPTIONS {path} HTTP/1.1\r\nhost: a\r\n{bearer}\r\n"
        ),
        format!("GET {path} HTTP/1.1\r\nhost: a\r\n{bearer}{}\r\n", "x-many: 1\r\n".repeat(99)),
    ];
    drive("proxy_heads", &range, &seeds.map(String::into_bytes)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn proxy_bodies() {
    let range = Range::new().await;
    let (app, ticket) = (range.app, &range.ticket);
    let post = format!("POST /apps/{app}/ HTTP/1.1\r\nhost: a\r\nauthorization: Bearer {ticket}\r\n");
    let inner = "GET /smuggled HTTP/1.1\r\nhost: a\r\n\r\n";
    let seeds = [
        format!("{post}content-length: {}\r\n\r\n{inner}{post}content-length: 0\r\n\r\n", inner.len()),
        format!(
            "{post}transfer-encoding: chunked\r\n\r\n5\r\nhello\r\n{:x};ext=\"a\"\r\n{inner}\r\n0\r\ntrailer: x\r\n\r\n{post}\r\n",
            inner.len()
        ),
        format!("{post}expect: 100-continue\r\ncontent-length: 5\r\n\r\nhello"),
        format!("{post}te: trailers\r\ntrailer: a\r\ntransfer-encoding: chunked\r\n\r\n0\r\na: b\r\n\r\n{inner}"),
    ];
    drive("proxy_bodies", &range, &seeds.map(String::into_bytes)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn proxy_upgrades() {
    let range = Range::new().await;
    let (app, ticket) = (range.app, &range.ticket);
    let get = format!("GET /apps/{app}/ HTTP/1.1\r\nhost: a\r\ncookie: madang_app={ticket}\r\n");
    let inner = "GET /smuggled HTTP/1.1\r\nhost: a\r\n\r\n";
    let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    let settings = b"\0\0\0\x04\0\0\0\0\0";
    // A GET of `/` with a literal authority and nothing else.
    let headers = b"\0\0\x07\x01\x05\0\0\0\x01\x82\x84\x86\x41\x01a\x88";
    let seeds = [
        format!("{get}connection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n\x01\x05hello{inner}").into_bytes(),
        format!("{get}connection: upgrade, http2-settings\r\nupgrade: h2c\r\nhttp2-settings: AAMAAABkAARAAAAA\r\n\r\n{inner}").into_bytes(),
        format!("{get}connection: upgrade\r\nupgrade: madang-tcp\r\n\r\n{inner}").into_bytes(),
        [&preface[..], settings, headers, settings].concat(),
    ];
    drive("proxy_upgrades", &range, &seeds).await;
}
