//! The checks that the simulated node and the one behind a link pass too.

use madang_testkit::contract;

use crate::with_agent;

#[tokio::test(flavor = "multi_thread")]
async fn the_agent_keeps_it() {
    with_agent(async |home| {
        contract::check(home.agent.clone(), &contract::PYTHON).await;
        contract::programs_are_held(&*home.agent, &contract::PYTHON).await;
        contract::apps_are_reached_and_end(&*home.agent, &contract::PYTHON).await;
    })
    .await;
}
