//! The server is killed again and again while programs run in sessions and people read along: every byte arrives once.

use std::sync::Arc;

use madang_client::{Client, ClientError};
use madang_ids::RunId;
use madang_model::{RunEventBody, Verdict};
use madang_public_api::{RunRequest, SessionCreate, StreamEvent};
use tempfile::TempDir;

use crate::{
    server::{PATIENCE, Server, soon},
    session::{command, query, told, wall},
};

/// How often it is killed; `MADANG_RESTARTS` says otherwise.
const RESTARTS: u32 = 12;
/// An hour: no run ends of itself here.
const WALL_MS: u64 = 3_600_000;

/// Numbered lines until a file says stop, many at once: a run has at most 200,000 events, and this one may have to last an hour.
const LINES: &str =
    "i=0; while [ ! -e stop ]; do seq -f 'line %.0f' $i $((i+39)); i=$((i+40)); sleep 0.02; done; echo end $i";
/// The same from an interpreter.
const QUERY: &str = "
import os, time
i = 0
while not os.path.exists('stop'):
    print(''.join(f'line {n}\\n' for n in range(i, i + 40)), end='', flush=True)
    i += 40
    time.sleep(0.02)
print('end', i)
";

/// A reader that goes on where it was when the connection broke.
struct Reader {
    run: RunId,
    seen: Option<u64>,
    text: Vec<u8>,
    verdict: Option<Verdict>,
}

impl Reader {
    fn new(run: RunId) -> Self {
        Self { run, seen: None, text: Vec::new(), verdict: None }
    }

    /// Reads until there are `lines` more, or to the end of the run.
    async fn read(&mut self, client: &Client, lines: usize) -> Result<(), ClientError> {
        let mut stream = match self.seen {
            Some(seen) => client.run_events_after(self.run, seen).await?,
            None => client.run_events(self.run).await?,
        };
        let mut wanted = lines;
        while wanted > 0
            && let Some(event) = tokio::time::timeout(PATIENCE, stream.next()).await.expect("events stand still")?
        {
            wanted = wanted.saturating_sub(self.take(event));
        }
        Ok(())
    }

    fn take(&mut self, event: StreamEvent) -> usize {
        let next = self.seen.map_or(0, |seen| seen + 1);
        assert_eq!(event.seq, next, "an event is missing or doubled");
        self.seen = Some(event.seq);
        match event.body {
            RunEventBody::Stdout { data } => {
                self.text.extend(&data.0);
                data.0.iter().filter(|byte| **byte == b'\n').count()
            }
            RunEventBody::Finished { outcome } => {
                self.verdict = Some(outcome.verdict);
                0
            }
            _ => 0,
        }
    }

    /// Every line is there once, and the run's kept result is what was read.
    async fn check(&self, client: &Client) -> usize {
        let kept = client.run_get(self.run).await.unwrap();
        assert!(!kept.truncated, "{:?} after event {:?}", self.verdict, self.seen);
        let text = String::from_utf8(self.text.clone()).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        for (number, line) in lines[..lines.len() - 1].iter().enumerate() {
            assert_eq!(*line, format!("line {number}"));
        }
        assert_eq!(lines[lines.len() - 1], format!("end {}", lines.len() - 1));
        assert_eq!(self.verdict, Some(Verdict::Ok));
        assert_eq!(kept.whole.stdout.lossy(), text, "{}", told(&kept));
        lines.len()
    }
}

fn endless(request: RunRequest) -> RunRequest {
    let mut limits = wall(WALL_MS);
    (limits.cpu_ms, limits.output_bytes) = (Some(WALL_MS), Some(64 << 20));
    RunRequest { limits, ..request }
}

async fn sessions(client: &Client) -> [String; 2] {
    let request = SessionCreate { language: Some("python".to_owned()), ..SessionCreate::default() };
    let [a, b] = [client.session_create(&request).await.unwrap(), client.session_create(&request).await.unwrap()];
    [a.id.to_string(), b.id.to_string()]
}

async fn begin(client: &Client, sessions: &[String; 2]) -> [Reader; 2] {
    let [a, b] = sessions;
    let shell = client.session_run_begin(a, &endless(command(&["sh", "-c", LINES]))).await.unwrap();
    let interpreter = client.session_run_begin(b, &endless(query(QUERY))).await.unwrap();
    [Reader::new(shell.id), Reader::new(interpreter.id)]
}

async fn stop(client: &Client, session: &str) {
    client.session_run(session, &command(&["touch", "stop"])).await.unwrap();
}

#[tokio::test]
async fn programs_and_their_readers_survive_the_server_s_death() {
    let restarts = std::env::var("MADANG_RESTARTS").map_or(RESTARTS, |text| text.parse().unwrap());
    let mut server = Server::start();
    let sessions = sessions(&server.client()).await;
    let mut readers = begin(&server.client(), &sessions).await;
    for round in 0..restarts {
        for reader in &mut readers {
            reader.read(&server.client(), 50 + round as usize % 7).await.unwrap();
        }
        // In the middle of whatever it is doing: nobody reads on, and output goes on.
        let home: Arc<TempDir> = server.kill();
        server = Server::start_in(home);
    }
    let client = server.client();
    for (session, reader) in sessions.iter().zip(&mut readers) {
        stop(&client, session).await;
        reader.read(&client, usize::MAX).await.unwrap();
        println!("{} lines over {restarts} restarts", reader.check(&client).await);
    }
    // The interpreter is the one it was.
    let state = client.session_run(&sessions[1], &query("i > 0")).await.unwrap();
    assert_eq!(state.whole.stdout.lossy(), "True\n", "{}", told(&state));
    // What is kept in the database is not kept on the disk too; a short run's words may be until others take their place.
    soon("tapes are short", async || {
        let slots = server.home().join("slots");
        let files =
            server.slots().into_iter().flat_map(|slot| std::fs::read_dir(slots.join(slot)).into_iter().flatten());
        let tapes = files.flatten().filter(|file| file.file_name().to_string_lossy().ends_with(".tape"));
        let bytes = tapes.map(|file| file.metadata().map_or(0, |seen| seen.len())).max().unwrap_or(0);
        if bytes <= 64 << 10 { Ok(()) } else { Err(format!("{bytes} bytes")) }
    })
    .await;
}

#[tokio::test]
async fn output_waits_while_nobody_takes_it() {
    let mut server = Server::start();
    let [session, _] = sessions(&server.client()).await;
    // More than pipes and init hold.
    let flood = "i=0; while [ $i -lt 60000 ]; do echo line $i; i=$((i+1)); done > /dev/shm/all; cat /dev/shm/all; echo end 60000";
    let run = server.client().session_run_begin(&session, &endless(command(&["sh", "-c", flood]))).await.unwrap();
    let mut reader = Reader::new(run.id);
    for _ in 0..3 {
        server = Server::start_in(server.kill());
    }
    reader.read(&server.client(), usize::MAX).await.unwrap();
    assert_eq!(reader.check(&server.client()).await, 60_001);
}
