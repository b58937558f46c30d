//! What is left of a server: processes, groups, mounts, directories, descriptors. Counted before and after.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use madang_client::{Client, Place};
use tokio::runtime::Runtime;

use crate::{
    check::slots,
    process::{self, Open},
    server::{Server, eventually},
    world::converges,
};

/// A server at rest, beyond what each of its slots costs.
#[derive(Debug)]
pub struct Before {
    open: Open,
    entries: BTreeSet<String>,
}

/// Slots, their groups in every hierarchy and their inits are the same ones.
pub fn one_of_each(home: &Path, instance: &str, groups: &[PathBuf]) {
    eventually("every slot has a group and an init", || {
        process::reap(process::server(home).map(|server| server.pid));
        let slots = slots(home);
        let inits: BTreeSet<_> = process::inits(instance).iter().filter_map(|init| init.slot(instance)).collect();
        // In the freezer are only those that were frozen.
        let has_all = |group: &PathBuf| match group.to_string_lossy().contains("/freezer/") {
            true => directories(group).is_subset(&slots),
            false => directories(group) == slots,
        };
        let odd = groups.iter().find(|group| !has_all(group));
        match odd {
            Some(group) => Err(format!("{} has {:?}, not {slots:?}", group.display(), directories(group))),
            None if inits != slots => Err(format!("inits of {inits:?}, slots {slots:?}")),
            None => Ok(()),
        }
    });
}

pub fn before(home: &Path, runtime: &Runtime, instance: &str) -> Before {
    runtime.block_on(begun(home));
    Before { open: open_at_rest(home, instance), entries: names(home) }
}

/// A server that stands still right after its first word is at rest, too: all that it does of itself has to have begun.
async fn begun(home: &Path) {
    let client = Client::new(Place::local(home));
    let begun = converges("a server has begun all that it does", async || {
        let ready = client.ready().await.map_err(|error| error.to_string())?;
        let text = client.text("/metrics").await.map_err(|error| error.to_string())?;
        let pools = text.lines().filter(|line| line.starts_with("madang_pool_ready{"));
        let waiting: usize = pools.filter_map(|line| line.rsplit(' ').next()?.parse::<usize>().ok()).sum();
        let (slots, clock) = (slots(home).len(), home.join("clock.json").exists());
        let well = ready.status == "ok" && clock && slots > 0 && waiting == slots;
        if well { Ok(()) } else { Err(format!("{waiting} of {slots} slots wait, clock: {clock}, {ready:?}")) }
    });
    begun.await.unwrap();
}

/// Descriptors of the server beyond those of its slots, once two looks agree.
fn open_at_rest(home: &Path, instance: &str) -> Open {
    let server = process::server(home).unwrap().pid;
    let look = || (process::open_in(server), process::inits(instance).len());
    let mut last = look();
    let mut calm = 0;
    eventually("the server is at rest", || {
        let now = look();
        calm = if now == last { calm + 1 } else { 0 };
        last = now;
        // A second without a change.
        if calm < 100 {
            return Err(format!("{now:?}"));
        };
        let (open, slots) = now;
        Ok(Open {
            sockets: open.sockets.saturating_sub(slots),
            memories: open.memories,
            processes: open.processes.saturating_sub(slots),
        })
    })
}

/// Ends the sessions, then the server, and counts what is left.
pub fn end(server: Server, runtime: &Runtime, instance: &str, before: &Before) {
    let home = server.home().to_owned();
    let client = Client::new(Place::local(&home));
    runtime.block_on(async {
        for session in client.sessions(Some("live")).await.unwrap() {
            client.session_end(&session.id.to_string()).await.unwrap();
        }
        let none = converges("all sessions end", async || match client.sessions(Some("live")).await {
            Ok(live) if live.is_empty() => Ok(()),
            other => Err(format!("{other:?}")),
        });
        none.await.unwrap();
    });
    drop(client);
    let groups = server.cgroups();
    one_of_each(&home, instance, &groups);
    // What is being looked at or made just now is gone a little later.
    eventually("the server holds no more than at first beyond its slots", || {
        let open = open_at_rest(&home, instance);
        let more = open.sockets > before.open.sockets
            || open.memories > before.open.memories
            || open.processes > before.open.processes;
        if more { Err(format!("{open:?}, at first {:?}", before.open)) } else { Ok(()) }
    });
    let keep = server.terminate();
    nothing(&home, &groups, before);
    drop(keep);
}

fn nothing(home: &Path, groups: &[PathBuf], before: &Before) {
    eventually("nothing is left", || {
        process::reap(None);
        let processes = process::descendants();
        let groups: Vec<_> = groups.iter().filter(|group| group.exists()).collect();
        let (slots, mounts) = (slots(home), mounts(home));
        let new: Vec<_> = names(home).difference(&before.entries).cloned().collect();
        let socket = home.join("madang.sock").exists();
        let clean = processes.is_empty() && groups.is_empty() && slots.is_empty() && mounts.is_empty() && !socket;
        let seen = format!("{processes:?} {groups:?} {slots:?} {mounts:?} socket: {socket} new files: {new:?}");
        if clean && new.is_empty() { Ok(()) } else { Err(seen) }
    });
}

fn mounts(home: &Path) -> Vec<String> {
    let home = home.display().to_string();
    let all = fs::read_to_string("/proc/self/mountinfo").unwrap();
    all.lines().filter(|line| line.contains(&home)).map(str::to_owned).collect()
}

fn directories(folder: &Path) -> BTreeSet<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let folders = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
    folders.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
}

fn names(folder: &Path) -> BTreeSet<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
}
