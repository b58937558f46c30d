//! What every node keeps, whatever it is: the same checks for a simulated one, one at the other end of a link, and the real agent.
//!
//! Each check takes the node and the [`Dialect`] that its programs are written in, and panics where the contract is broken.

mod folder;

use std::{collections::BTreeMap, io::Cursor, sync::Arc, time::Duration};

use madang_ids::{AppId, RunId, SandboxId, SessionId};
use madang_model::{Limits, Outcome, RunEvent, RunEventBody, RunSpec, Stdin, Verdict, Work};
use madang_node_api::{
    AppConnection, AppSeen, AppSpec, AppState, Depth, ExecEnd, ExecEvent, ExecInput, ExecSpec, FileKind, FreezeWhen,
    Network, Node, NodeError, PORT_APP, PoolWanted, Presence, RunControl, RunHandle, SandboxSpec, WriteWhen,
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

/// Longer than anything takes on a machine that has much else to do.
const WAIT: Duration = Duration::from_secs(150);

/// How to say things to a node's interpreter.
#[derive(Debug, Clone, Copy)]
pub struct Dialect {
    pub language: &'static str,
    /// Prints a word and a newline.
    pub print: fn(&str) -> String,
    /// Keeps a word in the interpreter's memory.
    pub set: fn(&str) -> String,
    /// Prints the word that was kept.
    pub get: &'static str,
    /// Reads a line and prints `got LINE`.
    pub input: &'static str,
    /// Never ends by itself.
    pub hang: &'static str,
    /// Prints so many bytes.
    pub flood: fn(usize) -> String,
    /// Has something listen on this port that says back what it is told; on a port that is an app, if none.
    pub listen: Option<fn(u16) -> String>,
}

/// The simulated node's.
pub const SIM: Dialect = Dialect {
    language: "sim",
    print: |word| format!("print {word}"),
    set: |word| format!("set {word}"),
    get: "get",
    input: "input",
    hang: "hang",
    flood: |bytes| format!("flood {bytes}"),
    listen: None,
};

/// The real one's.
pub const PYTHON: Dialect = Dialect {
    language: "python",
    print: |word| format!("print('{word}')"),
    set: |word| format!("kept = '{word}'"),
    get: "print(kept)",
    input: "print('got ' + input())",
    hang: "import time\nwhile True: time.sleep(1)",
    flood: |bytes| format!("import sys\n_ = sys.stdout.write('x' * {bytes})"),
    listen: Some(|port| format!("{PYTHON_ECHO}\nlisten({port})")),
};

const PYTHON_ECHO: &str = "
import socket, threading
def serve(one):
    while said := one.recv(65536):
        one.sendall(said)
    one.close()
def accept(door):
    while True:
        threading.Thread(target=serve, args=(door.accept()[0],), daemon=True).start()
def listen(port):
    door = socket.create_server(('127.0.0.1', port))
    threading.Thread(target=accept, args=(door,), daemon=True).start()
";

/// Everything below, one after the other.
pub async fn check(node: Arc<dyn Node>, dialect: &Dialect) {
    facts_are_told(&*node).await;
    opening_and_closing_are_idempotent(&*node, dialect).await;
    what_has_ended_is_not_opened_again(&*node, dialect).await;
    unknown_sandboxes_are_not_found(&*node, dialect).await;
    runs_are_heard_in_order(&*node, dialect).await;
    the_interpreter_remembers(&*node, dialect).await;
    live_input_arrives_and_cancel_ends(&*node, dialect).await;
    much_output_arrives_whole(&*node, dialect).await;
    one_shots_leave_nothing(&*node, dialect).await;
    files_go_in_and_out(&*node, dialect).await;
    folder::check(&*node, dialect).await;
    what_is_frozen_thaws_for_whoever_uses_it(&*node, dialect).await;
}

/// Of nodes that hold programs by their streams.
pub async fn programs_are_held(node: &dyn Node, dialect: &Dialect) {
    let spec = sandbox(dialect);
    let id = spec.id;
    in_time("opening", node.sandbox_open(spec)).await.expect("a sandbox opens");
    let cat = || ExecSpec { argv: vec!["cat".to_owned()], ..ExecSpec::default() };
    let mut held = in_time("starting a held program", node.exec_start(id, cat())).await.expect("it starts");
    let sent: Vec<u8> = (0..3 << 20).map(|at: u32| (at.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let writer = tokio::spawn({
        let (input, sent) = (held.input.clone(), sent.clone());
        async move {
            for piece in sent.chunks(60_000) {
                input.send(ExecInput::Bytes(piece.to_vec())).await.expect("it takes its input");
            }
            input.send(ExecInput::End).await.expect("it takes its end");
        }
    });
    let mut heard = Vec::new();
    let end = loop {
        match in_time("a held program's next word", held.events.recv()).await.expect("it ends with Ended") {
            ExecEvent::Stdout(bytes) => heard.extend(bytes),
            ExecEvent::Stderr(bytes) => panic!("{}", String::from_utf8_lossy(&bytes)),
            ExecEvent::Ended(end) => break end,
        }
    };
    writer.await.expect("everything was written");
    assert_eq!(end, ExecEnd::Exited(0));
    assert!(heard == sent, "{} bytes came back of {}", heard.len(), sent.len());
    let missing = ExecSpec { argv: vec!["no-such-program".to_owned()], ..ExecSpec::default() };
    let mut held = in_time("starting", node.exec_start(id, missing)).await.expect("it starts, and says what is wrong");
    let end = loop {
        if let ExecEvent::Ended(end) = in_time("its end", held.events.recv()).await.expect("it ends with Ended") {
            break end;
        }
    };
    assert_eq!(end, ExecEnd::Exited(127));
    // One that stands aside keeps its sandbox from nothing, and goes on where it stood.
    let mut aside = node.exec_start(id, ExecSpec { aside: true, ..cat() }).await.expect("it starts");
    in_time("freezing", node.sandbox_freeze(id, FreezeWhen::Idle))
        .await
        .expect("a sandbox with a program aside is idle");
    aside.input.send(ExecInput::Bytes(b"still here".to_vec())).await.expect("it takes its input");
    let said = in_time("what it says", aside.events.recv()).await;
    assert_eq!(said, Some(ExecEvent::Stdout(b"still here".to_vec())));
    in_time("closing", node.sandbox_close(id)).await.expect("it closes");
    let gone = in_time("starting in nothing", node.exec_start(id, cat())).await;
    assert!(matches!(gone, Err(NodeError::NotFound(_))), "{gone:?}");
}

/// A sandbox that nobody else has.
pub fn sandbox(dialect: &Dialect) -> SandboxSpec {
    SandboxSpec {
        id: SandboxId::new(),
        session: SessionId::new(),
        image: "host".into(),
        language: Some(dialect.language.to_owned()),
        limits: Limits::default(),
        devices: Vec::new(),
        env: BTreeMap::new(),
        network: Network::None,
        lease_ms: None,
        mounts: Vec::new(),
        app: None,
        peer: None,
    }
}

/// A query.
pub fn query(code: &str, stdin: Stdin) -> RunSpec {
    let work = Work::Query { code: code.to_owned() };
    let (files, inputs) = (Vec::new(), Vec::new());
    // No check is of its time, which a machine that has much else to do may take.
    let limits = Limits { wall_ms: 120_000, cpu_ms: 60_000, ..Limits::default() };
    RunSpec { id: RunId::new(), work, files, stdin, inputs, env: BTreeMap::new(), limits }
}

/// Nothing on standard input.
pub fn no_input() -> Stdin {
    Stdin::Whole { bytes: Vec::new().into() }
}

async fn in_time<T>(what: &str, work: impl Future<Output = T>) -> T {
    tokio::time::timeout(WAIT, work).await.unwrap_or_else(|_| panic!("{what}: nothing happens"))
}

/// Every event of a run until its last, and that they are numbered without gaps from `first` on.
pub async fn events_from(handle: &mut RunHandle, first: u64) -> Vec<RunEvent> {
    let mut all: Vec<RunEvent> = Vec::new();
    loop {
        let event = in_time("a run's next event", handle.events.recv()).await.expect("a run ends with Finished");
        assert_eq!(event.seq, first + all.len() as u64, "{event:?}");
        let last = matches!(event.body, RunEventBody::Finished { .. });
        all.push(event);
        if last {
            return all;
        }
    }
}

/// What a run wrote to stdout, and how it ended.
pub fn said(events: &[RunEvent]) -> (String, Outcome) {
    let mut text = Vec::new();
    for event in events {
        match &event.body {
            RunEventBody::Stdout { data } => text.extend_from_slice(&data.0),
            RunEventBody::Finished { outcome } => {
                return (String::from_utf8_lossy(&text).into_owned(), outcome.clone());
            }
            _ => {}
        }
    }
    panic!("a run without an end: {events:?}");
}

async fn answer(node: &dyn Node, sandbox: SandboxId, code: &str) -> (String, Outcome) {
    let mut handle = in_time("starting", node.run_start(sandbox, query(code, no_input()))).await.expect("it starts");
    said(&events_from(&mut handle, 0).await)
}

async fn opened(node: &dyn Node, dialect: &Dialect) -> SandboxId {
    let spec = sandbox(dialect);
    let id = spec.id;
    in_time("opening", node.sandbox_open(spec)).await.expect("it opens");
    id
}

fn listed(node: &dyn Node, id: SandboxId) -> bool {
    node.sandboxes().iter().any(|seen| seen.id == id)
}

async fn facts_are_told(node: &dyn Node) {
    let facts = node.facts();
    assert!(facts.cpu_millis > 0 && facts.memory_bytes > 0 && !facts.arch.is_empty(), "{facts:?}");
    assert_eq!(*node.presence().borrow(), Presence::Here);
    assert!(node.health().ready, "{:?}", node.health());
    assert!(!node.languages().is_empty());
    let images = in_time("images", node.images()).await.expect("images are listed");
    assert!(images.iter().any(|image| image.name == "host"), "{images:?}");
    let wanted = PoolWanted { image: "host".into(), language: None, slots: 1 };
    in_time("a pool", node.pool_want(wanted)).await.expect("pools take wishes");
}

async fn opening_and_closing_are_idempotent(node: &dyn Node, dialect: &Dialect) {
    let spec = sandbox(dialect);
    let id = spec.id;
    node.sandbox_open(spec.clone()).await.expect("it opens");
    node.sandbox_open(spec).await.expect("it opens again");
    // Seen as soon as whoever opened it knows.
    assert!(listed(node, id));
    assert_eq!(node.sandboxes().iter().filter(|seen| seen.id == id).count(), 1);
    node.sandbox_close(id).await.expect("it closes");
    assert!(!listed(node, id));
    node.sandbox_close(id).await.expect("what is closed closes again");
    let no_such_image = SandboxSpec { image: "registry.example/no/such:image".into(), ..sandbox(dialect) };
    assert!(node.sandbox_open(no_such_image).await.is_err());
}

async fn what_has_ended_is_not_opened_again(node: &dyn Node, dialect: &Dialect) {
    let (ended, never) = (sandbox(dialect), sandbox(dialect));
    node.sandbox_open(ended.clone()).await.expect("it opens");
    // The second is closed before its order to open comes.
    for spec in [ended, never] {
        let id = spec.id;
        node.sandbox_close(id).await.expect("it closes");
        let again = node.sandbox_open(spec).await;
        assert!(matches!(again, Err(NodeError::Conflict(_))), "{again:?}");
        assert!(!listed(node, id));
    }
}

async fn unknown_sandboxes_are_not_found(node: &dyn Node, dialect: &Dialect) {
    let nobody = SandboxId::new();
    let run = query(&(dialect.print)("a"), no_input());
    assert!(matches!(node.run_start(nobody, run).await, Err(NodeError::NotFound(_))));
    assert!(matches!(node.file_read(nobody, "a").await, Err(NodeError::NotFound(_))));
    assert!(matches!(node.usage(nobody).await, Err(NodeError::NotFound(_))));
    assert!(matches!(node.sandbox_restart(nobody).await, Err(NodeError::NotFound(_))));
    assert!(matches!(node.sandbox_interrupt(nobody).await, Err(NodeError::NotFound(_))));
}

async fn runs_are_heard_in_order(node: &dyn Node, dialect: &Dialect) {
    let id = opened(node, dialect).await;
    let code: Vec<_> = (0..50).map(|number| (dialect.print)(&number.to_string())).collect();
    let (text, outcome) = answer(node, id, &code.join("\n")).await;
    let expected: String = (0..50).map(|number| format!("{number}\n")).collect();
    assert_eq!((text, outcome.verdict), (expected, Verdict::Ok));
    node.usage(id).await.expect("what it used is known");
    node.sandbox_close(id).await.expect("it closes");
}

async fn the_interpreter_remembers(node: &dyn Node, dialect: &Dialect) {
    let id = opened(node, dialect).await;
    answer(node, id, &(dialect.set)("apple")).await;
    assert_eq!(answer(node, id, dialect.get).await.0.trim(), "apple");
    node.sandbox_restart(id).await.expect("it restarts");
    assert_ne!(answer(node, id, dialect.get).await.0.trim(), "apple");
    node.sandbox_close(id).await.expect("it closes");
}

async fn live_input_arrives_and_cancel_ends(node: &dyn Node, dialect: &Dialect) {
    let id = opened(node, dialect).await;
    let mut handle = node.run_start(id, query(dialect.input, Stdin::Live)).await.expect("it starts");
    handle.control.send(RunControl::Stdin(b"pear\n".to_vec())).await.expect("the run listens");
    let (text, outcome) = said(&events_from(&mut handle, 0).await);
    assert!(text.contains("got pear"), "{text:?}");
    assert_eq!(outcome.verdict, Verdict::Ok);
    let mut handle = node.run_start(id, query(dialect.hang, Stdin::Live)).await.expect("it starts");
    handle.control.send(RunControl::Cancel).await.expect("the run listens");
    assert_eq!(said(&events_from(&mut handle, 0).await).1.verdict, Verdict::Cancelled);
    node.sandbox_close(id).await.expect("it closes");
}

async fn much_output_arrives_whole(node: &dyn Node, dialect: &Dialect) {
    const BYTES: usize = 3_000_000;
    let id = opened(node, dialect).await;
    let (text, outcome) = answer(node, id, &(dialect.flood)(BYTES)).await;
    assert_eq!((text.len(), outcome.verdict), (BYTES, Verdict::Ok));
    node.sandbox_close(id).await.expect("it closes");
}

fn is_frozen(node: &dyn Node, id: SandboxId) -> Option<bool> {
    node.sandboxes().into_iter().find(|seen| seen.id == id).map(|seen| seen.frozen)
}

async fn until_frozen_is(node: &dyn Node, id: SandboxId, frozen: bool) {
    in_time("what is seen of it to change", async {
        while is_frozen(node, id) != Some(frozen) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
}

async fn what_is_frozen_thaws_for_whoever_uses_it(node: &dyn Node, dialect: &Dialect) {
    let nobody = SandboxId::new();
    assert!(matches!(node.sandbox_freeze(nobody, FreezeWhen::Idle).await, Err(NodeError::NotFound(_))));
    assert!(matches!(node.sandbox_thaw(nobody).await, Err(NodeError::NotFound(_))));
    let id = opened(node, dialect).await;
    node.sandbox_thaw(id).await.expect("what is not frozen is left so");
    answer(node, id, &(dialect.set)("plum")).await;
    // By itself, by a run, by a file.
    for turn in 0..3 {
        let seen = in_time("freezing", node.sandbox_freeze(id, FreezeWhen::Idle)).await.expect("it freezes");
        assert!(seen.after_bytes <= seen.before_bytes, "{seen:?}");
        node.sandbox_freeze(id, FreezeWhen::Idle).await.expect("it is frozen already");
        until_frozen_is(node, id, true).await;
        match turn {
            0 => node.sandbox_thaw(id).await.expect("it thaws"),
            1 => assert_eq!(answer(node, id, dialect.get).await.0.trim(), "plum"),
            _ => drop(node.file_list(id, "", Depth::Children).await.expect("it is listed")),
        }
        until_frozen_is(node, id, false).await;
        assert_eq!(answer(node, id, dialect.get).await.0.trim(), "plum");
    }
    let mut handle = node.run_start(id, query(dialect.hang, Stdin::Live)).await.expect("it starts");
    let busy = node.sandbox_freeze(id, FreezeWhen::Idle).await;
    assert!(matches!(busy, Err(NodeError::Conflict(_))), "{busy:?}");
    in_time("freezing a run", async {
        // Until the run has begun to wait for its program.
        while node.sandbox_freeze(id, FreezeWhen::Now).await.is_err() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
    until_frozen_is(node, id, true).await;
    handle.control.send(RunControl::Cancel).await.expect("the run listens");
    assert_eq!(said(&events_from(&mut handle, 0).await).1.verdict, Verdict::Cancelled);
    in_time("freezing", node.sandbox_freeze(id, FreezeWhen::Idle)).await.expect("it freezes");
    // What is frozen can be closed, and opened by nobody again.
    node.sandbox_close(id).await.expect("it closes");
    assert!(!listed(node, id));
}

async fn one_shots_leave_nothing(node: &dyn Node, dialect: &Dialect) {
    let spec = sandbox(dialect);
    let id = spec.id;
    let run = query(&(dialect.print)("once"), no_input());
    let mut handle = in_time("a one-shot", node.run_once(spec, run)).await.expect("it starts");
    let (text, outcome) = said(&events_from(&mut handle, 0).await);
    assert_eq!((text.as_str(), outcome.verdict), ("once\n", Verdict::Ok));
    in_time("the sandbox to go", async {
        while listed(node, id) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
}

async fn files_go_in_and_out(node: &dyn Node, dialect: &Dialect) {
    let id = opened(node, dialect).await;
    let bytes: Vec<u8> = (0..1_000_000_u32).map(|number| (number % 251) as u8).collect();
    let source = Box::pin(Cursor::new(bytes.clone()));
    let written =
        in_time("writing", node.file_write(id, "dir/big.bin", WriteWhen::Absent, source)).await.expect("it is written");
    assert_eq!(written.size_bytes, bytes.len() as u64);
    node.file_write(id, "empty", WriteWhen::Always, Box::pin(Cursor::new(Vec::new()))).await.expect("an empty one too");
    let mut opened = in_time("reading", node.file_read(id, "dir/big.bin")).await.expect("it is there");
    assert_eq!((opened.seen.size_bytes, opened.seen.tag), (bytes.len() as u64, written.tag));
    let mut read = Vec::new();
    in_time("its bytes", opened.bytes.read_to_end(&mut read)).await.expect("they come");
    assert!(read == bytes, "{} bytes came, others than were written", read.len());
    let listed = node.file_list(id, "", Depth::All).await.expect("it is listed");
    let kind_of = |path: &str| listed.iter().find(|file| file.path == path).map(|file| file.kind);
    assert_eq!(kind_of("dir/big.bin"), Some(FileKind::File), "{listed:?}");
    assert_eq!(kind_of("dir"), Some(FileKind::Directory), "{listed:?}");
    for when in [WriteWhen::Absent, WriteWhen::Same(written.tag ^ 1)] {
        let refused = node.file_write(id, "dir/big.bin", when, Box::pin(Cursor::new(vec![1]))).await;
        assert!(matches!(refused, Err(NodeError::Changed(_))), "{when:?}: {refused:?}");
    }
    let small = Box::pin(Cursor::new(vec![1]));
    let again = node.file_write(id, "dir/big.bin", WriteWhen::Same(written.tag), small).await.expect("it is the one");
    assert_ne!(again.tag, written.tag);
    node.file_remove(id, "dir/big.bin").await.expect("it is removed");
    assert!(matches!(node.file_read(id, "dir/big.bin").await, Err(NodeError::NotFound(_))));
    assert!(node.file_write(id, "../outside", WriteWhen::Always, Box::pin(Cursor::new(vec![1]))).await.is_err());
    node.sandbox_close(id).await.expect("it closes");
}

/// Everything that is said comes back, also if it is more than fits on the way, and an end is answered by one.
async fn says_back(mut connection: AppConnection) {
    let said: Vec<u8> = (0..3_000_000_u32).map(|number| (number % 253) as u8).collect();
    let (mut from, mut to) = tokio::io::split(&mut connection);
    let speak = async {
        to.write_all(&said).await.expect("it listens");
        to.shutdown().await.expect("an end is told");
    };
    let mut heard = Vec::new();
    let listen = async { from.read_to_end(&mut heard).await.expect("it answers") };
    in_time("an echo", async { tokio::join!(speak, listen) }).await;
    assert!(heard == said, "{} bytes came back, others than were said", heard.len());
}

/// An app that is there, however late its program listens.
async fn started(node: &dyn Node, id: SandboxId, app: &AppSpec) -> AppSeen {
    loop {
        match node.app_start(id, app.clone()).await {
            Ok(seen) => return seen,
            Err(NodeError::Unavailable(_)) => tokio::time::sleep(Duration::from_millis(20)).await,
            Err(error) => panic!("it does not start: {error}"),
        }
    }
}

/// Of nodes that open apps.
pub async fn apps_are_reached_and_end(node: &dyn Node, dialect: &Dialect) {
    const PORT: u16 = 8_123;
    let id = opened(node, dialect).await;
    let nobody = node.port_connect(id, PORT).await.map(drop);
    assert!(matches!(nobody, Err(NodeError::Unavailable(_))), "{nobody:?}");
    if let Some(listen) = dialect.listen {
        answer(node, id, &listen(PORT)).await;
    }
    let (env, arguments) = (BTreeMap::new(), Vec::new());
    let app = AppSpec { id: AppId::new(), name: PORT_APP.into(), port: Some(PORT), protocol: None, arguments, env };
    let seen = in_time("an app", started(node, id, &app)).await;
    assert_eq!((seen.id, seen.port, seen.state), (app.id, PORT, AppState::Running));
    let again = node.app_start(id, AppSpec { id: AppId::new(), ..app.clone() }).await;
    assert_eq!(again.as_ref(), Ok(&seen), "the one that is there is meant");
    assert_eq!(node.apps(id).await.as_ref(), Ok(&vec![seen]));
    says_back(node.app_connect(id, app.id).await.expect("it is reached")).await;
    says_back(node.port_connect(id, PORT).await.expect("its port too")).await;
    let other = node.app_connect(id, AppId::new()).await.map(drop);
    assert!(matches!(other, Err(NodeError::NotFound(_))), "{other:?}");
    let unknown = AppSpec { name: "no-such-app".into(), ..app.clone() };
    assert!(matches!(node.app_start(id, unknown).await, Err(NodeError::Invalid(_))));
    let mut held = node.app_connect(id, app.id).await.expect("it is reached");
    node.app_stop(id, app.id).await.expect("it stops");
    node.app_stop(id, app.id).await.expect("what is stopped stops again");
    assert_eq!(node.apps(id).await, Ok(Vec::new()));
    node.sandbox_close(id).await.expect("it closes");
    let mut rest = Vec::new();
    // With the sandbox goes every connection into it; how its end is told is not said.
    let _ = in_time("the end of a connection", held.read_to_end(&mut rest)).await;
    assert!(node.app_connect(id, app.id).await.is_err());
}
