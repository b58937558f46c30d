//! Sessions: names, reuse, time-outs, restarts of the interpreter.

use std::{
    collections::BTreeMap,
    io::{BufRead as _, BufReader},
    process::{Command, Stdio},
};

use madang_model::Verdict;
use madang_public_api::{RunRequest, SessionCreate, SessionState};
use rustix::process::{Pid, Signal, kill_process};

use crate::{
    server::{eventually, shared, soon},
    session::{Session, command, query, told, wall},
};

fn named(name: &str) -> SessionCreate {
    SessionCreate { name: Some(name.to_owned()), language: Some("python".to_owned()), ..SessionCreate::default() }
}

/// A terminal that was closed, a journal that went away: the log has no reader, and what it was to say must not end who says it.
#[test]
fn a_server_whose_log_nobody_reads_still_ends_when_it_is_told_to() {
    let home = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_madang"));
    command.args(["up", "--listen", "127.0.0.1:0", "--data"]).arg(home.path()).env("MADANG_LOG", "info");
    let piped = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut server = piped.spawn().unwrap();
    let mut first = String::new();
    BufReader::new(server.stdout.take().unwrap()).read_line(&mut first).unwrap();
    assert!(first.starts_with("listening on"), "{first}");
    drop(server.stderr.take());
    kill_process(Pid::from_child(&server), Signal::TERM).unwrap();
    let code = eventually("the server ends", || server.try_wait().unwrap().ok_or("it still runs".to_owned()));
    assert!(code.success(), "{code}");
}

#[tokio::test]
async fn a_name_belongs_to_one_live_session() {
    let session = Session::made(named("life-name")).await;
    session.shown("x = 41").await;
    let refused = session.client.session_create(&named("life-name")).await.unwrap_err();
    assert_eq!(refused.problem().unwrap().code, "conflict", "{refused}");
    let again = SessionCreate { reuse_if_exists: true, ..named("life-name") };
    assert_eq!(session.client.session_create(&again).await.unwrap().id, session.view.id);
    session.client.session_end("life-name").await.unwrap();
    // The name is free as soon as its session has ended.
    let next = soon("the name is free", async || {
        session.client.session_create(&named("life-name")).await.map_err(|error| error.to_string())
    })
    .await;
    assert_ne!(next.id, session.view.id);
    session.client.session_end(&next.id.to_string()).await.unwrap();
}

async fn ends(session: &Session, outcome: &str) {
    let ended = soon("the session ends", async || {
        let now = session.client.session_get(&session.id()).await.unwrap();
        if now.state == SessionState::Ended { Ok(now) } else { Err(format!("{:?}", now.state)) }
    })
    .await;
    assert_eq!(ended.outcome.as_deref(), Some(outcome), "{ended:?}");
    assert!(ended.usage.is_some(), "{ended:?}");
}

#[tokio::test]
async fn a_session_ends_when_its_time_is_up() {
    let session = Session::made(SessionCreate { timeout_ms: Some(6000), ..named("life-timeout") }).await;
    // Nobody waits for what runs in it.
    let busy = command(&["sleep", "600"]);
    let _ = session.client.session_run_begin(&session.id(), &RunRequest { limits: wall(600_000), ..busy }).await;
    ends(&session, "timed-out").await;
}

/// Within so long a run begins, on a slow machine too.
const IDLE_MS: u64 = 25_000;

#[tokio::test]
async fn a_session_ends_when_nothing_runs_in_it() {
    let session = Session::made(SessionCreate { idle_timeout_ms: Some(IDLE_MS), ..named("life-idle") }).await;
    // Longer than the idle time, and yet not idle.
    let run = session.run(RunRequest { limits: wall(600_000), ..query("import time; time.sleep(30)") }).await;
    assert_eq!(run.whole.verdict, Some(Verdict::Ok), "{}", told(&run));
    ends(&session, "timed-out").await;
}

#[tokio::test]
async fn a_restart_forgets_the_state_and_keeps_the_files() {
    let session = Session::made(named("life-restart")).await;
    session.shown("x = 41; n = open('kept', 'w').write('yes')").await;
    session.client.session_restart(&session.id()).await.unwrap();
    let run = session.query("x").await;
    assert!(
        run.whole.verdict == Some(Verdict::NonzeroExit) && run.whole.stderr.lossy().contains("NameError"),
        "{}",
        told(&run)
    );
    assert_eq!(session.shown("print(open('kept').read())").await, "yes\n");
}

#[tokio::test]
async fn sessions_do_not_see_each_other() {
    let (one, other) = (Session::of("python").await, Session::of("python").await);
    one.shown("x = 1; n = open('mine', 'w').write('1')").await;
    assert_eq!(other.shown("import os; print(os.listdir('.'), 'x' in globals())").await, "[] False\n");
}

#[tokio::test]
async fn a_start_up_command_runs_and_a_batch_session_ends_with_it() {
    let request = SessionCreate {
        kind: madang_public_api::SessionKind::Batch,
        startup_command: Some("echo started > log; exit 0".to_owned()),
        tags: BTreeMap::from([("of".to_owned(), "life".to_owned())]),
        ..named("life-batch")
    };
    let session = Session::made(request).await;
    ends(&session, "completed").await;
    assert_eq!(shared().client().session_get(&session.id()).await.unwrap().tags["of"], "life");
}
