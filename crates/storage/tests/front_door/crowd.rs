//! One user among others: what one of them does, or leaves undone, keeps nobody else out.

use std::{
    fs,
    time::{Duration, Instant},
};

use madang_ticket::FolderMay;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

use crate::{
    client::{Client, read},
    ground::Ground,
};

/// More than the server has threads.
const MANY: usize = 24;
/// Of one user: `ARCHIVES` in `http/traffic.rs`.
const ARCHIVES_OF_A_USER: usize = 4;
/// What is promised of a machine that has nothing else to do …
const SOON: Duration = Duration::from_secs(5);
/// … and what one keeps that starves. Whoever is held up waits for sums of many times that.
const SOON_STARVING: Duration = Duration::from_secs(60);

fn assert_soon(began: Instant, what: &str) {
    let took = began.elapsed();
    println!("{took:?} {what}; {SOON:?} are promised");
    assert!(took < SOON_STARVING, "{took:?} {what}");
}

/// A file that takes no room on the disk.
fn sparse(ground: &Ground, name: &str, bytes: u64) {
    let path = ground.write(name, "");
    fs::OpenOptions::new().write(true).open(path).unwrap().set_len(bytes).unwrap();
}

/// Asks for the sum of so large a file, and goes away.
async fn ask_and_leave(client: &Client, target: &str) -> TcpStream {
    client.begin("HEAD", target, &[("Want-Repr-Digest", "sha-256=1")]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn sums_that_nobody_waits_for_hold_nobody_up() {
    let ground = Ground::new().await;
    sparse(&ground, "large", 48 << 30);
    ground.write("small", "abc");
    let (ada, ben) = (ground.client(FolderMay::Read), ground.client(FolderMay::Write));
    let mut asking = Vec::new();
    for _ in 0..MANY {
        asking.push(ask_and_leave(&ada, "files/large").await);
    }
    // Long enough for the server to have begun: who is waited for has no answer yet.
    assert!(timeout(Duration::from_secs(1), asking[0].read_u8()).await.is_err());
    let began = Instant::now();
    ben.put("files/ben", &vec![7; 1 << 20]).await.expect(201);
    ben.get("files/small", &[("Want-Repr-Digest", "sha-256=1")]).await.expect(200);
    assert_soon(began, "while somebody waits for sums");
    drop(asking);
    let began = Instant::now();
    ben.put("files/ben", &vec![7; 1 << 20]).await.expect(201);
    let own = ada.get("files/small", &[("Want-Repr-Digest", "sha-256=1")]).await.expect(200);
    assert!(own.head("repr-digest").starts_with("sha-256=:"));
    assert_soon(began, "after those who waited have gone");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_only_said_to_be_large_has_no_sum() {
    let ground = Ground::new().await;
    sparse(&ground, "huge", 15 << 40);
    let client = ground.client(FolderMay::Read);
    let began = Instant::now();
    let head = read(ask_and_leave(&client, "files/huge").await, "HEAD").await.expect(200);
    assert_eq!((head.head("content-length"), head.head("repr-digest")), ((15_u64 << 40).to_string().as_str(), ""));
    assert_soon(began, "for a file that is only said to be large");
}

#[tokio::test(flavor = "multi_thread")]
async fn archives_that_one_user_does_not_read_leave_turns_to_others() {
    let ground = Ground::new().await;
    // More than the sockets between us hold.
    sparse(&ground, "d/zeros", 256 << 20);
    ground.write("e/x", "abc");
    let (ada, ben) = (ground.client(FolderMay::Read), ground.client(FolderMay::Read));
    let mut stalled = Vec::new();
    for _ in 0..ARCHIVES_OF_A_USER {
        let mut stream = ada.begin("GET", "files/d?archive=tar", &[]).await;
        assert_eq!(stream.read_u8().await.unwrap(), b'H');
        stalled.push(stream);
    }
    for _ in 0..MANY {
        let refused = ada.get("files/e?archive=tar", &[]).await.expect(429);
        assert_eq!(refused.head("retry-after"), "1");
    }
    let got = ben.get("files/e?archive=tar", &[]).await.expect(200);
    assert!(got.whole);
    for stream in &mut stalled {
        stream.shutdown().await.unwrap();
    }
    drop(stalled);
    let began = Instant::now();
    while ada.get("files/e?archive=tar", &[]).await.status != 200 {
        assert!(began.elapsed() < SOON_STARVING, "whoever has gone still has turns");
    }
    assert_soon(began, "after those who do not read have gone");
}
