//! What is asked for twice at once.

use futures_util::future::join_all;
use madang_node_api::Node;
use madang_testkit::contract::{PYTHON, events_from, no_input, query, sandbox};

use crate::{
    readings::{answer, opened},
    with_agent,
};

#[tokio::test(flavor = "multi_thread")]
async fn a_sandbox_that_is_opened_twice_at_once_is_there_once() {
    with_agent(async |home| {
        let agent = &home.agent;
        let spec = sandbox(&PYTHON);
        let opened = join_all((0..3).map(|_| agent.sandbox_open(spec.clone()))).await;
        assert!(opened.iter().all(Result::is_ok), "{opened:?}");
        assert_eq!(home.inits_of(spec.id).len(), 1);
        assert_eq!(answer(agent, spec.id, "print(6 * 7)").await, "42\n");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sandbox_is_restarted_by_many_at_once() {
    with_agent(async |home| {
        let agent = &home.agent;
        let id = opened(agent).await;
        for _ in 0..3 {
            let restarted = join_all((0..3).map(|_| agent.sandbox_restart(id))).await;
            assert!(restarted.iter().all(Result::is_ok), "{restarted:?}");
        }
        assert_eq!(answer(agent, id, "print(6 * 7)").await, "42\n");
    })
    .await;
}

/// The query that comes after an exit waits for a new interpreter; a restart just then ends that too.
#[tokio::test(flavor = "multi_thread")]
async fn a_sandbox_is_restarted_while_a_query_starts_its_interpreter() {
    with_agent(async |home| {
        let agent = &home.agent;
        let id = opened(agent).await;
        for _ in 0..5 {
            for code in ["raise SystemExit(3)", "print(1)"] {
                let mut handle = agent.run_start(id, query(code, no_input())).await.unwrap();
                let (restarted, _) = match code {
                    "print(1)" => tokio::join!(agent.sandbox_restart(id), events_from(&mut handle, 0)),
                    _ => (Ok(()), events_from(&mut handle, 0).await),
                };
                restarted.unwrap();
            }
        }
        assert_eq!(answer(agent, id, "print(6 * 7)").await, "42\n");
    })
    .await;
}
