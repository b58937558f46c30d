//! What the agent says that sandboxes have used, beside what the programs in them say.

use std::time::Duration;

use madang_ids::SandboxId;
use madang_model::{Reading, Verdict};
use madang_node::Agent;
use madang_node_api::{Node, NodeError, READING_MS_MIN, ReadingAck, RunControl};
use madang_testkit::contract::{PYTHON, events_from, no_input, query, said, sandbox};

use crate::with_agent;

/// Longer than anything takes on a machine that has much else to do.
const WAIT: Duration = Duration::from_secs(60);

pub async fn opened(agent: &Agent) -> SandboxId {
    let spec = sandbox(&PYTHON);
    let id = spec.id;
    agent.sandbox_open(spec).await.unwrap();
    id
}

pub async fn answer(agent: &Agent, sandbox: SandboxId, code: &str) -> String {
    let mut handle = agent.run_start(sandbox, query(code, no_input())).await.unwrap();
    let (text, outcome) = said(&events_from(&mut handle, 0).await);
    assert_eq!(outcome.verdict, Verdict::Ok, "{text}");
    text
}

/// Uses so much CPU time, by the program's own clock, and prints what it has used in all its life.
async fn burn(agent: &Agent, sandbox: SandboxId, seconds: f64) -> u64 {
    let code = format!(
        "import time\nend = time.process_time() + {seconds}\nwhile time.process_time() < end: pass\nprint(int(time.process_time() * 1e6))"
    );
    answer(agent, sandbox, &code).await.trim().parse().unwrap()
}

/// The next reading of the sandbox that `fits`; what comes before it is acknowledged.
pub async fn reading(agent: &Agent, sandbox: SandboxId, fits: impl Fn(&Reading) -> bool) -> Reading {
    let wait = async {
        loop {
            let readings = agent.readings().await.unwrap();
            if let Some(found) = readings.iter().find(|reading| reading.sandbox == sandbox && fits(reading)) {
                return *found;
            }
            acknowledge(agent, &readings).await;
        }
    };
    tokio::time::timeout(WAIT, wait).await.expect("no such reading comes")
}

async fn acknowledge(agent: &Agent, readings: &[Reading]) {
    let ack = |reading: &Reading| ReadingAck { sandbox: reading.sandbox, sequence: reading.sequence };
    agent.readings_ack(&readings.iter().map(ack).collect::<Vec<_>>()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_one_shot_says_what_it_has_used_while_it_lasts() {
    with_agent(async |home| {
        let agent = &home.agent;
        let spec = sandbox(&PYTHON);
        let id = spec.id;
        let mut handle = agent.run_once(spec, query("while True: pass", no_input())).await.unwrap();
        let busy = async {
            while agent.usage(id).await.is_ok_and(|usage| usage.cpu_us() < 200_000) {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(WAIT, busy).await.expect("it uses nothing");
        let seen = agent.usage(id).await.unwrap();
        handle.control.send(RunControl::Cancel).await.unwrap();
        let outcome = said(&events_from(&mut handle, 0).await).1;
        assert_eq!(outcome.verdict, Verdict::Cancelled);
        assert!(seen.cpu_us() >= 200_000 && seen.wall_us > 0, "{seen:?}");
        assert!(outcome.usage.cpu_us() >= seen.cpu_us(), "{:?} after {seen:?}", outcome.usage);
        let gone = async {
            while agent.usage(id).await.is_ok() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(WAIT, gone).await.expect("it is never forgotten");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn readings_are_what_the_program_used_and_only_grow() {
    with_agent(async |home| {
        let agent = &home.agent;
        let id = opened(agent).await;
        agent.sandbox_meter(id, READING_MS_MIN).await.unwrap();
        let own_us = burn(agent, id, 0.5).await;
        let first = reading(agent, id, |reading| reading.usage.cpu_us() >= 500_000).await;
        // What the interpreter used before it was given to anybody is not counted, what init and the kernel did for it is.
        assert!(first.usage.cpu_us() < own_us + 300_000, "{first:?} beside {own_us} µs");
        assert!(first.usage.wall_us >= 500_000 && first.usage.memory_kib_ms > 0, "{first:?}");
        acknowledge(agent, &[first]).await;
        let second = reading(agent, id, |reading| reading.sequence > first.sequence).await;
        let usage = second.since(&first.usage, &sandbox(&PYTHON).limits).unwrap();
        assert!(!second.last && usage.cpu_us() < 200_000, "{usage:?}");
        agent.sandbox_close(id).await.unwrap();
        let last = reading(agent, id, |reading| reading.last).await;
        assert!(last.sequence > second.sequence);
        last.since(&second.usage, &sandbox(&PYTHON).limits).unwrap();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_last_reading_comes_until_it_is_acknowledged_and_closes_the_id() {
    with_agent(async |home| {
        let agent = &home.agent;
        let spec = sandbox(&PYTHON);
        let id = spec.id;
        agent.sandbox_open(spec.clone()).await.unwrap();
        burn(agent, id, 0.2).await;
        let told = agent.sandbox_close(id).await.unwrap();
        let last = reading(agent, id, |reading| reading.last).await;
        assert!(last.usage.cpu_us() >= told.cpu_us(), "{last:?} after {told:?}");
        assert_eq!(reading(agent, id, |_| true).await, last, "it comes again");
        for _ in 0..2 {
            acknowledge(agent, &[last]).await;
            let more = tokio::time::timeout(Duration::from_millis(50), agent.readings()).await;
            assert!(more.is_err(), "{more:?}");
        }
        assert!(matches!(agent.sandbox_open(spec).await, Err(NodeError::Conflict(_))), "its numbers would begin anew");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sandbox_whose_init_dies_is_read_once_more() {
    with_agent(async |home| {
        let agent = &home.agent;
        let id = opened(agent).await;
        burn(agent, id, 0.3).await;
        let before = agent.usage(id).await.unwrap();
        rustix::process::kill_process(home.init_of(id), rustix::process::Signal::KILL).unwrap();
        let last = reading(agent, id, |reading| reading.last).await;
        assert!(last.usage.cpu_us() >= before.cpu_us() && before.cpu_us() >= 300_000, "{last:?} after {before:?}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_shots_are_not_read() {
    with_agent(async |home| {
        let agent = &home.agent;
        let mut handle = agent.run_once(sandbox(&PYTHON), query("1", no_input())).await.unwrap();
        let (_, outcome) = said(&events_from(&mut handle, 0).await);
        assert!(outcome.usage.wall_us > 0, "what it used stands in its end: {outcome:?}");
        // Whatever was retired before has been read by now.
        let id = opened(agent).await;
        agent.sandbox_close(id).await.unwrap();
        let last = reading(agent, id, |reading| reading.last).await;
        assert_eq!(agent.readings().await.unwrap(), [last]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_throttled_sandbox_gets_its_share_and_no_more_than_it_was_made_with() {
    // By the sandbox's own clocks: a busy machine can only give it less.
    const RATE: &str = "import time\nw, c = time.monotonic(), time.process_time()\nwhile time.monotonic() < w + 1.5: pass\n\
                        print(int((time.process_time() - c) / (time.monotonic() - w) * 1000))";
    with_agent(async |home| {
        let agent = &home.agent;
        let id = opened(agent).await;
        agent.sandbox_throttle(id, 100).await.unwrap();
        let rate: u64 = answer(agent, id, RATE).await.trim().parse().unwrap();
        assert!(rate < 200, "{rate} thousandths of a processor");
        agent.sandbox_throttle(id, u64::MAX).await.unwrap();
        let limits = sandbox(&PYTHON).limits;
        let free: u64 = answer(agent, id, RATE).await.trim().parse().unwrap();
        assert!(free <= limits.cpu_millis + 100, "{free} thousandths of a processor");
        let nobody = SandboxId::new();
        assert!(matches!(agent.sandbox_throttle(nobody, 100).await, Err(NodeError::NotFound(_))));
        assert!(matches!(agent.sandbox_meter(nobody, 1000).await, Err(NodeError::NotFound(_))));
    })
    .await;
}
