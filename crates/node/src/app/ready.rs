//! Waiting until an app answers, or has said why it does not.

use std::time::Duration;

use madang_model::AppProtocol;
use madang_node_api::{AppState, NodeError, PORT_APP};
use madang_slot_api::{AppAnswer, AppAsk, AppFault, ConnectTo};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    time::{Instant, timeout},
};

use super::{Known, connect, list};
use crate::{link::Link, sandbox::unavailable};

/// A program of ours is given this long, on a slow machine too.
const APP_WAIT: Duration = Duration::from_secs(90);
/// A program of the guest's own may be starting.
const PORT_WAIT: Duration = Duration::from_secs(10);
/// One that takes a connection and says nothing is asked again.
const ANSWER_WAIT: Duration = Duration::from_secs(5);
/// Between two attempts: doubled from the first to the last.
const PAUSE_FIRST: Duration = Duration::from_millis(5);
const PAUSE_LAST: Duration = Duration::from_millis(100);
/// Of what an app wrote last, what a person is shown.
const WORDS_CHARS_MAX: usize = 1_500;
/// As much of an answer as says whether it is one.
const STATUS_BYTES: usize = 12;

/// Returns when the app answers.
pub async fn wait(link: &Link, known: &Known) -> Result<(), NodeError> {
    let patience = if known.label.name == PORT_APP { PORT_WAIT } else { APP_WAIT };
    let until = Instant::now() + patience;
    let mut pause = PAUSE_FIRST;
    loop {
        if answers(link, known).await? {
            return Ok(());
        }
        if let Some(status) = ended(link, known).await? {
            let words = last_words(link, known).await;
            let why = format!("{} ended with status {status} before it answered{words}", known.label.name);
            return Err(NodeError::Unavailable(why));
        }
        if Instant::now() + pause > until {
            let (name, port, waited) = (&known.label.name, known.label.port, patience.as_secs());
            let words = last_words(link, known).await;
            let why = format!("{name} did not answer on port {port} within {waited} s{words}");
            return Err(NodeError::Unavailable(why));
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(PAUSE_LAST);
    }
}

async fn answers(link: &Link, known: &Known) -> Result<bool, NodeError> {
    use connect::ConnectFault;
    let stream = match connect::connect(link, ConnectTo::Port(known.label.port)).await {
        Ok(stream) => stream,
        Err(ConnectFault::App(AppFault::Refused | AppFault::Late)) => return Ok(false),
        Err(fault) => return Err(connect::failed(&fault, &known.label.name)),
    };
    match &known.label.ready {
        Some(path) if known.label.protocol == AppProtocol::Http => {
            // One that hangs up or says nothing is asked again.
            Ok(matches!(timeout(ANSWER_WAIT, ask(stream, path)).await, Ok(Ok(true))))
        }
        _ => Ok(true),
    }
}

/// Whether it answers as HTTP does, and not that it is not ready (5xx).
async fn ask(mut stream: super::connect::GuestStream, path: &str) -> std::io::Result<bool> {
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nAccept: */*\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut status = [0; STATUS_BYTES];
    stream.read_exact(&mut status).await?;
    Ok(status.starts_with(b"HTTP/1.") && matches!(status[9], b'1'..=b'4'))
}

async fn ended(link: &Link, known: &Known) -> Result<Option<i32>, NodeError> {
    let now = list(link).await?.into_iter().find(|app| app.number == known.number);
    Ok(match now.map(|app| app.state) {
        Some(AppState::Running) => None,
        Some(AppState::Ended { status }) => Some(status),
        // Somebody has stopped it meanwhile.
        None => Some(0),
    })
}

/// How the app explained itself, for a person.
async fn last_words(link: &Link, known: &Known) -> String {
    let said = link.app(AppAsk::LastWords { app: known.number }).await.map_err(unavailable);
    let Ok((Ok(AppAnswer::Said { bytes }), _)) = said else { return String::new() };
    let text = String::from_utf8_lossy(&bytes);
    let text = text.trim();
    let skipped = text.chars().count().saturating_sub(WORDS_CHARS_MAX);
    let text: String = text.chars().skip(skipped).collect();
    if text.is_empty() { text } else { format!(": {text}") }
}
