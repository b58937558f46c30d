//! Whoever means harm: requests that could be read in two ways, answers that could, upgrades that go past what is checked.

use std::time::Duration;

use madang_ids::AppId;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::world::{World, header, read_head, status, within};

/// How many requests the app has seen in what it mirrored.
fn requests_in(seen: &str) -> usize {
    seen.matches(" HTTP/1.1\r\nhost").count() + seen.matches("x-forwarded-host").count() / 2
}

#[tokio::test]
async fn requests_that_could_be_read_in_two_ways() {
    let world = World::new().await;
    let app = world.mirror().await;
    let bearer = world.bearer(app);
    let smuggled = format!("GET /apps/{app}/smuggled HTTP/1.1\r\nhost: a\r\n\r\n");
    let first = format!("POST /apps/{app}/ HTTP/1.1\r\nhost: a\r\n{bearer}");
    for (what, said) in [
        ("two lengths", format!("{first}content-length: 0\r\ncontent-length: {}\r\n\r\n{smuggled}", smuggled.len())),
        ("a list of lengths", format!("{first}content-length: 5, 6\r\n\r\n12345{smuggled}")),
        ("a signed length", format!("{first}content-length: +5\r\n\r\n12345{smuggled}")),
        ("a length in hexadecimal", format!("{first}content-length: 0x5\r\n\r\n12345{smuggled}")),
        ("an unknown coding", format!("{first}transfer-encoding: x\r\n\r\n0\r\n\r\n{smuggled}")),
        ("chunked not last", format!("{first}transfer-encoding: chunked, identity\r\n\r\n0\r\n\r\n{smuggled}")),
        ("a space before the colon", format!("{first}content-length : 5\r\n\r\n12345{smuggled}")),
        ("a folded line", format!("{first}x-a: b\r\n content-length: 5\r\n\r\n12345{smuggled}")),
        ("a control character in a name", format!("{first}x\u{b}: b\r\n\r\n{smuggled}")),
        ("a zero byte", format!("{first}x-a: b\0c\r\n\r\n{smuggled}")),
        ("a carriage return alone", format!("{first}x-a: b\rcontent-length: 5\r\n\r\n12345{smuggled}")),
        ("two hosts", format!("{first}host: b\r\n\r\n{smuggled}")),
        (
            "a host in the target and another",
            format!("GET http://b/apps/{app}/ HTTP/1.1\r\nhost: a\r\n{bearer}\r\n{smuggled}"),
        ),
        ("no host", format!("GET /apps/{app}/ HTTP/1.1\r\n{bearer}\r\n{smuggled}")),
        ("a host with a path", format!("GET /apps/{app}/ HTTP/1.1\r\nhost: a/b\r\n{bearer}\r\n{smuggled}")),
        ("another scheme", format!("GET ftp://a/apps/{app}/ HTTP/1.1\r\nhost: a\r\n{bearer}\r\n{smuggled}")),
        ("CONNECT", format!("CONNECT a:80 HTTP/1.1\r\nhost: a:80\r\n{bearer}\r\n{smuggled}")),
        ("OPTIONS of everything", format!("OPTIONS * HTTP/1.1\r\nhost: a\r\n{bearer}\r\n{smuggled}")),
        ("a version that is none", format!("GET /apps/{app}/ HTTP/1.9\r\nhost: a\r\n{bearer}\r\n{smuggled}")),
        ("HTTP/0.9", format!("GET /apps/{app}/\r\n{smuggled}")),
        (
            "chunks of HTTP/1.0",
            format!("{}transfer-encoding: chunked\r\n\r\n0\r\n\r\n{smuggled}", first.replace("/1.1", "/1.0")),
        ),
    ] {
        let answer = world.raw(&said).await;
        let refused = answer.is_empty() || matches!(status(&answer), 400 | 404 | 501 | 505);
        assert!(refused, "{what}: {answer}");
        assert!(!answer.contains("GET /smuggled"), "{what}: {answer}");
    }
    assert_eq!(world.connections(), 0, "the app has seen none of them");
}

#[tokio::test]
async fn what_passes_is_framed_anew() {
    let world = World::new().await;
    let app = world.mirror().await;
    let bearer = world.bearer(app);
    // RFC 9112 §6.3: the coding counts, the length goes, and the connection ends with it.
    let inner = format!("GET /apps/{app}/smuggled HTTP/1.1\r\nhost: a\r\n{bearer}\r\n");
    let both = format!(
        "POST /apps/{app}/ HTTP/1.1\r\nhost: a\r\n{bearer}content-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n{inner}"
    );
    let seen = world.raw(&both).await;
    assert!(seen.contains("transfer-encoding: chunked\r\n") && !seen.contains("content-length: 5"), "{seen}");
    assert!(!seen.contains("GET /smuggled") && requests_in(&seen) <= 1, "{seen}");
    // Lines that end without a carriage return are lines: the app sees them with one.
    let bare =
        format!("GET /apps/{app}/x HTTP/1.1\nhost: a\n{}x-a: b\nconnection: close\n\n", bearer.replace('\r', ""));
    let seen = world.raw(&bare).await;
    if !seen.is_empty() && status(&seen) == 200 {
        let told = seen.split_once("\r\n\r\n").unwrap().1;
        assert!(told.contains("x-a: b\r\n") && !told.replace("\r\n", "").contains('\n'), "{told:?}");
    }
    // A target with everything that a head could be broken by stays a target.
    let target = format!("/apps/{app}/%0d%0ax-evil:%201%00/..%2f?a=%0d%0a");
    let seen = world.get(&target, &bearer).await;
    assert!(seen.contains("GET /%0d%0ax-evil:%201%00/..%2f?a=%0d%0a HTTP/1.1\r\n"), "{seen}");
    // Nobody above the prefix is reached by dots: the app itself sees them.
    let seen = world.get(&format!("/apps/{app}/../{}/x", AppId::new()), &bearer).await;
    assert!(seen.contains("GET /../app_"), "{seen}");
}

#[tokio::test]
async fn broken_chunks_are_no_end() {
    let world = World::new().await;
    let app = world.mirror().await;
    for chunks in [
        "zz\r\n",
        "5\r\n1234",
        "5\n12345\n0\n\n",
        "ffffffffffffffffff\r\n",
        "-1\r\n\r\n",
        "5;\nx\r\n12345\r\n0\r\n\r\n",
    ] {
        let head =
            format!("POST /apps/{app}/ HTTP/1.1\r\nhost: a\r\n{}transfer-encoding: chunked\r\n\r\n", world.bearer(app));
        let mut client = world.connect().await;
        client.write_all(format!("{head}{chunks}").as_bytes()).await.unwrap();
        client.shutdown().await.unwrap();
        let mut answer = String::new();
        let _ = within(client.read_to_string(&mut answer)).await;
        assert!(answer.is_empty() || status(&answer) >= 400, "{chunks:?}: {answer}");
    }
}

#[tokio::test]
async fn heads_have_a_size_and_a_time() {
    let world = World::with("http://apps.example", |config| config.head_wait = Duration::from_millis(700)).await;
    let app = world.mirror().await;
    let bearer = world.bearer(app);
    let long = world.get(&format!("/apps/{app}/"), &format!("{bearer}x-long: {}\r\n", "x".repeat(70 << 10))).await;
    assert!(long.is_empty() || status(&long) == 431, "{long}");
    let many: String = (0..200).map(|number| format!("x-{number}: 1\r\n")).collect();
    let many = world.get(&format!("/apps/{app}/"), &format!("{bearer}{many}")).await;
    assert!(many.is_empty() || status(&many) == 431, "{many}");
    let target = world.get(&format!("/apps/{app}/{}", "x".repeat(70 << 10)), &bearer).await;
    assert!(target.is_empty() || matches!(status(&target), 414 | 431), "{target}");
    assert_eq!(world.connections(), 0);
    // A head that never comes, one that comes byte by byte, one that stops after the first bytes of HTTP/2.
    for said in ["", "GET /", "PRI * HTTP/2.0\r\n"] {
        let mut client = world.connect().await;
        client.write_all(said.as_bytes()).await.unwrap();
        let _ = within(client.read_to_end(&mut Vec::new())).await;
    }
    let mut client = world.connect().await;
    let dripping = async {
        while client.write_all(b"x").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    within(dripping).await;
}

#[tokio::test]
async fn no_upgrade_goes_past_what_is_checked() {
    let world = World::new().await;
    let app = world.mirror().await;
    let ask = |upgrade: &str, lines: &str| {
        let lines = format!("{}upgrade: {upgrade}\r\n{lines}", world.bearer(app));
        let request = format!(
            "GET /apps/{app}/ HTTP/1.1\r\nhost: a\r\nconnection: upgrade, http2-settings, close\r\n{lines}\r\n"
        );
        world.raw(request)
    };
    for upgrade in ["h2c", "H2C", "HTTP/2.0", "TLS/1.0", "h2c, h2"] {
        let seen = ask(upgrade, "http2-settings: AAMAAABkAAQAAP__\r\n").await;
        assert_eq!(status(&seen), 200, "it is a request like others: {seen}");
        let told = seen.split_once("\r\n\r\n").unwrap().1;
        assert!(!told.contains("upgrade") && !told.contains("http2-settings"), "{told}");
    }
    for (upgrade, lines) in [
        ("websocket, other", ""),
        ("websocket", "content-length: 4\r\n"),
        ("websocket", "transfer-encoding: chunked\r\n"),
    ] {
        assert_eq!(status(&ask(upgrade, lines).await), 400, "{upgrade} {lines}");
    }
    // The app agrees to what nobody asked, and to something else than was asked.
    let app =
        world.saying("HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: other\r\n\r\nbytes").await;
    for lines in ["", "connection: upgrade\r\nupgrade: websocket\r\n"] {
        let answer = world.get(&format!("/apps/{app}/"), &format!("{}{lines}", world.bearer(app))).await;
        assert_eq!(status(&answer), 502, "{answer}");
    }
}

#[tokio::test]
async fn an_apps_answer_is_one_answer() {
    let world = World::new().await;
    // What follows it would be the next client's answer.
    let app = world
        .saying("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nokHTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nevil")
        .await;
    let mut client = world.connect().await;
    for _ in 0..4 {
        let request = format!("GET /apps/{app}/ HTTP/1.1\r\nhost: a\r\n{}\r\n", world.bearer(app));
        client.write_all(request.as_bytes()).await.unwrap();
        let head = within(read_head(&mut client)).await.unwrap();
        assert_eq!(header(&head, "content-length"), Some("2"));
        let mut body = [0; 2];
        within(client.read_exact(&mut body)).await.unwrap();
        assert_eq!(&body, b"ok");
    }
    for broken in [
        "HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 4\r\n\r\nevil",
        "HTTP/1.1 200 OK\r\nx-a: b\r\n folded\r\n\r\n",
        "HTTP/1.1 200 OK\r\nx a: b\r\n\r\n",
        "HTTP/1.1 2000 OK\r\n\r\n",
        "\r\n\r\n\0",
    ] {
        let app = world.saying(broken).await;
        let answer = world.get(&format!("/apps/{app}/"), &world.bearer(app)).await;
        assert_eq!(status(&answer), 502, "{broken:?}: {answer}");
    }
    let app = world
        .app(|mut stream| async move {
            let _ = read_head(&mut stream).await;
            while stream.write_all(b"x-endless: 1\r\n").await.is_ok() {}
        })
        .await;
    let endless = world.get(&format!("/apps/{app}/"), &world.bearer(app)).await;
    assert_eq!(status(&endless), 502, "no end of a head: {endless}");
}

#[tokio::test]
async fn a_body_that_breaks_off_is_not_taken_for_whole() {
    let world = World::new().await;
    for said in [
        "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nhalf\r\n",
    ] {
        let app = world
            .app(move |mut stream| async move {
                let _ = read_head(&mut stream).await;
                let _ = stream.write_all(said.as_bytes()).await;
            })
            .await;
        let answer = world.get(&format!("/apps/{app}/"), &world.bearer(app)).await;
        assert!(!answer.ends_with("0\r\n\r\n"), "{answer}");
        assert!(answer.is_empty() || header(&answer, "content-length") != Some("4"), "{answer}");
    }
}
