//! Links that break in the middle of things: nothing is lost, nothing happens twice.

use std::{sync::Arc, time::Duration};

use madang_model::{RunEvent, RunEventBody, Stdin, Verdict};
use madang_node_api::{Node, RunControl, RunHandle, WriteWhen};
use madang_testkit::contract::{self, SIM};

use crate::harness::{Joined, WAIT, Wire, World};

const BREAKS: usize = 12;

struct Broken {
    wire: Wire,
    node: Joined,
    world: World,
    home: tempfile::TempDir,
}

impl Broken {
    async fn new() -> Self {
        let (world, home) = (World::new().await, tempfile::tempdir().unwrap());
        let wire = Wire::to(world.address).await;
        let node = world.node_at(wire.address, home.path()).await;
        Self { wire, node, world, home }
    }

    /// Breaks the link and waits until another one stands.
    async fn break_once(&self) {
        let mut arrivals = self.world.registry.arrivals.subscribe();
        let before = *arrivals.borrow_and_update();
        self.wire.cut();
        self.wire.heal();
        let again = arrivals.wait_for(|count| *count > before);
        tokio::time::timeout(WAIT, again).await.expect("the node comes again").unwrap();
    }
}

async fn next(handle: &mut RunHandle) -> RunEvent {
    tokio::time::timeout(WAIT, handle.events.recv()).await.expect("an event comes").expect("the run goes on")
}

#[tokio::test]
async fn a_run_is_heard_whole_over_many_links() {
    let broken = Broken::new().await;
    let spec = contract::sandbox(&SIM);
    broken.node.remote.sandbox_open(spec.clone()).await.unwrap();
    let code: Vec<_> = (0..BREAKS).flat_map(|number| [format!("print {number}"), "input".to_owned()]).collect();
    let run = contract::query(&code.join("\n"), Stdin::Live);
    let mut handle = broken.node.remote.run_start(spec.id, run).await.unwrap();
    let mut events = Vec::new();
    for number in 0..BREAKS {
        // It waits for input: what we say now has to cross the break, and be heard once.
        loop {
            let event = next(&mut handle).await;
            let waits = matches!(event.body, RunEventBody::WaitingInput { .. });
            events.push(event);
            if waits {
                break;
            }
        }
        if number % 2 == 0 {
            handle.control.send(RunControl::Stdin(format!("{number}\n").into_bytes())).await.unwrap();
            broken.break_once().await;
        } else {
            broken.break_once().await;
            handle.control.send(RunControl::Stdin(format!("{number}\n").into_bytes())).await.unwrap();
        }
    }
    let first = events.len() as u64;
    events.extend(contract::events_from(&mut handle, first).await);
    let (text, outcome) = contract::said(&events);
    let expected: String = (0..BREAKS).map(|number| format!("{number}\ngot {number}\n")).collect();
    assert_eq!((text, outcome.verdict), (expected, Verdict::Ok));
}

#[tokio::test]
async fn output_made_while_the_link_is_cut_comes_later() {
    let broken = Broken::new().await;
    let spec = contract::sandbox(&SIM);
    broken.node.remote.sandbox_open(spec.clone()).await.unwrap();
    let run = contract::query("print before\nsleep 1000\nflood 2000000\nprint after", contract::no_input());
    let mut handle = broken.node.remote.run_start(spec.id, run).await.unwrap();
    let mut events = Vec::new();
    while contract_text(&events).is_empty() {
        events.push(next(&mut handle).await);
    }
    broken.wire.cut();
    broken.node.sim.advance(1_000);
    // The program ends without anybody listening.
    let over = async {
        while broken.node.sim.runs().iter().any(|run| run.events < 100) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(WAIT, over).await.expect("the program goes on while the link is cut");
    broken.wire.heal();
    let first = events.len() as u64;
    events.extend(contract::events_from(&mut handle, first).await);
    let (text, outcome) = contract::said(&events);
    assert_eq!(outcome.verdict, Verdict::Ok);
    assert_eq!(text.len(), "before\nafter\n".len() + 2_000_000);
}

fn contract_text(events: &[RunEvent]) -> Vec<u8> {
    let stdout = events.iter().filter_map(|event| match &event.body {
        RunEventBody::Stdout { data } => Some(data.0.clone()),
        _ => None,
    });
    stdout.flatten().collect()
}

#[tokio::test]
async fn orders_given_while_links_break_are_done_once() {
    let broken = Broken::new().await;
    let specs: Vec<_> = (0..40).map(|_| contract::sandbox(&SIM)).collect();
    let orders: Vec<_> = specs
        .iter()
        .map(|spec| {
            let (remote, spec) = (broken.node.remote.clone(), spec.clone());
            tokio::spawn(async move {
                remote.sandbox_open(spec.clone()).await.unwrap();
                // Kept in the interpreter: a second doing would show.
                let run = contract::query("input\nget\nset x", Stdin::Live);
                let mut handle = remote.run_start(spec.id, run).await.unwrap();
                handle.control.send(RunControl::Stdin(b"a\n".to_vec())).await.unwrap();
                contract::said(&contract::events_from(&mut handle, 0).await).0
            })
        })
        .collect();
    for _ in 0..BREAKS {
        broken.break_once().await;
    }
    for order in orders {
        assert_eq!(order.await.unwrap(), "got a\n\n");
    }
    assert_eq!(broken.node.sim.sandboxes().len(), specs.len());
    assert_eq!(broken.node.remote.sandboxes().len(), specs.len());
}

#[tokio::test]
async fn a_file_whose_link_breaks_is_no_whole_file() {
    use tokio::io::AsyncReadExt as _;
    let broken = Broken::new().await;
    let spec = contract::sandbox(&SIM);
    broken.node.remote.sandbox_open(spec.clone()).await.unwrap();
    let bytes = Box::pin(std::io::Cursor::new(vec![7; 40 << 20]));
    broken.node.remote.file_write(spec.id, "big", WriteWhen::Always, bytes).await.unwrap();
    let mut opened = broken.node.remote.file_read(spec.id, "big").await.unwrap();
    let mut first = [0; 10];
    opened.bytes.read_exact(&mut first).await.unwrap();
    broken.break_once().await;
    let mut rest = Vec::new();
    let read = tokio::time::timeout(WAIT, opened.bytes.read_to_end(&mut rest)).await.expect("reading ends");
    assert!(read.is_err(), "a part of {} bytes was taken for the whole", rest.len());
}

#[tokio::test]
async fn a_one_shot_ends_with_the_agent_that_carries_it() {
    let (world, home) = (World::new().await, tempfile::tempdir().unwrap());
    let node = world.node(home.path()).await;
    let run = contract::query("print here\nhang", contract::no_input());
    let mut handle = node.remote.run_once(contract::sandbox(&SIM), run).await.unwrap();
    while contract_text(&[next(&mut handle).await]).is_empty() {}
    assert_eq!(node.sim.sandboxes().len(), 1);
    node.served.abort();
    let ended = async {
        while !node.sim.sandboxes().is_empty() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(WAIT, ended).await.expect("nobody carries it any more, so it is cancelled");
}

#[tokio::test]
async fn a_sessions_run_is_heard_on_after_its_agent_was_started_anew() {
    let (world, home) = (World::new().await, tempfile::tempdir().unwrap());
    let mut node = world.node(home.path()).await;
    let spec = contract::sandbox(&SIM);
    node.remote.sandbox_open(spec.clone()).await.unwrap();
    let code: Vec<_> = (0..5).flat_map(|number| [format!("print {number}"), "input".to_owned()]).collect();
    let run = contract::query(&code.join("\n"), Stdin::Live);
    let mut handle = node.remote.run_start(spec.id, run).await.unwrap();
    let mut events = Vec::new();
    for number in 0..5 {
        while !matches!(events.last(), Some(RunEvent { body: RunEventBody::WaitingInput { .. }, .. })) {
            events.push(next(&mut handle).await);
        }
        // The agent ends, what it runs goes on, another agent finds it.
        let mut arrivals = world.registry.arrivals.subscribe();
        let before = *arrivals.borrow_and_update();
        node.served.abort();
        let member = world.join(home.path(), None).await.unwrap();
        node.served = tokio::spawn(member.serve(Arc::new(node.sim.clone())));
        let again = arrivals.wait_for(|count| *count > before);
        tokio::time::timeout(WAIT, again).await.expect("the node comes again").unwrap();
        handle.control.send(RunControl::Stdin(format!("{number}\n").into_bytes())).await.unwrap();
        events.push(next(&mut handle).await);
    }
    let first = events.len() as u64;
    events.extend(contract::events_from(&mut handle, first).await);
    let (text, outcome) = contract::said(&events);
    let expected: String = (0..5).map(|number| format!("{number}\ngot {number}\n")).collect();
    assert_eq!((text, outcome.verdict), (expected, Verdict::Ok));
}

#[tokio::test]
async fn input_given_once_another_agent_is_here_reaches_it_while_the_old_connection_still_looks_alive() {
    let mut broken = Broken::new().await;
    let spec = contract::sandbox(&SIM);
    broken.node.remote.sandbox_open(spec.clone()).await.unwrap();
    let run = contract::query("input", Stdin::Live);
    let mut handle = broken.node.remote.run_start(spec.id, run).await.unwrap();
    let mut events = Vec::new();
    while !matches!(events.last(), Some(RunEvent { body: RunEventBody::WaitingInput { .. }, .. })) {
        events.push(next(&mut handle).await);
    }
    let mut arrivals = broken.world.registry.arrivals.subscribe();
    let before = *arrivals.borrow_and_update();
    broken.wire.freeze();
    broken.node.served.abort();
    let member = broken.world.join(broken.home.path(), None).await.unwrap();
    broken.node.served = tokio::spawn(member.serve(Arc::new(broken.node.sim.clone())));
    let again = arrivals.wait_for(|count| *count > before);
    tokio::time::timeout(WAIT, again).await.expect("the node comes again").unwrap();
    handle.control.send(RunControl::Stdin(b"here\n".to_vec())).await.unwrap();
    let first = events.len() as u64;
    events.extend(contract::events_from(&mut handle, first).await);
    assert_eq!(contract::said(&events).0, "got here\n");
}
