//! Sessions that are suspended: on the real kernel, over the death of the server, by the command line.

use std::{sync::Arc, time::Instant};

use madang_client::Client;
use madang_model::Verdict;
use madang_public_api::{RunRequest, SessionCreate, SessionState, session::SuspendWhen};

use crate::{
    server::{Server, shared, soon},
    session::{Session, command, query, told, wall},
};

async fn state(client: &Client, id: &str) -> SessionState {
    client.session_get(id).await.unwrap().state
}

#[tokio::test]
async fn a_suspended_session_keeps_everything_and_the_next_query_resumes_it() {
    let session = Session::of("python").await;
    session.shown("x = 41; n = open('kept', 'w').write('yes')").await;
    let (code, out, err) = session.server.madang(&["session", "suspend", &session.id()]);
    assert!(code == 0 && out.starts_with("suspended; "), "{code} {out:?} {err:?}");
    assert_eq!(state(&session.client, &session.id()).await, SessionState::Suspended);
    let (_, listed, _) = session.server.madang(&["session", "ls"]);
    assert!(listed.lines().any(|line| line.contains(&session.id()) && line.contains("suspended")), "{listed}");
    assert_eq!(session.shown("x + 1").await, "42\n");
    assert_eq!(state(&session.client, &session.id()).await, SessionState::Running);
    session.server.madang(&["session", "suspend", &session.id()]);
    let (code, _, err) = session.server.madang(&["session", "resume", &session.id()]);
    assert_eq!((code, state(&session.client, &session.id()).await), (0, SessionState::Running), "{err}");
    session.server.madang(&["session", "suspend", &session.id()]);
    let files = session.run(command(&["cat", "kept"])).await;
    assert_eq!(files.whole.stdout.lossy(), "yes", "{}", told(&files));
    // What is suspended ends as anything else does; the server that goes last sees that nothing is left.
    session.server.madang(&["session", "suspend", &session.id()]);
    session.client.session_end(&session.id()).await.unwrap();
    soon("the session ends", async || match state(&session.client, &session.id()).await {
        SessionState::Ended => Ok(()),
        other => Err(format!("{other:?}")),
    })
    .await;
}

/// What a run may take, which is more than it needs of it on any machine.
const WALL_MS: u64 = 60_000;
/// A program that waits to be told, and then says so.
const WAITS: &str = "import os, time\nwhile not os.path.exists('go'): time.sleep(0.02)\nprint('went')";

#[tokio::test]
async fn the_time_of_a_run_stands_still_with_it() {
    let session = Session::of("python").await;
    let asked = RunRequest { limits: wall(WALL_MS), ..query(WAITS) };
    let began = Instant::now();
    let (client, id) = (session.client.clone(), session.id());
    let run = tokio::spawn(async move { client.session_run(&id, &asked).await.unwrap() });
    soon("the run begins", async || {
        let refused = session.client.session_suspend(&session.id(), SuspendWhen::Idle).await;
        match refused {
            Err(error) if error.problem().is_some_and(|problem| problem.code == "conflict") => Ok(()),
            // It had not begun.
            other => {
                session.client.session_resume(&session.id()).await.map_err(|error| error.to_string())?;
                Err(format!("{other:?}"))
            }
        }
    })
    .await;
    soon("it is suspended with its run", async || {
        let suspended = session.client.session_suspend(&session.id(), SuspendWhen::Now).await;
        suspended.map_err(|error| error.to_string())
    })
    .await;
    soon("the run has been there for longer than it may take", async || {
        let there_ms = began.elapsed().as_millis() as u64;
        if there_ms > WALL_MS + 2_000 { Ok(()) } else { Err(format!("{there_ms} ms")) }
    })
    .await;
    assert!(!run.is_finished());
    session.run(command(&["touch", "go"])).await;
    let run = run.await.unwrap();
    assert_eq!(run.whole.verdict, Some(Verdict::Ok), "{}", told(&run));
    assert_eq!(run.whole.stdout.lossy(), "went\n");
}

#[tokio::test]
async fn a_server_that_died_finds_suspended_sessions_suspended() {
    let server = Server::start();
    let client = server.client();
    let made = async |name: &str| {
        let request = SessionCreate {
            name: Some(name.to_owned()),
            language: Some("python".to_owned()),
            ..SessionCreate::default()
        };
        let id = client.session_create(&request).await.unwrap().id.to_string();
        let run = client.session_run(&id, &query("x = 41")).await.unwrap();
        assert_eq!(run.whole.verdict, Some(Verdict::Ok), "{}", told(&run));
        id
    };
    let (quiet, busy) = (made("quiet").await, made("busy").await);
    client.session_suspend(&quiet, SuspendWhen::Idle).await.unwrap();
    let run = client.session_run_begin(&busy, &query(WAITS)).await.unwrap().id;
    soon("a run is suspended", async || {
        let suspended = client.session_suspend(&busy, SuspendWhen::Now).await.map_err(|error| error.to_string())?;
        match suspended.session.runs_live {
            1 => Ok(()),
            // It had not begun: it resumes the session by itself.
            _ => Err("without its run".to_owned()),
        }
    })
    .await;
    let home = server.kill();
    let server = Server::start_in(Arc::clone(&home));
    let client = server.client();
    for id in [&quiet, &busy] {
        assert_eq!(state(&client, id).await, SessionState::Suspended);
    }
    assert_eq!(client.session_get(&busy).await.unwrap().runs_live, 1);
    client.session_run(&busy, &command(&["touch", "go"])).await.unwrap();
    let ended = soon("the run goes on to its end", async || {
        let now = client.run_get(run).await.map_err(|error| error.to_string())?;
        if now.whole.verdict.is_some() { Ok(now) } else { Err(format!("{:?}", now.state)) }
    })
    .await;
    assert_eq!((ended.whole.verdict, ended.whole.stdout.lossy().as_ref()), (Some(Verdict::Ok), "went\n"));
    for id in [&quiet, &busy] {
        let shown = client.session_run(id, &query("x + 1")).await.unwrap();
        assert_eq!(shown.whole.stdout.lossy(), "42\n", "{}", told(&shown));
    }
}

#[tokio::test]
async fn none_of_many_is_lost_while_they_are_suspended_and_asked_at_random() {
    // With a server of its own; it looks at everything that there is at the end.
    let server = shared();
    let (code, out, err) =
        server.madang(&["bench", "suspend", "--sessions", "20", "--duration", "5s", "--rounds", "5"]);
    assert_eq!(code, 0, "{out}\n{err}");
    assert!(out.contains("sessions_lost") && out.contains("given_back_percent"), "{out}");
}
