//! One request, one file.

use std::{fs, os::unix::fs::MetadataExt as _, time::Duration};

use base64::{Engine, engine::general_purpose::STANDARD};
use madang_ticket::FolderMay;
use ring::digest::{SHA256, digest};
use tokio::io::AsyncWriteExt as _;

use crate::{client::read, ground::Ground, resume::until};

pub fn bytes(count: usize, seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let next = std::iter::repeat_with(move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    });
    next.flatten().take(count).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_goes_in_and_comes_out_and_belongs_to_guests() {
    let ground = Ground::new().await;
    let client = ground.client(FolderMay::Write);
    let sent = bytes(5 << 20, 1);
    let put = client.put("files/a%20b/c.bin?parents", &sent).await.expect(201);
    assert_eq!(put.json()["path"], "a%20b/c.bin");
    assert_eq!(put.json()["size_bytes"], 5 << 20);
    let got = client.get("files/a%20b/c.bin", &[("Want-Repr-Digest", "sha-256=1")]).await.expect(200);
    assert!(got.whole && got.body == sent);
    assert_eq!(got.head("etag"), put.head("etag"));
    let sum = STANDARD.encode(digest(&SHA256, &sent));
    assert_eq!(got.head("repr-digest"), format!("sha-256=:{sum}:"));
    let meta = fs::metadata(ground.path("a b/c.bin")).unwrap();
    if rustix::process::geteuid().is_root() {
        assert_eq!((meta.uid(), meta.gid(), meta.mode() & 0o7777), (1_000, 1_000, 0o644));
    }
    assert_eq!(ground.staged(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_of_unknown_length_in_small_pieces() {
    let ground = Ground::new().await;
    let client = ground.client(FolderMay::Write);
    let sent = bytes(300_000, 2);
    let mut stream = client.begin("PUT", "files/x", &[("Transfer-Encoding", "chunked")]).await;
    for chunk in sent.chunks(7_001) {
        let head = format!("{:x}\r\n", chunk.len());
        stream.write_all(&[head.as_bytes(), chunk, b"\r\n"].concat()).await.unwrap();
    }
    stream.write_all(b"0\r\n\r\n").await.unwrap();
    read(stream, "PUT").await.expect(201);
    assert!(fs::read(ground.path("x")).unwrap() == sent);
}

/// What a file takes on the disk is what it holds, whatever room its upload had ahead.
#[tokio::test(flavor = "multi_thread")]
async fn room_that_is_not_needed_is_given_back() {
    const SLACK_BYTES: u64 = 256 << 10;
    let ground = Ground::new().await;
    let client = ground.client(FolderMay::Write);
    let sent = bytes(5_500_001, 3);
    let mut stream = client.begin("PUT", "files/x", &[("Transfer-Encoding", "chunked")]).await;
    for chunk in sent.chunks(1 << 20) {
        stream.write_all(&[format!("{:x}\r\n", chunk.len()).as_bytes(), chunk, b"\r\n"].concat()).await.unwrap();
    }
    stream.write_all(b"0\r\n\r\n").await.unwrap();
    read(stream, "PUT").await.expect(201);
    let takes = |path: std::path::PathBuf| {
        let meta = fs::metadata(path).unwrap();
        (meta.blocks() * 512).checked_sub(meta.len()).filter(|more| *more <= SLACK_BYTES)
    };
    assert!(takes(ground.path("x")).is_some(), "{:?}", fs::metadata(ground.path("x")));
    assert!(fs::read(ground.path("x")).unwrap() == sent);
    // The same of an upload that breaks off, and of what has then come.
    let heads = [("Tus-Resumable", "1.0.0"), ("Upload-Length", "50000000"), ("Upload-Metadata", "path eQ==")];
    let made = client.send("POST", "uploads", &heads, b"").await.expect(201);
    let upload = made.head("location").rsplit('/').next().unwrap().to_owned();
    let heads = [
        ("Tus-Resumable", "1.0.0"),
        ("Upload-Offset", "0"),
        ("Content-Type", "application/offset+octet-stream"),
        ("Content-Length", "50000000"),
    ];
    let mut stream = client.begin("PATCH", &format!("uploads/{upload}"), &heads).await;
    stream.write_all(&sent).await.unwrap();
    let part = || ground.staged_path(&format!("{upload}.part"));
    // What a relay still holds for somebody who writes slowly is lost with the connection.
    until("most of it is there", || fs::metadata(part()).is_ok_and(|meta| meta.len() >= 4 << 20)).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    drop(stream);
    let as_came = || {
        let length = fs::metadata(part()).map_or(0, |meta| meta.len());
        (4 << 20..=sent.len() as u64).contains(&length) && takes(part()).is_some()
    };
    until("the part takes no more than came", as_came).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_dies_leaves_nothing_to_see() {
    let ground = Ground::new().await;
    let client = ground.client(FolderMay::Write);
    ground.write("x", "before");
    let mut stream = client.begin("PUT", "files/x", &[("Content-Length", "5000000")]).await;
    stream.write_all(&bytes(3_000_000, 3)).await.unwrap();
    crate::resume::until("bytes arrive", || !ground.staged().is_empty()).await;
    drop(stream);
    crate::resume::until("what came is thrown away", || ground.staged().is_empty()).await;
    assert_eq!(fs::read(ground.path("x")).unwrap(), b"before");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_clients_two_sizes_one_name() {
    let ground = Ground::new().await;
    let client = ground.client(FolderMay::Write);
    let (long, short) = (bytes(4 << 20, 4), bytes(1 << 20, 5));
    for _ in 0..10 {
        let (one, other) = tokio::join!(client.put("files/x", &long), client.put("files/x", &short));
        one.expect(201);
        other.expect(201);
        let won = fs::read(ground.path("x")).unwrap();
        assert!(won == long || won == short, "{} bytes of both", won.len());
    }
    assert_eq!(ground.staged(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_announced_is_held_to() {
    let ground = Ground::new().await;
    let client = ground.client(FolderMay::Write);
    let wrong = format!("sha-256=:{}:", STANDARD.encode(digest(&SHA256, b"other")));
    let right = format!("sha-256=:{}:", STANDARD.encode(digest(&SHA256, b"this")));
    let refused = client.send("PUT", "files/x", &[("Repr-Digest", &wrong)], b"this").await.expect(422);
    assert_eq!(refused.json()["code"], "mismatch");
    client.get("files/x", &[]).await.expect(404);
    client.send("PUT", "files/x", &[("Repr-Digest", &right)], b"this").await.expect(201);
    client.send("PUT", "files/x", &[("If-None-Match", "*")], b"new").await.expect(412);
    client.send("PUT", "files/x", &[("If-Match", "\"other\"")], b"new").await.expect(412);
    assert_eq!(fs::read(ground.path("x")).unwrap(), b"this");
    let tag = client.get("files/x", &[]).await.head("etag").to_owned();
    client.send("PUT", "files/x", &[("If-Match", &tag)], b"new").await.expect(201);
    client.send("PUT", "files/x", &[("Content-Range", "bytes 0-1/3")], b"ne").await.expect(400);
    client.put("files/no/such", b"x").await.expect(404);
    client.put("files/", b"x").await.expect(409);
    fs::create_dir(ground.path("d")).unwrap();
    client.put("files/d", b"x").await.expect(409);
    let huge = client.begin("PUT", "files/y", &[("Content-Length", "9000000000000000")]).await;
    let full = read(huge, "PUT").await.expect(507);
    assert_eq!(full.json()["code"], "no-space");
    assert!(full.json()["detail"].as_str().unwrap().contains("quota"), "{full:?}");
    assert_eq!(ground.staged(), Vec::<String>::new());
}
