//! Requests and answers on their way: connections kept, places and cookies moved, apps that are gone.

use http_body_util::{BodyExt as _, Empty};
use hyper::{Request, body::Bytes, client::conn::http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use madang_ids::AppId;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use crate::world::{World, header, read_head, status, within};

/// Sends a GET that keeps the connection, and reads an answer of a known length.
async fn ask(stream: &mut TcpStream, path: &str, lines: &str) -> String {
    stream.write_all(format!("GET {path} HTTP/1.1\r\nhost: a\r\n{lines}\r\n").as_bytes()).await.unwrap();
    let head = within(read_head(stream)).await.unwrap();
    let length = header(&head, "content-length").map_or(0, |length| length.parse().unwrap());
    let mut body = vec![0; length];
    within(stream.read_exact(&mut body)).await.unwrap();
    head + &String::from_utf8(body).unwrap()
}

#[tokio::test]
async fn connections_are_kept_on_both_sides() {
    let world = World::new().await;
    let app = world.mirror().await;
    let (path, bearer) = (format!("/apps/{app}/"), world.bearer(app));
    let clients = 3;
    for _ in 0..clients {
        let mut client = world.connect().await;
        for _ in 0..3 {
            assert_eq!(status(&ask(&mut client, &path, &bearer).await), 200);
        }
    }
    // A client stays with the thread that it was given to, and each thread keeps its own.
    let threads = std::thread::available_parallelism().unwrap().get();
    let most = clients.min(threads);
    assert!((1..=most).contains(&world.connections()), "nine requests over {} connections", world.connections());
}

#[tokio::test]
async fn an_app_that_closes_what_waits_is_asked_anew() {
    let world = World::new().await;
    // It says that it keeps the connection, and closes it.
    let app = world
        .app(|mut stream| async move {
            let _ = read_head(&mut stream).await;
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await;
        })
        .await;
    let mut client = world.connect().await;
    for _ in 0..20 {
        let answer = ask(&mut client, &format!("/apps/{app}/"), &world.bearer(app)).await;
        assert!(answer.ends_with("\r\n\r\nok"), "{answer}");
    }
    assert_eq!(world.connections(), 20);
}

#[tokio::test]
async fn places_and_cookies_are_moved_beneath_the_prefix() {
    let world = World::new().await;
    let app = world
        .saying(
            "HTTP/1.1 302 Found\r\nlocation: /login?next=/\r\nset-cookie: sid=1; Path=/; HttpOnly\r\n\
             set-cookie: madang_app=evil; Path=/\r\nset-cookie: wide=1; Domain=example.org\r\nconnection: x-hop\r\nx-hop: 1\r\n\
             strict-transport-security: max-age=99\r\nclear-site-data: \"*\"\r\nservice-worker-allowed: /\r\ncontent-length: 0\r\n\r\n",
        )
        .await;
    let answer = world.get(&format!("/apps/{app}/x"), &world.bearer(app)).await;
    assert_eq!(status(&answer), 302);
    assert_eq!(header(&answer, "location"), Some(format!("/apps/{app}/login?next=/").as_str()));
    let cookies: Vec<&str> = answer.lines().filter_map(|line| line.strip_prefix("set-cookie: ")).collect();
    assert_eq!(cookies, [format!("sid=1; HttpOnly; Path=/apps/{app}/"), format!("wide=1; Path=/apps/{app}/")]);
    for gone in ["x-hop", "strict-transport-security", "clear-site-data", "service-worker-allowed"] {
        assert_eq!(header(&answer, gone), None, "{gone}");
    }
}

#[tokio::test]
async fn an_app_that_is_gone_has_a_page_that_looks_again() {
    let world = World::new().await;
    let silent = world
        .app(|mut stream| async move {
            let _ = read_head(&mut stream).await;
        })
        .await;
    for app in [AppId::new(), silent] {
        let lines = format!("{}accept: text/html\r\n", world.bearer(app));
        let page = world.get(&format!("/apps/{app}/"), &lines).await;
        assert_eq!(status(&page), 502, "{page}");
        assert!(page.contains("http-equiv=\"refresh\"") && header(&page, "retry-after") == Some("3"), "{page}");
    }
    let nonsense = world.saying("SSH-2.0-x\r\n\r\n").await;
    assert_eq!(status(&world.get(&format!("/apps/{nonsense}/"), &world.bearer(nonsense)).await), 502);
}

#[tokio::test]
async fn http2_comes_in() {
    let world = World::new().await;
    let app = world.mirror().await;
    let handshake = http2::handshake(TokioExecutor::new(), TokioIo::new(world.connect().await)).await;
    let (mut sender, connection) = handshake.unwrap();
    let driving = tokio::spawn(connection);
    let request = |query: &str| {
        let uri = format!("http://apps.example/apps/{app}/two?{query}");
        let bearer = format!("Bearer {}", world.ticket(app));
        let request =
            Request::get(uri).header("authorization", bearer).header("cookie", "a=1").header("cookie", "madang_app=x");
        request.header("cookie", "b=2").body(Empty::<Bytes>::new()).unwrap()
    };
    let answers: Vec<_> = (0..8).map(|number| sender.send_request(request(&format!("n={number}")))).collect();
    for (number, answer) in answers.into_iter().enumerate() {
        let answer = within(answer).await.unwrap();
        assert_eq!(answer.status(), 200);
        let body = within(answer.into_body().collect()).await.unwrap().to_bytes();
        let seen = String::from_utf8_lossy(&body);
        assert!(seen.starts_with(&format!("GET /two?n={number} HTTP/1.1\r\n")), "{seen}");
        assert!(seen.contains("host: apps.example\r\n") && seen.contains("cookie: a=1; b=2\r\n"), "{seen}");
    }
    driving.abort();
}
