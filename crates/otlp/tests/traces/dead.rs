//! A collector that is not there, or says nothing.

use std::{
    io::{self, Write},
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use madang_otlp::{Collector, Traces};
use serde_json::json;
use tokio::net::{TcpListener, TcpSocket};
use tracing::level_filters::LevelFilter;
use tracing_subscriber::{Layer as _, fmt, layer::SubscriberExt as _};

use crate::{
    collector::at,
    world::{PATIENCE, World},
};

/// More than wait at most.
const SPANS: u64 = 10_000;
/// A collector that says nothing is waited for so long.
const END_WAIT: Duration = Duration::from_secs(1);
/// As the queue has it.
const WAITING_MAX: u64 = 4_096;

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Log {
    fn count(&self, text: &str) -> usize {
        String::from_utf8_lossy(&self.0.lock().unwrap()).matches(text).count()
    }
}

/// Where nobody listens, for as long as the socket is kept.
fn nobody() -> (TcpSocket, SocketAddr) {
    let kept = TcpSocket::new_v4().unwrap();
    kept.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = kept.local_addr().unwrap();
    (kept, address)
}

#[tokio::test]
async fn what_a_silent_collector_does_not_take_is_counted_and_holds_nobody_up() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let collector = Collector { end_wait: END_WAIT, ..at(silent.local_addr().unwrap()) };
    let traces = Traces::start(&collector, "test").unwrap();
    let subscriber = tracing_subscriber::registry().with(traces.layer());
    let began = Instant::now();
    // Nothing is sent meanwhile: the runtime has one thread, which is here.
    tracing::subscriber::with_default(subscriber, || {
        (0..SPANS).for_each(|_| drop(madang_trace::span!("tried").entered()));
    });
    println!("{SPANS} spans in {:?}", began.elapsed());
    assert_eq!(traces.lost(), SPANS - WAITING_MAX);
    tokio::time::timeout(PATIENCE, traces.end()).await.expect("the process does not end");
}

#[tokio::test]
async fn a_collector_that_is_not_there_changes_no_answer_and_the_log_says_it_once() {
    let log = Log::default();
    let (_kept, address) = nobody();
    let traces = Traces::start(&at(address), "test").unwrap();
    let written = log.clone();
    let lines = fmt::layer().with_writer(move || written.clone()).with_filter(LevelFilter::INFO);
    // Of this thread, and so of everything in this runtime.
    let ours = tracing_subscriber::registry().with(traces.layer()).with(lines);
    let _ours = tracing::subscriber::set_default(ours);
    let world = World::new().await;
    let began = Instant::now();
    // A batch that is lost, and another after it.
    let mut lost = Vec::new();
    while lost.len() < 2 {
        let request = json!({"language": "sim", "code": "print wonderful", "wait": true});
        let answer = world.post("/api/v1/run", &[], request).await;
        assert_eq!((answer.status.as_u16(), &answer.body["stdout"]), (200, &json!("wonderful\n")), "{}", answer.body);
        if traces.lost() > lost.last().copied().unwrap_or(0) {
            lost.push(traces.lost());
        }
        assert!(began.elapsed() < PATIENCE, "nothing is lost: {lost:?}");
    }
    traces.end().await;
    assert_eq!(log.count("spans are lost from now on"), 1);
    assert_eq!(log.count("spans were lost since this process began"), 1);
}
