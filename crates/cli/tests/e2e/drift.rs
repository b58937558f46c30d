//! What is done by hand to slots, behind the server's back: it is noticed, said with what was expected and what was seen, and mended.

use std::{
    fs,
    path::PathBuf,
    time::{Duration, Instant},
};

use madang_public_api::{SessionCreate, SessionState, SessionView};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::server::{Server, soon};

/// Promised on a quiet machine; printed here, as a busy one takes longer.
const PROMISED: Duration = Duration::from_secs(5);

fn mended(what: &str, since: Instant) {
    println!("{what}: mended after {:?}, promised are {PROMISED:?}", since.elapsed());
}

async fn python(server: &Server) -> SessionView {
    let request = SessionCreate { language: Some("python".to_owned()), ..SessionCreate::default() };
    server.client().session_create(&request).await.unwrap()
}

/// A slot as somebody with the powers of root finds it.
#[derive(Debug)]
struct Slot {
    name: String,
    /// One in every hierarchy.
    groups: Vec<PathBuf>,
}

impl Slot {
    fn named(server: &Server, name: &str) -> Self {
        let groups = server.cgroups().into_iter().map(|group| group.join(name)).collect();
        Self { name: name.to_owned(), groups }
    }

    /// The slot of a session.
    fn of(server: &Server, session: &SessionView) -> Self {
        let name = server.slots().into_iter().find(|name| {
            let claim = fs::read(server.home().join("slots").join(name).join("claim.json")).unwrap_or_default();
            let claim: Value = serde_json::from_slice(&claim).unwrap_or_default();
            claim["spec"]["session"] == session.id.to_string()
        });
        Self::named(server, &name.unwrap())
    }

    /// One that waits in a pool, when none is in the making.
    async fn waiting(server: &Server) -> Self {
        let name = soon("every slot waits in its pool", async || {
            let slots = server.slots();
            let ready = value(&metrics(server).await, "madang_pool_ready{");
            if !slots.is_empty() && ready == slots.len() as u64 {
                Ok(slots[0].clone())
            } else {
                Err(format!("{ready} of {slots:?} wait"))
            }
        });
        Self::named(server, &name.await)
    }

    fn init(&self) -> Pid {
        let text = fs::read_to_string(self.groups[0].join("cgroup.procs")).unwrap();
        let is_init =
            |pid: &i32| fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|args| args.starts_with(b"madang-init"));
        let pid = text.lines().map(|line| line.parse().unwrap()).find(is_init).unwrap();
        Pid::from_raw(pid).unwrap()
    }

    /// Its directory and all its groups are gone.
    async fn goes(&self, server: &Server) {
        soon("nothing is left of the slot", async || {
            let directory = server.home().join("slots").join(&self.name);
            let left: Vec<_> = self.groups.iter().chain([&directory]).filter(|path| path.exists()).collect();
            if left.is_empty() { Ok(()) } else { Err(format!("{left:?}")) }
        })
        .await;
    }
}

async fn metrics(server: &Server) -> String {
    server.client().text("/metrics").await.unwrap()
}

/// The sum of all lines that begin so.
fn value(text: &str, begin: &str) -> u64 {
    let lines = text.lines().filter(|line| line.starts_with(begin));
    lines.map(|line| line.rsplit(' ').next().unwrap().parse::<u64>().unwrap()).sum()
}

/// The line of the log about drift of this kind that has `name` in a field; with both of what it must say. It is counted, too.
async fn said(server: &Server, kind: &str, field: &str, name: &str) -> Value {
    let line = soon("the drift is in the log", async || {
        let log = fs::read_to_string(server.home().join("log")).unwrap();
        let lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let mut about = lines.filter(|line| line["fields"]["kind"] == kind && line["fields"][field] == name);
        about.next().ok_or_else(|| format!("no {kind} about {name} in {log}"))
    })
    .await;
    println!("{line}");
    assert_eq!(line["level"], "WARN");
    for both in ["expected", "seen"] {
        assert!(line["fields"][both].as_str().is_some_and(|text| !text.is_empty()), "{both}: {line}");
    }
    let counted = value(&metrics(server).await, &format!("madang_drift_total{{kind=\"{kind}\"}}"));
    assert!(counted > 0, "{kind} is not counted");
    line
}

#[tokio::test]
async fn a_session_whose_init_is_killed_ends_and_says_so() {
    let server = Server::start();
    let session = python(&server).await;
    let slot = Slot::of(&server, &session);
    kill_process(slot.init(), Signal::KILL).unwrap();
    let killed = Instant::now();
    let ended = soon("the session ends", async || {
        let now = server.client().session_get(&session.id.to_string()).await.map_err(|error| error.to_string())?;
        if now.state == SessionState::Ended { Ok(now) } else { Err(format!("{now:?}")) }
    })
    .await;
    slot.goes(&server).await;
    mended("a session whose init was killed", killed);
    assert!(ended.why.is_some_and(|why| !why.is_empty()));
    let line = said(&server, "sandbox-ended", "session", &session.id.to_string()).await;
    assert_eq!(line["fields"]["slot"], slot.name);
    said(&server, "sandbox-missing", "session", &session.id.to_string()).await;
}

#[tokio::test]
async fn a_slot_of_a_pool_whose_init_is_killed_is_replaced() {
    let server = Server::start();
    let slot = Slot::waiting(&server).await;
    let before = server.slots().len();
    kill_process(slot.init(), Signal::KILL).unwrap();
    let killed = Instant::now();
    slot.goes(&server).await;
    soon("another takes its place", async || {
        let ready = value(&metrics(&server).await, "madang_pool_ready{");
        if ready == before as u64 { Ok(()) } else { Err(format!("{ready} of {before}")) }
    })
    .await;
    mended("a slot of a pool whose init was killed", killed);
    said(&server, "slot-ended", "slot", &slot.name).await;
}
