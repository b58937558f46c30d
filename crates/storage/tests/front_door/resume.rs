//! Uploads that go on: tus.

use std::{fs, sync::atomic::Ordering, time::Duration};

use base64::{Engine, engine::general_purpose::STANDARD};
use madang_ticket::FolderMay;
use ring::digest::{SHA1_FOR_LEGACY_USE_ONLY, SHA256, digest};
use tokio::{io::AsyncWriteExt as _, time::Instant};

use crate::{
    client::{Answer, Client, read},
    ground::Ground,
    put::bytes,
};

const TUS: (&str, &str) = ("Tus-Resumable", "1.0.0");
const BYTES: (&str, &str) = ("Content-Type", "application/offset+octet-stream");

/// Waits for what has to come, and says what did not.
pub async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(60);
    while !holds() {
        assert!(Instant::now() < end, "{what}: not within a minute");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

async fn create(client: &Client, path: &str, length: usize, more: &str) -> String {
    let (length, metadata) = (length.to_string(), format!("path {}{more}", STANDARD.encode(path)));
    let heads = [TUS, ("Upload-Length", length.as_str()), ("Upload-Metadata", metadata.as_str())];
    let made = client.send("POST", "uploads", &heads, b"").await.expect(201);
    assert!(made.head("upload-expires").ends_with(" GMT"), "{made:?}");
    made.head("location").to_owned()
}

async fn patch(client: &Client, upload: &str, offset: usize, body: &[u8]) -> Answer {
    client.send("PATCH", upload, &[TUS, BYTES, ("Upload-Offset", &offset.to_string())], body).await
}

async fn offset(client: &Client, upload: &str) -> usize {
    client.send("HEAD", upload, &[TUS], b"").await.expect(200).head("upload-offset").parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn cut_fifty_times_at_random_and_right_in_the_end() {
    let mut ground = Ground::new().await;
    let mut client = ground.client(FolderMay::Write);
    let sent = bytes(8 << 20, 10);
    let sum: String = digest(&SHA256, &sent).as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    let upload = create(&client, "big", sent.len(), &format!(",sha256 {}", STANDARD.encode(&sum))).await;
    let dice = bytes(50 * 4, 11);
    for (cut, dice) in dice.chunks(4).enumerate() {
        let at = offset(&client, &upload).await;
        let heads =
            [TUS, BYTES, ("Upload-Offset", &at.to_string()), ("Content-Length", &(sent.len() - at).to_string())];
        let mut stream = client.begin("PATCH", &upload, &heads).await;
        let some = usize::from(u16::from_le_bytes([dice[0], dice[1]])) * 4;
        // Refused where what an earlier connection had sent was read after all: its connection may be closed before all is sent.
        let _ = stream.write_all(&sent[at..(at + some).min(sent.len() - 1)]).await;
        drop(stream);
        if cut % 10 == 9 {
            ground.restart().await;
            client = ground.client(FolderMay::Write);
        }
        assert!(!ground.path("big").exists(), "nothing shows before the end");
    }
    let at = offset(&client, &upload).await;
    assert!(at > 0, "what came before a cut is kept");
    // What a cut connection had sent may be read after all when the next has asked already: then one asks again.
    let end = Instant::now() + Duration::from_secs(60);
    loop {
        let at = offset(&client, &upload).await;
        let last = patch(&client, &upload, at, &sent[at..]).await;
        if last.status == 204 {
            assert_eq!(last.head("upload-offset"), sent.len().to_string());
            break;
        }
        assert!([400, 409].contains(&last.status) && Instant::now() < end, "{last:?}");
    }
    assert!(fs::read(ground.path("big")).unwrap() == sent);
    assert_eq!(offset(&client, &upload).await, sent.len(), "whoever lost the last answer learns that it is done");
    assert_eq!(ground.staged(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_protocol_by_its_rules() {
    let ground = Ground::new().await;
    let client = ground.client(FolderMay::Write);
    let told = client.send("OPTIONS", "uploads", &[], b"").await.expect(204);
    assert_eq!(told.head("tus-version"), "1.0.0");
    assert!(told.head("tus-extension").contains("checksum") && told.head("tus-resumable") == "1.0.0");
    let upload = create(&client, "x", 10, "").await;
    let version = client.send("HEAD", &upload, &[("Tus-Resumable", "0.2.2")], b"").await.expect(412);
    assert_eq!(version.head("tus-version"), "1.0.0");
    let seen = client.send("HEAD", &upload, &[TUS], b"").await.expect(200);
    assert_eq!((seen.head("upload-length"), seen.head("cache-control")), ("10", "no-store"));
    assert_eq!(seen.head("upload-metadata"), format!("path {}", STANDARD.encode("x")));
    client.send("PATCH", &upload, &[TUS, ("Upload-Offset", "0")], b"x").await.expect(415);
    client.send("PATCH", &upload, &[TUS, BYTES], b"x").await.expect(400);
    assert_eq!(patch(&client, &upload, 3, b"xyz").await.expect(409).head("upload-offset"), "0");
    patch(&client, &upload, 0, b"0123").await.expect(204);
    patch(&client, &upload, 4, b"4567890 too much").await.expect(400);
    let at = offset(&client, &upload).await;
    assert!(at <= 10, "{at}");
    let over = [TUS, ("X-HTTP-Method-Override", "DELETE")];
    client.send("POST", &upload, &over, b"").await.expect(204);
    client.send("HEAD", &upload, &[TUS], b"").await.expect(404);
    assert!(!ground.path("x").exists() && ground.staged().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn with_the_creation_of_unknown_length_and_empty() {
    let ground = Ground::new().await;
    let client = ground.client(FolderMay::Write);
    let path = |path: &str| format!("path {},parents", STANDARD.encode(path));
    let heads = [TUS, BYTES, ("Upload-Length", "3"), ("Upload-Metadata", &path("a/b"))];
    let made = client.send("POST", "uploads", &heads, b"abc").await.expect(201);
    assert_eq!(made.head("upload-offset"), "3");
    assert_eq!(fs::read(ground.path("a/b")).unwrap(), b"abc");
    create(&client, "empty", 0, "").await;
    assert_eq!(fs::read(ground.path("empty")).unwrap(), b"");
    let heads = [TUS, ("Upload-Defer-Length", "1"), ("Upload-Metadata", &path("later"))];
    let upload = client.send("POST", "uploads", &heads, b"").await.expect(201).head("location").to_owned();
    patch(&client, &upload, 0, b"ab").await.expect(204);
    let seen = client.send("HEAD", &upload, &[TUS], b"").await;
    assert_eq!((seen.head("upload-defer-length"), seen.head("upload-length")), ("1", ""));
    let heads = [TUS, BYTES, ("Upload-Offset", "2"), ("Upload-Length", "4")];
    client.send("PATCH", &upload, &heads, b"cd").await.expect(204);
    assert_eq!(fs::read(ground.path("later")).unwrap(), b"abcd");
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes_are_what_they_were_said_to_be() {
    let ground = Ground::new().await;
    let client = ground.client(FolderMay::Write);
    let upload = create(&client, "x", 6, "").await;
    let sum = |bytes: &[u8]| format!("sha1 {}", STANDARD.encode(digest(&SHA1_FOR_LEGACY_USE_ONLY, bytes)));
    let heads = [TUS, BYTES, ("Upload-Offset", "0"), ("Upload-Checksum", &sum(b"abc"))];
    client.send("PATCH", &upload, &heads, b"axc").await.expect(460);
    assert_eq!(offset(&client, &upload).await, 0);
    client.send("PATCH", &upload, &heads, b"abc").await.expect(204);
    let wrong = [TUS, BYTES, ("Upload-Offset", "3"), ("Upload-Checksum", "crc32 AAAA")];
    client.send("PATCH", &upload, &wrong, b"def").await.expect(400);
    let whole: String = digest(&SHA256, b"abcdef").as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    let upload = create(&client, "y", 6, &format!(",sha256 {}", STANDARD.encode(&whole))).await;
    patch(&client, &upload, 0, b"abcdeX").await.expect(422);
    assert!(!ground.path("y").exists());
    client.send("HEAD", &upload, &[TUS], b"").await.expect(404);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_goes_on_with_goes_away() {
    let ground = Ground::new().await;
    let client = ground.client(FolderMay::Write);
    let upload = create(&client, "x", 6, "").await;
    patch(&client, &upload, 0, b"abc").await.expect(204);
    ground.now_ms.fetch_add(23 * 3_600_000, Ordering::Relaxed);
    let client = ground.client(FolderMay::Write);
    assert_eq!(offset(&client, &upload).await, 3);
    ground.now_ms.fetch_add(2 * 3_600_000, Ordering::Relaxed);
    let client = ground.client(FolderMay::Write);
    client.get("list/", &[]).await.expect(200);
    until("an old upload is swept away", || ground.staged().is_empty()).await;
    client.send("HEAD", &upload, &[TUS], b"").await.expect(404);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_uploads_of_one_name_do_not_mix_and_a_second_connection_takes_over() {
    let ground = Ground::new().await;
    let client = ground.client(FolderMay::Write);
    let (one, other) = (bytes(3 << 20, 20), bytes(2 << 20, 21));
    let (first, second) = (create(&client, "x", one.len(), "").await, create(&client, "x", other.len(), "").await);
    patch(&client, &first, 0, &one[..1 << 20]).await.expect(204);
    patch(&client, &second, 0, &other).await.expect(204);
    assert!(fs::read(ground.path("x")).unwrap() == other);
    // A connection that is open and says nothing any more.
    let heads = [TUS, BYTES, ("Upload-Offset", "1048576"), ("Content-Length", "2097152")];
    let mut dead = client.begin("PATCH", &first, &heads).await;
    dead.write_all(&one[1 << 20..(1 << 20) + 1_500_000]).await.unwrap();
    until("the server is busy with it", || ground.staged_bytes() > 1 << 20).await;
    let at = offset(&client, &first).await;
    assert!(at >= 2 << 20, "what it said is kept: {at}");
    patch(&client, &first, at, &one[at..]).await.expect(204);
    drop(dead);
    assert!(fs::read(ground.path("x")).unwrap() == one, "the last to end wins whole");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_is_not_another_tickets() {
    let ground = Ground::new().await;
    let upload = create(&ground.client(FolderMay::Write), "a/x", 6, ",parents").await;
    let other = ground.client_with(&ground.ticket("b", FolderMay::Write));
    other.send("HEAD", &upload, &[TUS], b"").await.expect(403);
    patch(&other, &upload, 0, b"abc").await.expect(403);
    other.send("DELETE", &upload, &[TUS], b"").await.expect(403);
    ground.client(FolderMay::Read).send("HEAD", &upload, &[TUS], b"").await.expect(403);
    for none in ["uploads/0", "uploads/..", "uploads/%2e%2e", "uploads/x.note", "uploads/aa/bb"] {
        ground.client(FolderMay::Write).send("HEAD", none, &[TUS], b"").await.expect(404);
    }
    let (at, path) = (STANDARD.encode("b/y"), STANDARD.encode("c/y"));
    let heads = |metadata: String| [TUS, ("Upload-Length", "1"), ("Upload-Metadata", &*metadata.leak())];
    other.send("POST", "uploads", &heads(format!("path {at}")), b"").await.expect(201);
    other.send("POST", "uploads", &heads(format!("path {path}")), b"").await.expect(403);
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_has_no_right_to_an_upload_changes_and_ends_nothing_of_it() {
    let ground = Ground::new().await;
    let ada = ground.client_with(&ground.ticket("a", FolderMay::Write));
    let ben = ground.client_with(&ground.ticket("b", FolderMay::Write));
    let metadata = format!("path {},parents MQ==", STANDARD.encode("a/x"));
    let heads = [TUS, ("Upload-Defer-Length", "1"), ("Upload-Metadata", metadata.as_str())];
    let made = ada.send("POST", "uploads", &heads, b"").await.expect(201);
    let upload = made.head("location").to_owned();
    let patch = [TUS, ("Upload-Offset", "0"), ("Content-Type", "application/offset+octet-stream")];
    let going = [&patch[..], &[("Content-Length", "6")]].concat();
    let mut stream = ada.begin("PATCH", &upload, &going).await;
    stream.write_all(b"abc").await.unwrap();
    let with_length = [&patch[..], &[("Upload-Length", "1")]].concat();
    for (method, heads) in [("PATCH", &with_length[..]), ("HEAD", &[TUS]), ("DELETE", &[TUS])] {
        ben.send(method, &upload, heads, b"").await.expect(403);
    }
    stream.write_all(b"def").await.unwrap();
    read(stream, "PATCH").await.expect(204);
    let seen = ada.send("HEAD", &upload, &[TUS], b"").await.expect(200);
    assert_eq!((seen.head("upload-offset"), seen.head("upload-defer-length")), ("6", "1"));
    // Nor does one that stands elsewhere have its length set.
    ada.send("PATCH", &upload, &with_length, b"").await.expect(409);
    let seen = ada.send("HEAD", &upload, &[TUS], b"").await.expect(200);
    assert_eq!(seen.head("upload-defer-length"), "1");
}
