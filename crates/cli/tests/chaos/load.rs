//! Clients that use the server as people would, all at once, whatever is killed under them.

use std::{sync::Arc, time::Duration};

use madang_ids::SessionId;
use madang_model::LimitsAsked;
use madang_public_api::{OneShotRequest, RunMode, RunRequest, SessionCreate, SessionState, SessionView};
use tokio::task::JoinSet;

use crate::{
    keyed::{self, Keyed},
    world::{StoredFile, World},
};

/// An answer that takes longer never comes.
const ANSWER_MAX: Duration = Duration::from_secs(300);
/// What a run may take, which nothing here does, however long the machine has something else to do.
const WALL_MS: u64 = 120_000;
const FILE_BYTES: usize = 192 << 10;
const FILES_KEPT_MAX: usize = 8;

/// Starts every kind of client.
pub fn begin(world: &Arc<World>, clients: &mut JoinSet<()>) {
    for worker in 0..2 {
        clients.spawn(repeat(Arc::clone(world), worker, Work::OneShot));
        clients.spawn(repeat(Arc::clone(world), worker, Work::Query));
    }
    for work in [Work::Keyed, Work::Compile, Work::File, Work::Long, Work::Churn] {
        clients.spawn(repeat(Arc::clone(world), 0, work));
    }
}

#[derive(Debug, Clone, Copy)]
enum Work {
    OneShot,
    Keyed,
    Query,
    Compile,
    File,
    Long,
    Churn,
}

async fn repeat(world: Arc<World>, worker: u64, work: Work) {
    let mut turn = 0;
    while !world.is_over() {
        let _open = world.gate.read().await;
        turn += 1;
        let once = async {
            match work {
                Work::OneShot => one_shot(&world, worker, turn).await,
                Work::Keyed => keyed_run(&world, turn).await,
                Work::Query => query(&world, worker).await,
                Work::Compile => compile(&world, turn).await,
                Work::File => file(&world, turn).await,
                Work::Long => long(&world, turn).await,
                Work::Churn => churn(&world).await,
            }
        };
        if tokio::time::timeout(ANSWER_MAX, once).await.is_err() {
            world.complain(format!("{work:?} {worker} was not answered within {ANSWER_MAX:?}"));
        }
        // A server that is away is asked again a moment later.
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

async fn one_shot(world: &World, worker: u64, turn: u64) {
    let request = OneShotRequest {
        language: Some("python".to_owned()),
        code: Some(format!("print({worker}, {turn} * 2)")),
        limits: patient(),
        ..OneShotRequest::default()
    };
    match world.client.run(&request).await {
        Ok(view) => drop(world.acknowledged("one-shot", &view, Some(&format!("{worker} {}\n", turn * 2)))),
        Err(error) => world.refused("one-shot", &error),
    }
}

/// The same request under the same key until it is answered, and once more: it is one run.
async fn keyed_run(world: &World, turn: u64) {
    let key = format!("chaos-{turn}-{}", std::process::id());
    let body =
        format!(r#"{{"language":"python","code":"print({turn})","limits":{{"wall_ms":{WALL_MS}}},"wait":true}}"#);
    let mut first = None;
    for _ in 0..2 {
        loop {
            match keyed::post(&world.home, &key, &body).await {
                Ok(view) => {
                    if let Some(before) = first.replace(view.id)
                        && before != view.id
                    {
                        world.complain(format!("key {key} made two runs: {before} and {}", view.id));
                    }
                    world.acknowledged("keyed", &view, Some(&format!("{turn}\n")));
                    break;
                }
                // Refused for now: nothing was made, so the same may be asked again.
                Err(None | Some((429 | 503, _))) if !world.is_over() => {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
                Err(None) => return,
                Err(Some((status, text))) => return world.complain(format!("key {key}: {status} {text}")),
            }
        }
    }
    world.kept().keyed.extend(first.map(|run| Keyed { key, body, run }));
}

/// The session called `name`, made if it is not there.
async fn session(world: &World, name: &str) -> Option<SessionView> {
    let create = SessionCreate {
        name: Some(name.to_owned()),
        language: Some("python".to_owned()),
        reuse_if_exists: true,
        ..SessionCreate::default()
    };
    match world.client.session_create(&create).await {
        Ok(view) => {
            world.kept().sessions.insert(view.id);
            (view.state == SessionState::Running).then_some(view)
        }
        Err(error) => {
            world.refused("session", &error);
            None
        }
    }
}

fn patient() -> LimitsAsked {
    LimitsAsked { wall_ms: Some(WALL_MS), ..LimitsAsked::default() }
}

pub fn question() -> RunRequest {
    RunRequest { code: Some("6 * 7".to_owned()), limits: patient(), ..RunRequest::default() }
}

async fn query(world: &World, worker: u64) {
    let Some(session) = session(world, &format!("query-{worker}")).await else { return };
    for _ in 0..20 {
        match world.client.session_run(&session.id.to_string(), &question()).await {
            Ok(view) if world.acknowledged("query", &view, Some("42\n")) => {}
            Ok(_) => return,
            Err(error) => return world.refused("query", &error),
        }
    }
}

async fn compile(world: &World, turn: u64) {
    let code = format!("#include <stdio.h>\nint main(void) {{ printf(\"%d\\n\", {turn} * 3); return 0; }}\n");
    let language = Some("c".to_owned());
    let request = OneShotRequest { language, code: Some(code), limits: patient(), ..OneShotRequest::default() };
    match world.client.run(&request).await {
        Ok(view) => drop(world.acknowledged("compile", &view, Some(&format!("{}\n", turn * 3)))),
        Err(error) => world.refused("compile", &error),
    }
}

async fn file(world: &World, turn: u64) {
    let Some(session) = session(world, "files").await else { return };
    let bytes: Vec<u8> = (0..FILE_BYTES).map(|at| (at as u64 * 31 + turn) as u8).collect();
    let path = format!("folder/{}.bin", turn % FILES_KEPT_MAX as u64);
    // It is being replaced: until that is acknowledged, either content is right.
    world.kept().files.retain(|file| file.path != path);
    let written = world.client.file_write(&session.id.to_string(), &path, std::io::Cursor::new(bytes.clone())).await;
    match written {
        Ok(()) => world.kept().files.push(StoredFile { session: session.id, path, bytes }),
        Err(error) => world.refused("file", &error),
    }
}

/// A command that takes its time, watched from its beginning to its end or cancelled in the middle.
async fn long(world: &World, turn: u64) {
    let Some(session) = session(world, "long").await else { return };
    let argv = ["/bin/sh", "-c", "for i in 1 2 3 4 5 6 7 8 9 10; do echo $i; sleep 0.2; done"];
    let request = RunRequest {
        mode: RunMode::Command,
        argv: argv.map(str::to_owned).to_vec(),
        stdin_live: true,
        limits: patient(),
        ..RunRequest::default()
    };
    let begun = match world.client.session_run_begin(&session.id.to_string(), &request).await {
        Ok(view) => view.id,
        Err(error) => return world.refused("long", &error),
    };
    match world.client.run_attach(begun).await {
        Ok(mut attached) => {
            let mut heard = 0;
            while let Ok(Some(_)) = attached.output.next().await {
                heard += 1;
                if turn.is_multiple_of(3) && heard == 4 {
                    let _ = world.client.run_cancel(begun).await;
                }
            }
        }
        Err(error) => world.refused("attach", &error),
    }
}

/// Sessions that come and go.
async fn churn(world: &World) {
    let Some(session) = session(world, "churn").await else { return };
    let id: SessionId = session.id;
    if let Err(error) = world.client.session_end(&id.to_string()).await {
        world.refused("end", &error);
    }
}
