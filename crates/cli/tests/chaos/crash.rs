//! Particular crashes, one at a time.

use std::{ffi::OsStr, fs, os::unix::ffi::OsStrExt as _, sync::Arc};

use madang_client::Client;
use madang_model::Verdict;
use madang_public_api::{RunRequest, RunView, SessionCreate, SessionState, SessionView};
use rustix::process::Signal;
use tokio::runtime::Runtime;

use crate::{
    alone, check, instance,
    process::{self, Process},
    server::{Server, eventually},
    world::{STUCK, converges},
};

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

async fn session(client: &Client) -> SessionView {
    let create = SessionCreate { language: Some("python".to_owned()), ..SessionCreate::default() };
    let session = client.session_create(&create).await.unwrap();
    assert_eq!(session.state, SessionState::Running);
    session
}

async fn ask(client: &Client, session: &SessionView, code: &str, wall_ms: u64) -> RunView {
    let mut request = RunRequest { code: Some(code.to_owned()), ..RunRequest::default() };
    request.limits.wall_ms = Some(wall_ms);
    client.session_run(&session.id.to_string(), &request).await.unwrap()
}

/// Waits until the session is over and says why.
async fn over(client: &Client, session: &SessionView) -> String {
    let seen = converges("a session is over", async || {
        let now = client.session_get(&session.id.to_string()).await.map_err(|error| error.to_string())?;
        now.why.clone().filter(|_| now.state == SessionState::Ended).ok_or_else(|| format!("{:?}", now.state))
    });
    seen.await.unwrap()
}

/// The init of the only slot that belongs to a session.
fn claimed_init(server: &Server) -> Process {
    let instance = instance(server);
    let claimed = |init: &Process| {
        let slot = init.slot(&instance).unwrap_or_default();
        server.home().join("slots").join(slot).join("claim.json").exists()
    };
    process::inits(&instance).into_iter().find(claimed).unwrap()
}

#[test]
fn chaos_a_query_whose_sandbox_is_killed_is_answered_and_its_session_over() {
    let _alone = alone();
    let server = Server::start();
    let client = server.client();
    runtime().block_on(async {
        let session = session(&client).await;
        let (asking, of) = (client.clone(), session.clone());
        let code = "import time; open('begun', 'w').close(); time.sleep(60)";
        let asked = tokio::spawn(async move { ask(&asking, &of, code, 90_000).await });
        converges("the program begins", async || {
            client.file_read(&session.id.to_string(), "begun").await.map_err(|error| error.to_string())
        })
        .await
        .unwrap();
        process::signal(claimed_init(&server).pid, Signal::KILL);
        let answer = tokio::time::timeout(STUCK, asked).await.unwrap().unwrap();
        assert_eq!(answer.whole.verdict, Some(Verdict::InternalError), "{answer:?}");
        assert!(over(&client, &session).await.contains("sandbox lost"));
    });
}

#[test]
fn chaos_a_sandbox_that_stops_answering_is_ended() {
    let _alone = alone();
    let server = Server::start();
    let client = server.client();
    runtime().block_on(async {
        let session = session(&client).await;
        assert_eq!(ask(&client, &session, "6 * 7", 60_000).await.whole.stdout.lossy(), "42\n");
        process::signal(claimed_init(&server).pid, Signal::STOP);
        let answer = tokio::time::timeout(STUCK, ask(&client, &session, "6 * 7", 500)).await.unwrap();
        assert_ne!(answer.whole.verdict, Some(Verdict::Ok));
        over(&client, &session).await;
    });
}

#[test]
fn chaos_a_server_starts_over_a_sandbox_that_does_not_answer() {
    let _alone = alone();
    let server = Server::start();
    let runtime = runtime();
    let (lost, kept) = runtime.block_on(async {
        let lost = session(&server.client()).await;
        process::signal(claimed_init(&server).pid, Signal::STOP);
        (lost, session(&server.client()).await)
    });
    let server = Server::start_in(server.kill());
    process::reap(process::server(server.home()).map(|server| server.pid));
    let client = server.client();
    runtime.block_on(async {
        over(&client, &lost).await;
        assert_eq!(ask(&client, &kept, "6 * 7", 60_000).await.whole.stdout.lossy(), "42\n");
    });
}

#[test]
fn chaos_what_a_session_used_before_a_crash_still_counts() {
    let _alone = alone();
    let server = Server::start();
    let runtime = runtime();
    let (before, used) = runtime.block_on(async {
        let client = server.client();
        let before = session(&client).await;
        ask(&client, &before, "sum(range(10 ** 7))", 60_000).await;
        let used = client.session_usage(&before.id.to_string()).await.unwrap();
        (before, used)
    });
    // How it divides into user and system time is known by the tick only.
    let cpu_us = |usage: &madang_model::Usage| usage.cpu_user_us + usage.cpu_system_us;
    assert!(cpu_us(&used) > 20_000, "{used:?}");
    let server = Server::start_in(server.kill());
    let after = runtime.block_on(server.client().session_usage(&before.id.to_string())).unwrap();
    assert!(cpu_us(&after) >= cpu_us(&used) && after.wall_us >= used.wall_us, "{used:?}, then {after:?}");
}

#[test]
fn chaos_a_spawner_ends_with_its_server() {
    let _alone = alone();
    let server = Server::start();
    let old = process::spawners();
    assert_eq!(old.len(), 1);
    let home = server.kill();
    eventually("the spawner ends", || {
        process::reap(None);
        let now = process::spawners();
        if now.is_empty() { Ok(()) } else { Err(format!("{now:?}")) }
    });
    drop(Server::start_in(home));
}

#[test]
fn chaos_what_a_crash_leaves_half_done_is_cleared_away() {
    let _alone = alone();
    let server = Server::start();
    let groups = server.cgroups();
    let home: Arc<_> = server.terminate();
    let slots = home.path().join("slots");
    fs::create_dir(slots.join("no claim")).unwrap();
    fs::create_dir(slots.join(OsStr::from_bytes(b"not \xff text\n"))).unwrap();
    fs::write(slots.join("a file"), "").unwrap();
    fs::create_dir(slots.join("half")).unwrap();
    fs::write(slots.join("half/claim.json"), r#"{"spec":{"id":"#).unwrap();
    fs::write(slots.join("half/claim.part"), "").unwrap();
    groups.iter().for_each(|group| fs::create_dir_all(group.join("only-a-group")).unwrap());
    fs::write(home.path().join("admin.token.new"), "mdg_").unwrap();
    drop(std::os::unix::net::UnixListener::bind(home.path().join("madang.sock")).unwrap());

    let server = Server::start_in(home);
    let odd = ["no claim", "not \u{fffd} text\n", "a file", "half", "only-a-group"];
    let left: Vec<_> = check::slots(server.home()).into_iter().filter(|name| odd.contains(&name.as_str())).collect();
    assert!(left.is_empty(), "{left:?}");
    assert!(server.cgroups().iter().all(|group| !group.join("only-a-group").exists()));
    let client = server.client();
    runtime().block_on(async {
        let session = session(&client).await;
        assert_eq!(ask(&client, &session, "6 * 7", 60_000).await.whole.stdout.lossy(), "42\n");
    });
}
