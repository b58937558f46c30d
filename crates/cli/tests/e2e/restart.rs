//! The server goes and comes back; sessions stay.

use std::{
    fs,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use madang_client::Client;
use madang_model::Verdict;
use madang_public_api::{OneShotRequest, RunView, SessionCreate, SessionState, SessionView};
use tempfile::TempDir;

use crate::{
    server::{Server, soon},
    session::{command, patient, query, told},
};

/// What is there before the server goes.
struct Before {
    session: SessionView,
    finished: RunView,
}

async fn prepare(client: &Client) -> Before {
    let request = SessionCreate {
        name: Some("stays".to_owned()),
        language: Some("python".to_owned()),
        ..SessionCreate::default()
    };
    let session = client.session_create(&request).await.unwrap();
    let id = session.id.to_string();
    let finished =
        client.session_run(&id, &query("x = 41; n = open('kept', 'w').write('kept'); print('마당')")).await.unwrap();
    assert_eq!(finished.whole.verdict, Some(Verdict::Ok), "{}", told(&finished));
    client.session_run(&id, &command(&["sh", "-c", "setsid sleep 91.5 >&- 2>&- <&- & echo on"])).await.unwrap();
    Before { session, finished }
}

/// A new server over the same home has everything that the last one acknowledged.
async fn all_is_there(home: Arc<TempDir>, before: Before) -> Server {
    let server = Server::start_in(home);
    let client = server.client();
    let id = before.session.id.to_string();
    let session = soon("the session is taken up", async || {
        let now = client.session_get(&id).await.map_err(|error| error.to_string())?;
        if now.state == SessionState::Running { Ok(now) } else { Err(format!("{now:?}")) }
    })
    .await;
    assert_eq!((session.id, session.name.as_str()), (before.session.id, "stays"));
    let kept = client.run_get(before.finished.id).await.unwrap();
    assert_eq!((kept.whole.stdout.lossy().as_ref(), kept.whole.verdict), ("마당\n", Some(Verdict::Ok)));
    assert_eq!(kept.whole.usage, before.finished.whole.usage);
    let files = client.session_run(&id, &command(&["cat", "kept"])).await.unwrap();
    assert_eq!(files.whole.stdout.lossy(), "kept", "{}", told(&files));
    // The interpreter is the same one and holds what it held.
    let state = client.session_run(&id, &query("x")).await.unwrap();
    assert_eq!(state.whole.stdout.lossy(), "41\n", "{}", told(&state));
    let works = client.session_run(&id, &query("6 * 7")).await.unwrap();
    assert_eq!(works.whole.stdout.lossy(), "42\n", "{}", told(&works));
    // What was left running still runs, once.
    let processes =
        client.session_run(&id, &command(&["sh", "-c", "ps -e -o args= | grep -c '[s]leep 91'"])).await.unwrap();
    assert_eq!(processes.whole.stdout.lossy(), "1\n", "{}", told(&processes));
    server
}

fn instances(server: &Server) -> Vec<String> {
    let mut slots = server.slots();
    slots.sort();
    slots
}

#[tokio::test]
async fn a_server_that_is_killed_finds_its_sessions_again() {
    let server = Server::start();
    let before = prepare(&server.client()).await;
    let once = OneShotRequest {
        language: Some("python".to_owned()),
        code: Some("import time; time.sleep(60)".to_owned()),
        limits: patient(),
        ..OneShotRequest::default()
    };
    let broken = server.client().run_begin(&once).await.unwrap().id;
    let slots = instances(&server);
    let home = server.kill();
    let server = all_is_there(home, before).await;
    // Those that waited for somebody are gone; a claimed one stays.
    soon("only the claimed slot stays", async || {
        let now = instances(&server);
        let still = slots.iter().filter(|slot| now.contains(slot)).count();
        if still == 1 { Ok(()) } else { Err(format!("of {slots:?} there are {now:?}")) }
    })
    .await;
    let lost = server.client().run_get(broken).await.unwrap();
    assert_eq!(lost.whole.verdict, Some(Verdict::InternalError), "{}", told(&lost));
}

#[tokio::test]
async fn a_server_that_is_asked_to_stop_leaves_sessions_and_nothing_else() {
    let server = Server::start();
    let before = prepare(&server.client()).await;
    let home = server.terminate();
    let left = std::fs::read_dir(home.path().join("slots")).unwrap().count();
    assert_eq!(left, 1, "only the session's slot stays");
    all_is_there(home, before).await;
}

/// The machine's clock was ahead when the last server ran, and is set right while it is away: time does not go back with it, or what was
/// used since would count for nothing.
#[tokio::test(flavor = "multi_thread")]
async fn time_goes_on_where_it_was_when_a_clock_is_set_meanwhile() {
    const AHEAD: Duration = Duration::from_mins(30);
    let server = Server::start();
    let file = server.home().join("clock.json");
    let mut kept = soon("the time is kept", async || {
        let text = fs::read(&file).map_err(|error| error.to_string())?;
        serde_json::from_slice::<serde_json::Value>(&text).map_err(|error| error.to_string())
    })
    .await;
    let home = server.kill();
    kept["now_us"] = (kept["now_us"].as_u64().unwrap() + AHEAD.as_micros() as u64).into();
    fs::write(&file, kept.to_string()).unwrap();
    let server = Server::start_in(home);
    let once = OneShotRequest {
        language: Some("python".to_owned()),
        code: Some("print(1)".to_owned()),
        limits: patient(),
        ..OneShotRequest::default()
    };
    let view = server.client().run(&once).await.unwrap();
    let machine = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let ahead = Duration::from_millis(view.created_at.0).saturating_sub(machine);
    assert!(ahead > AHEAD * 9 / 10, "{ahead:?}");
}
