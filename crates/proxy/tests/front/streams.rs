//! Bytes that keep moving: events, long bodies, upgrades, tunnels.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use futures_util::{SinkExt as _, StreamExt as _};
use madang_ids::AppId;
use madang_model::{AppPrefix, AppProtocol, app_route::host_label};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    sync::Semaphore,
};
use tokio_tungstenite::{
    accept_async, client_async,
    tungstenite::{Message, client::IntoClientRequest as _},
};

use crate::world::{PATIENCE, World, header, read_head, status, within};

/// An app that says every message again.
async fn echo(world: &World) -> AppId {
    world
        .app(|stream| async move {
            let Ok(mut socket) = accept_async(stream).await else { return };
            while let Some(Ok(message)) = socket.next().await {
                if (message.is_binary() || message.is_text()) && socket.send(message).await.is_err() {
                    return;
                }
            }
        })
        .await
}

#[tokio::test]
async fn websockets_go_both_ways_by_path_and_by_name() {
    let world = World::new().await;
    let app = echo(&world).await;
    let ticket = world.ticket(app);
    for url in [
        format!("ws://127.0.0.1/apps/{app}/?ticket={ticket}"),
        format!("ws://{}.apps.example/?ticket={ticket}", host_label(app)),
    ] {
        let (mut socket, answer) = within(client_async(url.as_str(), world.connect().await)).await.unwrap();
        assert_eq!(answer.status(), 101);
        for length in [0, 1, 125, 70_000, 3 << 20] {
            let message = Message::binary(vec![b'x'; length]);
            within(socket.send(message.clone())).await.unwrap();
            assert_eq!(within(socket.next()).await.unwrap().unwrap(), message, "{length} bytes by {url}");
        }
        within(socket.close(None)).await.unwrap();
    }
    let mut own = format!("ws://127.0.0.1/apps/{app}/").into_client_request().unwrap();
    own.headers_mut().insert("cookie", format!("madang_app={ticket}").parse().unwrap());
    own.headers_mut().insert("origin", "http://127.0.0.1".parse().unwrap());
    assert!(within(client_async(own, world.connect().await)).await.is_ok(), "a page of the app's own");
}

#[tokio::test]
async fn events_arrive_one_by_one() {
    let world = World::new().await;
    let turns = Arc::new(Semaphore::new(0));
    let next = Arc::clone(&turns);
    let app = world
        .app(move |mut stream| {
            let turns = Arc::clone(&next);
            async move {
                let _ = read_head(&mut stream).await;
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n").await;
                for number in 0..5 {
                    turns.acquire().await.unwrap().forget();
                    let _ = stream.write_all(format!("data: {number}\n\n").as_bytes()).await;
                }
            }
        })
        .await;
    let mut client = world.connect().await;
    let request = format!("GET /apps/{app}/ HTTP/1.1\r\nhost: a\r\nconnection: close\r\n{}\r\n", world.bearer(app));
    client.write_all(request.as_bytes()).await.unwrap();
    let head = within(read_head(&mut client)).await.unwrap();
    assert_eq!(header(&head, "content-type"), Some("text/event-stream"));
    let mut seen = String::new();
    for number in 0..5 {
        // The next one is only sent once this one was seen.
        turns.add_permits(1);
        while !seen.contains(&format!("data: {number}\n\n")) {
            let mut buffer = [0; 256];
            let read = within(client.read(&mut buffer)).await.unwrap();
            assert!(read > 0, "{seen}");
            seen += std::str::from_utf8(&buffer[..read]).unwrap();
        }
    }
}

#[tokio::test]
async fn an_app_that_reads_slowly_slows_its_client() {
    const BODY_BYTES: usize = 256 << 20;
    let world = World::new().await;
    let gate = Arc::new(Semaphore::new(0));
    let opened = Arc::clone(&gate);
    let app = world
        .app(move |mut stream| {
            let gate = Arc::clone(&opened);
            async move {
                let _ = read_head(&mut stream).await;
                gate.acquire().await.unwrap().forget();
                let mut read = 0;
                let mut buffer = vec![0; 1 << 16];
                while read < BODY_BYTES {
                    read += stream.read(&mut buffer).await.unwrap();
                }
                let _ =
                    stream.write_all(format!("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n{read}").as_bytes()).await;
            }
        })
        .await;
    let mut client = world.connect().await;
    let request = format!(
        "PUT /apps/{app}/ HTTP/1.1\r\nhost: a\r\ncontent-length: {BODY_BYTES}\r\nconnection: close\r\n{}\r\n",
        world.bearer(app)
    );
    client.write_all(request.as_bytes()).await.unwrap();
    let (mut reader, mut writer) = client.into_split();
    let sent = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&sent);
    let writing = tokio::spawn(async move {
        let chunk = vec![7; 1 << 16];
        while counted.load(Ordering::SeqCst) < BODY_BYTES {
            writer.write_all(&chunk).await.unwrap();
            counted.fetch_add(chunk.len(), Ordering::SeqCst);
        }
        writer
    });
    let until = Instant::now() + PATIENCE;
    let mut last = usize::MAX;
    while last != sent.load(Ordering::SeqCst) || last == 0 {
        assert!(Instant::now() < until, "it never stands still");
        last = sent.load(Ordering::SeqCst);
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    assert!(last < BODY_BYTES / 4, "{last} bytes are on their way to an app that reads none");
    gate.add_permits(1);
    let mut answer = String::new();
    tokio::time::timeout(PATIENCE * 4, reader.read_to_string(&mut answer)).await.unwrap().unwrap();
    assert!(answer.ends_with(&format!("\r\n\r\n{BODY_BYTES}")), "{answer}");
    drop(within(writing).await.unwrap());
}

#[tokio::test]
async fn a_body_is_asked_for_before_it_is_sent() {
    let world = World::new().await;
    let app = world.mirror().await;
    let ask = |lines: String| {
        let stream = world.connect();
        async move {
            let mut stream = stream.await;
            let head = format!(
                "POST /apps/{app}/ HTTP/1.1\r\nhost: a\r\ncontent-length: 4\r\nexpect: 100-continue\r\nconnection: close\r\n{lines}\r\n"
            );
            stream.write_all(head.as_bytes()).await.unwrap();
            let first = within(read_head(&mut stream)).await.unwrap();
            (stream, first)
        }
    };
    let (mut stream, first) = ask(world.bearer(app)).await;
    assert_eq!(status(&first), 100);
    stream.write_all(b"body").await.unwrap();
    let mut answer = String::new();
    within(stream.read_to_string(&mut answer)).await.unwrap();
    assert!(status(&answer) == 200 && answer.ends_with("\r\n\r\nbody") && !answer.contains("expect"), "{answer}");
    let (_, refused) = ask(String::new()).await;
    assert_eq!(status(&refused), 401, "nobody asks for a body that goes nowhere");
}

#[tokio::test]
async fn a_refusal_is_read_while_the_body_is_still_sent() {
    let world = World::new().await;
    let app = world.mirror().await;
    let head = format!("POST /apps/{app}/ HTTP/1.1\r\nhost: a\r\ncontent-length: {}\r\n\r\n", 8 << 20);
    let answer = world.raw([head.as_bytes(), &vec![0; 8 << 20]].concat()).await;
    assert_eq!(status(&answer), 401);
}

#[tokio::test]
async fn trailers_pass_both_ways() {
    let world = World::new().await;
    let app = world.mirror().await;
    let body = "transfer-encoding: chunked\r\ntrailer: x-sum\r\n\r\n4\r\nbody\r\n0\r\nx-sum: 7\r\n\r\n";
    let request = format!("POST /apps/{app}/ HTTP/1.1\r\nhost: a\r\nconnection: close\r\n{}{body}", world.bearer(app));
    let seen = world.raw(request).await;
    assert!(seen.contains("trailer: x-sum\r\n") && seen.contains("bodyx-sum: 7\r\n"), "{seen}");
    let app = world
        .saying(
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ntrailer: x-sum\r\n\r\n4\r\nbody\r\n0\r\nx-sum: 9\r\n\r\n",
        )
        .await;
    let answer = world.get(&format!("/apps/{app}/"), &format!("te: trailers\r\n{}", world.bearer(app))).await;
    assert!(answer.ends_with("0\r\nx-sum: 9\r\n\r\n"), "{answer}");
}

/// A tunnel to an app that speaks no HTTP.
async fn tunnel(world: &World, app: AppId, ms: u64) -> TcpStream {
    tunnel_in_time(world, app, ms).await.expect("it is let in")
}

/// None if the ticket was over before anybody looked at it.
async fn tunnel_in_time(world: &World, app: AppId, ms: u64) -> Option<TcpStream> {
    let ticket = world.ticket_of(app, AppPrefix::Strip, AppProtocol::Tcp, ms);
    let mut client = world.connect().await;
    let request = format!(
        "GET /apps/{app}/ HTTP/1.1\r\nhost: a\r\nconnection: Upgrade\r\nupgrade: madang-tcp\r\nauthorization: Bearer {ticket}\r\n\r\n"
    );
    client.write_all(request.as_bytes()).await.unwrap();
    (status(&within(read_head(&mut client)).await.unwrap()) == 101).then_some(client)
}

async fn saying_again(world: &World) -> AppId {
    world
        .app(|mut stream| async move {
            let (mut reader, mut writer) = stream.split();
            let _ = tokio::io::copy(&mut reader, &mut writer).await;
        })
        .await
}

#[tokio::test]
async fn an_app_that_speaks_no_http_has_a_tunnel() {
    let world = World::new().await;
    let app = saying_again(&world).await;
    let mut client = tunnel(&world, app, 60_000).await;
    client.write_all(b"SSH-2.0-x\r\n\0\xff").await.unwrap();
    client.shutdown().await.unwrap();
    let mut said = Vec::new();
    within(client.read_to_end(&mut said)).await.unwrap();
    assert_eq!(said, b"SSH-2.0-x\r\n\0\xff");
    let ticket = world.ticket_of(app, AppPrefix::Strip, AppProtocol::Tcp, 60_000);
    let page = world.get(&format!("/apps/{app}/"), &format!("authorization: Bearer {ticket}\r\n")).await;
    assert_eq!((status(&page), header(&page, "upgrade")), (426, Some("madang-tcp")));
    let lines = format!("connection: upgrade\r\nupgrade: websocket\r\nauthorization: Bearer {ticket}\r\n");
    let socket = world.get(&format!("/apps/{app}/"), &lines).await;
    assert_eq!(status(&socket), 426);
}

#[tokio::test]
async fn nothing_goes_on_when_the_ticket_has_expired() {
    // The next where a machine stood still for as long as the one before was good.
    const LIVES_MS: [u64; 3] = [10_000, 20_000, 40_000];
    let world = World::new().await;
    let (app, mut said) = (saying_again(&world).await, Vec::new());
    for ms in LIVES_MS {
        let Some(mut client) = tunnel_in_time(&world, app, ms).await else { continue };
        let _ = client.write_all(b"hello").await;
        // The app never ends it.
        let _ = within(client.read_to_end(&mut said)).await;
        if !said.is_empty() {
            break;
        }
    }
    assert_eq!(said, b"hello");
    let endless = world
        .app(|mut stream| async move {
            let _ = read_head(&mut stream).await;
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\ndata: 1\n\n").await;
            let _ = stream.read_u8().await;
        })
        .await;
    let mut events = String::new();
    for ms in LIVES_MS {
        let ticket = world.ticket_of(endless, AppPrefix::Strip, AppProtocol::Http, ms);
        events = world.get(&format!("/apps/{endless}/"), &format!("authorization: Bearer {ticket}\r\n")).await;
        if events.contains("data: 1") {
            break;
        }
    }
    assert!(events.contains("data: 1"), "{events}");
}

/// An app that always has more to say, to somebody who reads more slowly than it comes.
#[tokio::test]
async fn a_download_ends_with_its_ticket_however_slowly_it_is_read() {
    let world = World::new().await;
    let endless = world
        .app(|mut stream| async move {
            let _ = read_head(&mut stream).await;
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await;
            while stream.write_all(&[0; 64 << 10]).await.is_ok() {}
        })
        .await;
    let ticket = world.ticket_of(endless, AppPrefix::Strip, AppProtocol::Http, 2_000);
    let mut client = world.connect().await;
    let asked = format!("GET /apps/{endless}/ HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer {ticket}\r\n\r\n");
    client.write_all(asked.as_bytes()).await.unwrap();
    let (begun, mut piece) = (Instant::now(), vec![0; 64 << 10]);
    while client.read(&mut piece).await.is_ok_and(|count| count > 0) {
        assert!(begun.elapsed() < PATIENCE, "it goes on");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn a_proxy_that_stops_cuts_its_tunnels() {
    let mut world = World::new().await;
    let mut client = tunnel(&world, saying_again(&world).await, 3_600_000).await;
    world.stop();
    let _ = within(client.read_to_end(&mut Vec::new())).await;
    within(&mut world.serving).await.unwrap();
    assert!(TcpStream::connect(world.address).await.is_err());
}
