//! What must hold after every kill: sessions answer or are over, sandboxes and sessions belong together, results stay.

use std::{collections::BTreeSet, fs, path::Path, sync::Arc};

use futures_util::future::join_all;
use madang_ids::SessionId;
use madang_model::Verdict;
use madang_public_api::SessionState;

use crate::{
    keyed, load, process,
    world::{World, converges},
};

/// Results looked up again after each round, beside the new ones.
const OLD_RESULTS: usize = 40;

/// All checks of one round.
pub async fn after_kill(world: &Arc<World>, instance: &str, seen_before: usize) {
    sessions_settle(world).await;
    strangers_go(world).await;
    corpses_go(world, instance).await;
    results_stay(world, seen_before).await;
    files_stay(world).await;
}

/// Every session answers a query or has ended with a reason.
async fn sessions_settle(world: &Arc<World>) {
    let mut known = world.kept().sessions.clone();
    match world.client.sessions(Some("live")).await {
        Ok(live) => known.extend(live.iter().map(|session| session.id)),
        Err(error) => world.complain(format!("sessions cannot be listed: {error}")),
    }
    let waits = known.into_iter().map(async |id| {
        if let Err(seen) = converges("a session answers or is over", async || settled(world, id).await).await {
            world.complain(format!("session {id} is stuck: {seen}"));
        }
    });
    join_all(waits).await;
}

async fn settled(world: &World, id: SessionId) -> Result<(), String> {
    let session = match world.client.session_get(&id.to_string()).await {
        Ok(session) => session,
        Err(error) => return Err(format!("it cannot be read: {error}")),
    };
    match session.state {
        SessionState::Ended | SessionState::Refused => {
            world.kept().sessions.remove(&id);
            session.why.filter(|why| !why.is_empty()).map(drop).ok_or_else(|| "it ended without a reason".to_owned())
        }
        SessionState::Running => {
            let answer = world.client.session_run(&id.to_string(), &load::question()).await;
            let answer = answer.map_err(|error| format!("running, and refuses: {error}"))?;
            match (answer.whole.verdict, answer.whole.stdout.lossy().as_ref()) {
                (Some(Verdict::Ok), "42\n") => Ok(()),
                other => Err(format!("running, and answers {other:?} {:?}", answer.whole.detail)),
            }
        }
        state => Err(format!("{state:?}")),
    }
}

/// Sandboxes whose session is over, or never was, go.
async fn strangers_go(world: &World) {
    let first = strangers(world).await;
    let gone = converges("a sandbox without a session goes", async || {
        let left: Vec<_> = strangers(world).await.intersection(&first).cloned().collect();
        if left.is_empty() { Ok(()) } else { Err(format!("{left:?}")) }
    });
    if let Err(left) = gone.await {
        world.complain(format!("sandboxes without a session stay: {left}"));
    }
}

async fn strangers(world: &World) -> BTreeSet<String> {
    let claimed = claims(&world.home);
    // Sessions after sandboxes: one that is seen was wanted before.
    let live = world.client.sessions(Some("live")).await.unwrap_or_default();
    let live: BTreeSet<String> = live.iter().map(|session| session.id.to_string()).collect();
    claimed.into_iter().filter(|(_, session)| !live.contains(session)).map(|(slot, _)| slot).collect()
}

/// Slots that belong to a session, with its id.
fn claims(home: &Path) -> Vec<(String, String)> {
    let read = |slot: String| {
        let text = fs::read(home.join("slots").join(&slot).join("claim.json")).ok()?;
        let claim: serde_json::Value = serde_json::from_slice(&text).ok()?;
        Some((slot, claim["spec"]["session"].as_str()?.to_owned()))
    };
    slots(home).into_iter().filter_map(read).collect()
}

pub fn slots(home: &Path) -> BTreeSet<String> {
    let entries = fs::read_dir(home.join("slots")).into_iter().flatten().flatten();
    entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
}

/// Slots whose init is dead go, pooled ones too.
async fn corpses_go(world: &World, instance: &str) {
    let first = corpses(&world.home, instance);
    let gone = converges("a dead slot goes", async || {
        let left: Vec<_> = corpses(&world.home, instance).intersection(&first).cloned().collect();
        if left.is_empty() { Ok(()) } else { Err(format!("{left:?}")) }
    });
    if let Err(left) = gone.await {
        world.complain(format!("dead slots stay: {left}"));
    }
}

fn corpses(home: &Path, instance: &str) -> BTreeSet<String> {
    let slots = slots(home);
    let living: BTreeSet<_> = process::inits(instance).iter().filter_map(|init| init.slot(instance)).collect();
    slots.difference(&living).cloned().collect()
}

/// What was acknowledged reads as it did.
pub async fn results_stay(world: &World, seen_before: usize) {
    let (runs, keyed) = {
        let kept = world.kept();
        let count = kept.runs.len().saturating_sub(seen_before) + OLD_RESULTS;
        let runs: Vec<_> = kept.runs.values().rev().take(count).cloned().collect();
        (runs, kept.keyed.clone())
    };
    for view in runs {
        match world.client.run_get(view.id).await {
            Ok(now) if now == view => {}
            Ok(now) => world.complain(format!("result {} has changed: {view:?} to {now:?}", view.id)),
            Err(error) => world.complain(format!("result {} is lost: {error}", view.id)),
        }
    }
    for asked in keyed.iter().rev().take(3) {
        match keyed::post(&world.home, &asked.key, &asked.body).await {
            Ok(view) if view.id == asked.run => {}
            other => world.complain(format!("key {} stood for {}, now {other:?}", asked.key, asked.run)),
        }
    }
}

/// Files of sessions that still run have the bytes that were acknowledged.
async fn files_stay(world: &World) {
    let files = world.kept().files.clone();
    for file in files {
        let id = file.session.to_string();
        let read = async {
            let mut bytes = Vec::new();
            let mut pieces = world.client.file_read(&id, &file.path).await?;
            while let Some(piece) = pieces.next().await? {
                bytes.extend_from_slice(&piece);
            }
            Ok::<_, madang_client::ClientError>(bytes)
        };
        let read = read.await;
        // Another may have been written over it while we read.
        let still = world.kept().files.iter().any(|now| now.session == file.session && now.bytes == file.bytes);
        let running = world.client.session_get(&id).await.is_ok_and(|session| session.state == SessionState::Running);
        match read {
            Ok(bytes) if bytes == file.bytes => {}
            _ if !running => world.kept().files.retain(|now| now.session != file.session),
            _ if !still => {}
            Ok(bytes) => world.complain(format!("{} reads {} other bytes", file.path, bytes.len())),
            Err(error) => world.complain(format!("{} is lost: {error}", file.path)),
        }
    }
}
