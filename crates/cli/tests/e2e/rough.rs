//! Programs that do not behave, in sessions that must live on.

use std::time::{Duration, Instant};

use madang_model::{LimitsAsked, RunEventBody, Verdict};
use madang_public_api::{RunRequest, RunView};

use crate::{
    server::soon,
    session::{Session, batch, command, patient, query, told, wall},
};

/// Longer than any test: who has so long is ended by somebody.
const LONG_MS: u64 = 600_000;

async fn still_works(session: &Session) {
    assert_eq!(session.shown("6 * 7").await, "42\n");
}

async fn begun(session: &Session, request: &RunRequest) -> RunView {
    session.client.session_run_begin(&session.id(), request).await.unwrap()
}

async fn ended(session: &Session, run: &RunView) -> RunView {
    soon("the run ends", async || {
        let now = session.client.run_get(run.id).await.unwrap();
        if now.whole.verdict.is_some() { Ok(now) } else { Err(told(&now)) }
    })
    .await
}

#[tokio::test]
async fn a_query_that_ignores_the_interrupt_is_ended_soon_after() {
    let session = Session::of("python").await;
    let deaf = "import signal\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\nwhile True: pass";
    let asked = Instant::now();
    let run = session.run(RunRequest { limits: wall(300), ..query(deaf) }).await;
    assert_eq!(run.whole.verdict, Some(Verdict::TimeLimit), "{}", told(&run));
    // Ten seconds after its time, on a quiet machine; by itself it never ends.
    assert!(asked.elapsed() < Duration::from_secs(60), "{:?}", asked.elapsed());
    still_works(&session).await;
}

#[tokio::test]
async fn a_query_over_its_cpu_time_keeps_its_state() {
    let session = Session::of("python").await;
    session.shown("x = 41").await;
    let limits = LimitsAsked { cpu_ms: Some(200), ..patient() };
    let run = session.run(RunRequest { limits, ..query("while True: pass") }).await;
    assert_eq!(run.whole.verdict, Some(Verdict::TimeLimit), "{}", told(&run));
    assert_eq!(session.shown("x + 1").await, "42\n");
}

#[tokio::test]
async fn an_interpreter_that_kills_itself_is_started_anew() {
    let session = Session::of("python").await;
    let run = session.query("import os; os.kill(os.getpid(), 9)").await;
    assert_eq!((run.whole.verdict, run.whole.signal), (Some(Verdict::Signaled), Some(9)), "{}", told(&run));
    still_works(&session).await;
}

#[tokio::test]
async fn a_query_over_the_memory_ends_with_that_verdict() {
    let session = Session::of("python").await;
    let run = session.query("x = bytearray(2 << 30)").await;
    assert_eq!(run.whole.verdict, Some(Verdict::MemoryLimit), "{}", told(&run));
    still_works(&session).await;
}

#[tokio::test]
async fn a_query_over_its_output_ends_with_that_verdict() {
    let session = Session::of("python").await;
    let limits = LimitsAsked { output_bytes: Some(100_000), ..patient() };
    let run = session.run(RunRequest { limits, ..query("while True: print('x' * 1000)") }).await;
    assert_eq!(run.whole.verdict, Some(Verdict::OutputLimit), "{}", told(&run));
    assert_eq!(run.whole.stdout.0.len(), 100_000);
    still_works(&session).await;
}

#[tokio::test]
async fn a_program_that_does_not_read_its_input_does_not_hold_up_the_rest() {
    let session = Session::of("python").await;
    let deaf = RunRequest { stdin_live: true, limits: wall(LONG_MS), ..command(&["sleep", "600"]) };
    let run = begun(&session, &deaf).await;
    let mut attached = session.client.run_attach(run.id).await.unwrap();
    for _ in 0..48 {
        let sent = tokio::time::timeout(Duration::from_millis(200), attached.input.input(vec![b'x'; 64 << 10])).await;
        if sent.is_err() {
            break;
        }
    }
    still_works(&session).await;
    assert_eq!(session.client.run_get(run.id).await.unwrap().whole.verdict, None, "it was not waited for");
    // A cancel does not wait behind input that nobody takes.
    session.client.run_cancel(run.id).await.unwrap();
    let over = ended(&session, &run).await;
    assert_eq!(over.whole.verdict, Some(Verdict::Cancelled), "{}", told(&over));
}

#[tokio::test]
async fn runs_of_one_session_go_on_side_by_side() {
    let session = Session::of("python").await;
    let slow = begun(&session, &RunRequest { limits: wall(LONG_MS), ..command(&["sh", "-c", "cat; sleep 600"]) }).await;
    still_works(&session).await;
    let built = session.run(RunRequest { code: Some("print('batch')".to_owned()), ..batch() }).await;
    assert_eq!(built.whole.stdout.lossy(), "batch\n", "{}", told(&built));
    assert_eq!(session.client.run_get(slow.id).await.unwrap().whole.verdict, None);
    session.client.run_cancel(slow.id).await.unwrap();
    assert_eq!(ended(&session, &slow).await.whole.verdict, Some(Verdict::Cancelled));
}

#[tokio::test]
async fn a_restart_ends_what_runs() {
    let session = Session::of("python").await;
    let run = begun(&session, &query("import time\nprint('up', flush=True)\ntime.sleep(600)")).await;
    soon("it runs", async || {
        let now = session.client.run_get(run.id).await.unwrap();
        if now.whole.stdout.0.is_empty() { Err(told(&now)) } else { Ok(()) }
    })
    .await;
    session.client.session_restart(&session.id()).await.unwrap();
    let over = ended(&session, &run).await;
    assert!(!matches!(over.whole.verdict, Some(Verdict::Ok)), "{}", told(&over));
    still_works(&session).await;
}

#[tokio::test]
async fn what_a_thread_prints_between_queries_does_not_disturb_the_next() {
    let session = Session::of("python").await;
    let code = "import threading, time\ndef talk():\n    while True:\n        print('noise'); time.sleep(0.001)\nthreading.Thread(target=talk, daemon=True).start()";
    session.shown(code).await;
    for _ in 0..5 {
        let shown = session.shown("6 * 7").await;
        assert!(shown.lines().filter(|line| *line != "noise" && !line.is_empty()).eq(["42"]), "{shown:?}");
    }
}

#[tokio::test]
async fn a_megabyte_of_input_reaches_a_query() {
    let session = Session::of("python").await;
    let input: String = (0..150_000).map(|number| format!("{number}\n")).collect();
    let asked = RunRequest { stdin: Some(input.as_str().into()), ..query("import sys; sum(map(int, sys.stdin))") };
    let run = session.run(asked).await;
    assert_eq!(run.whole.stdout.lossy(), "11249925000\n", "{}", told(&run));
}

#[tokio::test]
async fn logs_keep_what_programs_wrote() {
    let session = Session::of("python").await;
    session.shown("print('마당')").await;
    let mut events = session
        .client
        .session_run_stream(&session.id(), &command(&["sh", "-c", "echo out; echo err >&2"]))
        .await
        .unwrap();
    while let Some(event) = events.next().await.unwrap() {
        assert!(!matches!(event.body, RunEventBody::Finished { outcome } if outcome.verdict != Verdict::Ok));
    }
    let (code, logs, stderr) = session.server.madang(&["logs", &session.id()]);
    assert_eq!(code, 0, "{stderr}");
    assert!(logs.contains("마당") && logs.contains("out"), "{logs}");
}
