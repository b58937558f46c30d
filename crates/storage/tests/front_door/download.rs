//! Files on their way out.

use std::fs;

use madang_ticket::FolderMay;

use crate::{ground::Ground, put::bytes};

#[tokio::test(flavor = "multi_thread")]
async fn parts_of_a_file() {
    let ground = Ground::new().await;
    let client = ground.client(FolderMay::Read);
    let all = bytes(1 << 20, 30);
    ground.write("x", &all);
    let one = client.get("files/x", &[("Range", "bytes=1000-500000")]).await.expect(206);
    assert_eq!(one.head("content-range"), "bytes 1000-500000/1048576");
    assert!(one.whole && one.body == all[1_000..=500_000]);
    let last = client.get("files/x", &[("Range", "bytes=-7")]).await.expect(206);
    assert!(last.body == all[all.len() - 7..]);
    let none = client.get("files/x", &[("Range", "bytes=1048576-")]).await.expect(416);
    assert_eq!(none.head("content-range"), "bytes */1048576");
    let two = client.get("files/x", &[("Range", "bytes=0-1,-2")]).await.expect(206);
    let kind = two.head("content-type").to_owned();
    let boundary = kind.strip_prefix("multipart/byteranges; boundary=").unwrap();
    let part = |range: &str, bytes: &[u8]| {
        let head = format!(
            "\r\n--{boundary}\r\nContent-Type: application/octet-stream\r\nContent-Range: bytes {range}/1048576\r\n\r\n"
        );
        [head.as_bytes(), bytes].concat()
    };
    let end = format!("\r\n--{boundary}--\r\n").into_bytes();
    let expected = [part("0-1", &all[..2]), part("1048574-1048575", &all[all.len() - 2..]), end].concat();
    assert!(two.whole && two.body == expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_what_changed() {
    let ground = Ground::new().await;
    let client = ground.client(FolderMay::Read);
    let path = ground.write("x", "0123456789");
    let first = client.get("files/x", &[]).await.expect(200);
    let tag = first.head("etag").to_owned();
    assert!(tag.starts_with('"'), "{tag}");
    let same = client.get("files/x", &[("If-None-Match", &tag)]).await.expect(304);
    assert!(same.body.is_empty());
    client.get("files/x", &[("If-Range", &tag), ("Range", "bytes=1-2")]).await.expect(206);
    let head = client.send("HEAD", "files/x", &[], b"").await.expect(200);
    assert_eq!((head.head("content-length"), head.body.len()), ("10", 0));
    fs::write(path, "9876543210").unwrap();
    let whole = client.get("files/x", &[("If-Range", &tag), ("Range", "bytes=1-2")]).await.expect(200);
    assert_eq!(whole.body, b"9876543210");
    client.get("files/x", &[("If-None-Match", &tag)]).await.expect(200);
    client.get("files/x", &[("If-Match", &tag)]).await.expect(412);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_runs_in_a_browser() {
    let ground = Ground::new().await;
    let client = ground.client(FolderMay::Read);
    ground.write("a.html", "<script>1</script>");
    ground.write("a.svg", "<svg/>");
    ground.write("a.txt", "<script>1</script>");
    ground.write("\u{e9} \"\r\n.txt", "x");
    for (target, kind, how) in [
        ("files/a.html?inline", "application/octet-stream", "attachment; filename*=UTF-8''a.html"),
        ("files/a.svg?inline", "application/octet-stream", "attachment; filename*=UTF-8''a.svg"),
        ("files/a.txt", "application/octet-stream", "attachment; filename*=UTF-8''a.txt"),
        ("files/a.txt?inline", "text/plain; charset=utf-8", "inline; filename*=UTF-8''a.txt"),
        (
            "files/%C3%A9%20%22%0D%0A.txt",
            "application/octet-stream",
            "attachment; filename*=UTF-8''%C3%A9%20%22%0D%0A.txt",
        ),
    ] {
        let got = client.get(target, &[]).await.expect(200);
        assert_eq!((got.head("content-type"), got.head("content-disposition")), (kind, how), "{target}");
        assert_eq!(got.head("x-content-type-options"), "nosniff");
        assert!(got.head("content-security-policy").starts_with("sandbox"));
        assert_eq!(got.head("referrer-policy"), "no-referrer");
        assert_eq!(got.head("access-control-allow-origin"), "");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_becomes_shorter_is_not_taken_for_whole() {
    let ground = Ground::new().await;
    let client = ground.client(FolderMay::Read);
    // More than the sockets between us hold.
    let path = ground.write("x", "");
    let file = fs::OpenOptions::new().write(true).open(&path).unwrap();
    file.set_len(256 << 20).unwrap();
    let stream = client.begin("GET", "files/x", &[]).await;
    stream.readable().await.unwrap();
    file.set_len(0).unwrap();
    let got = crate::client::read(stream, "GET").await;
    assert_eq!(got.status, 200);
    assert!(!got.whole, "{} bytes", got.body.len());
}
