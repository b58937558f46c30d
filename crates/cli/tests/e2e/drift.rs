//! What is done by hand to slots, behind the server's back: it is noticed, said with what was expected and what was seen, and mended.

use std::{
    fs,
    os::unix::process::ExitStatusExt as _,
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use madang_public_api::{SessionCreate, SessionState, SessionView};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::{
    server::{Server, soon},
    session::query,
};

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
    /// One in every hierarchy; in that of the freezer only of a slot that was frozen.
    groups: Vec<PathBuf>,
}

impl Slot {
    fn named(server: &Server, name: &str) -> Self {
        let groups = server.cgroups().into_iter().map(|group| group.join(name)).collect();
        Self { name: name.to_owned(), groups }
    }

    /// One that is there, in the hierarchies that it is in.
    fn found(server: &Server, name: &str) -> Self {
        let mut slot = Self::named(server, name);
        slot.groups.retain(|group| group.exists());
        slot
    }

    /// The slot of a session.
    fn of(server: &Server, session: &SessionView) -> Self {
        let name = server.slots().into_iter().find(|name| {
            let claim = fs::read(server.home().join("slots").join(name).join("claim.json")).unwrap_or_default();
            let claim: Value = serde_json::from_slice(&claim).unwrap_or_default();
            claim["spec"]["session"] == session.id.to_string()
        });
        Self::found(server, &name.unwrap())
    }

    /// One that waits in a pool, when none is in the making.
    async fn waiting(server: &Server) -> Self {
        let name = soon("every slot waits in its pool", async || {
            let mut slots = server.slots();
            let ready = value(&metrics(server).await, "madang_pool_ready{");
            // Those that wait are these only if none has come or gone meanwhile.
            let mut again = server.slots();
            slots.sort();
            again.sort();
            if !slots.is_empty() && slots == again && ready == slots.len() as u64 {
                Ok(slots[0].clone())
            } else {
                Err(format!("{ready} of {slots:?}, {again:?} wait"))
            }
        });
        Self::found(server, &name.await)
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

/// A process of this machine that no slot has started. It ends with the test, if nobody ends it before.
struct Stray(Child);

impl Stray {
    fn start() -> Self {
        Self(Command::new("sleep").arg("7200").stdin(Stdio::null()).spawn().unwrap())
    }

    fn move_into(&self, groups: &[PathBuf]) {
        for group in groups {
            fs::write(group.join("cgroup.procs"), self.0.id().to_string()).unwrap();
        }
    }

    async fn is_killed(&mut self) {
        let status =
            soon("the stray process ends", async || self.0.try_wait().unwrap().ok_or_else(|| "it runs".to_owned()))
                .await;
        assert_eq!(status.signal(), Some(9));
    }
}

impl Drop for Stray {
    fn drop(&mut self) {
        let _ = self.0.kill().and_then(|()| self.0.wait());
    }
}

/// A server that does nothing as long as this is held: what is put somewhere in several steps is all there when it looks.
struct Paused<'a>(&'a Server);

impl<'a> Paused<'a> {
    fn new(server: &'a Server) -> Self {
        server.signal(Signal::STOP);
        Self(server)
    }
}

impl Drop for Paused<'_> {
    fn drop(&mut self) {
        self.0.signal(Signal::CONT);
    }
}

/// Groups that the test has made. Those that nobody has removed go with it.
struct Made(Vec<PathBuf>);

impl Made {
    fn new(groups: Vec<PathBuf>) -> Self {
        groups.iter().for_each(|group| fs::create_dir_all(group).unwrap());
        Self(groups)
    }

    async fn go(&self) {
        soon("the groups go", async || {
            let left: Vec<_> = self.0.iter().filter(|group| group.exists()).collect();
            if left.is_empty() { Ok(()) } else { Err(format!("{left:?}")) }
        })
        .await;
    }
}

impl Drop for Made {
    fn drop(&mut self) {
        self.0.iter().for_each(|group| drop(fs::remove_dir(group)));
    }
}

/// The session's interpreter is the one it was, and answers.
async fn still_works(server: &Server, session: &SessionView) {
    let run = server.client().session_run(&session.id.to_string(), &query("kept")).await.unwrap();
    assert_eq!(run.whole.stdout.lossy(), "41\n", "{}", crate::session::told(&run));
}

async fn keeps(server: &Server, session: &SessionView) {
    server.client().session_run(&session.id.to_string(), &query("kept = 41")).await.unwrap();
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
        if ready >= before as u64 { Ok(()) } else { Err(format!("{ready} of {before}")) }
    })
    .await;
    mended("a slot of a pool whose init was killed", killed);
    said(&server, "slot-ended", "slot", &slot.name).await;
}

#[tokio::test]
async fn a_process_in_the_group_of_a_waiting_slot_is_ended_and_the_slot_replaced() {
    let server = Server::start();
    let slot = Slot::waiting(&server).await;
    let before = server.slots().len();
    let mut stray = Stray::start();
    let paused = Paused::new(&server);
    stray.move_into(&slot.groups);
    drop(paused);
    let moved = Instant::now();
    stray.is_killed().await;
    slot.goes(&server).await;
    soon("another takes its place", async || {
        let ready = value(&metrics(&server).await, "madang_pool_ready{");
        if ready >= before as u64 { Ok(()) } else { Err(format!("{ready} of {before}")) }
    })
    .await;
    mended("a process in a waiting slot", moved);
    let line = said(&server, "stray-process", "slot", &slot.name).await;
    assert!(line["fields"]["seen"].as_str().unwrap().contains(&stray.0.id().to_string()), "{line}");
}

#[tokio::test]
async fn a_process_in_the_group_of_a_session_is_ended_and_the_session_lives() {
    let server = Server::start();
    let session = python(&server).await;
    keeps(&server, &session).await;
    let slot = Slot::of(&server, &session);
    // In one hierarchy alone it uses what that one counts.
    for group in &slot.groups {
        let mut stray = Stray::start();
        stray.move_into(std::slice::from_ref(group));
        let moved = Instant::now();
        stray.is_killed().await;
        mended(&format!("a process in {}", group.parent().unwrap().display()), moved);
    }
    still_works(&server, &session).await;
    let line = said(&server, "stray-process", "slot", &slot.name).await;
    assert!(line["fields"]["sandbox"].as_str().unwrap().starts_with("sbx_"), "{line}");
}

#[tokio::test]
async fn a_process_in_the_group_of_a_slot_that_ends_does_not_outlive_it() {
    let server = Server::start();
    let session = python(&server).await;
    let slot = Slot::of(&server, &session);
    let mut stray = Stray::start();
    stray.move_into(&slot.groups[slot.groups.len() - 1..]);
    let moved = Instant::now();
    server.client().session_end(&session.id.to_string()).await.unwrap();
    stray.is_killed().await;
    slot.goes(&server).await;
    mended("a process in a slot that ends", moved);
    said(&server, "stray-process", "slot", &slot.name).await;
}

#[tokio::test]
async fn groups_and_directories_that_nobody_made_go_with_what_is_in_them() {
    let server = Server::start();
    // Of a server that serves there are the parents of all groups.
    let slot = Slot::named(&server, "by-hand");
    let paused = Paused::new(&server);
    let made = Made::new(slot.groups.iter().map(|group| group.join("below")).chain(slot.groups.clone()).collect());
    let directory = server.home().join("slots/by-hand");
    fs::create_dir(&directory).unwrap();
    fs::write(directory.join("file"), "x").unwrap();
    let (mut stray, mut below) = (Stray::start(), Stray::start());
    stray.move_into(&slot.groups);
    below.move_into(&made.0[..slot.groups.len()]);
    drop(paused);
    let put = Instant::now();
    stray.is_killed().await;
    below.is_killed().await;
    made.go().await;
    slot.goes(&server).await;
    mended("a slot that nobody made", put);
    said(&server, "unknown-slot", "slot", "by-hand").await;
}

#[tokio::test]
async fn a_group_below_a_session_s_goes_and_the_session_lives() {
    let server = Server::start();
    let session = python(&server).await;
    keeps(&server, &session).await;
    let slot = Slot::of(&server, &session);
    let paused = Paused::new(&server);
    let made = Made::new(slot.groups.iter().map(|group| group.join("below")).collect());
    let mut stray = Stray::start();
    stray.move_into(&made.0);
    drop(paused);
    let put = Instant::now();
    stray.is_killed().await;
    made.go().await;
    mended("a group below a session's", put);
    still_works(&server, &session).await;
    said(&server, "unknown-slot", "slot", &slot.name).await;
}

#[tokio::test]
async fn a_server_that_is_moved_into_a_slot_is_moved_out_again() {
    let server = Server::start();
    let session = python(&server).await;
    keeps(&server, &session).await;
    let slot = Slot::of(&server, &session);
    let pid = server.pid().to_string();
    for group in &slot.groups {
        fs::write(group.join("cgroup.procs"), &pid).unwrap();
    }
    let put = Instant::now();
    soon("the server is moved out", async || {
        let text = |group: &PathBuf| fs::read_to_string(group.join("cgroup.procs")).unwrap();
        let inside: Vec<_> = slot.groups.iter().filter(|group| text(group).lines().any(|line| line == pid)).collect();
        if inside.is_empty() { Ok(()) } else { Err(format!("it is in {inside:?}")) }
    })
    .await;
    mended("a server in a slot", put);
    still_works(&server, &session).await;
    said(&server, "stray-process", "slot", &slot.name).await;
}

/// Runs a statement in the server's database, as somebody does who has the file.
fn by_hand(server: &Server, statement: &str) {
    let code = "import sqlite3, sys\nwith sqlite3.connect(sys.argv[1], timeout=60) as d: assert d.execute(sys.argv[2]).rowcount == 1";
    let database = server.home().join("madang.db");
    let done = Command::new("python3").arg("-c").arg(code).arg(database).arg(statement).output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
}

#[tokio::test]
async fn a_session_that_is_ended_in_the_database_ends() {
    let server = Server::start();
    for how in ["UPDATE session SET state = 'ended', ended_ms = created_ms WHERE", "DELETE FROM session WHERE"] {
        let session = python(&server).await;
        let slot = Slot::of(&server, &session);
        by_hand(&server, &format!("{how} id = '{}'", session.id));
        let changed = Instant::now();
        slot.goes(&server).await;
        mended(how, changed);
        said(&server, "record-ended", "session", &session.id.to_string()).await;
        soon("the session is no longer there", async || {
            match server.client().session_get(&session.id.to_string()).await {
                Ok(view) if view.state != SessionState::Ended => Err(format!("{view:?}")),
                _ => Ok(()),
            }
        })
        .await;
    }
}
