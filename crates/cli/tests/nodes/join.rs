//! A node joins and is used; either side is killed and comes back; a node that is removed is out.

use madang_model::RunEventBody;
use madang_public_api::{OneShotRequest, RunMode, RunRequest, node::NodePresence};

use crate::process::{
    Address, PATIENCE, control, control_at, here, node, nodes, patient, says, session, soon, text, token,
};

/// What our program says with its exit code of what it was told.
const USAGE: i32 = 120;

#[tokio::test]
async fn a_machine_joins_and_programs_run_there() {
    let control = control(None, "");
    let client = control.client();
    let ready = client.ready().await.unwrap();
    assert!(ready.status == "ok" && ready.notes.iter().any(|note| note.contains("no node")), "{ready:?}");
    let node = node(None, &control, "alpha");
    assert!(node.first_line.starts_with("node nod_"), "{}", node.first_line);
    here(&client, 1).await;
    let request = OneShotRequest {
        language: Some("python".into()),
        code: Some("print(6 * 7)".into()),
        limits: patient(),
        ..OneShotRequest::default()
    };
    assert_eq!(text(&client.run(&request).await.unwrap().whole.stdout), "42\n");
    let (code, table, _) = control.madang(&["admin", "node", "ls"]);
    assert!(code == 0 && table.contains("alpha") && table.contains("schedulable"), "{table}");
}

#[tokio::test]
async fn whoever_may_not_join_is_told_why() {
    let control = control(None, "");
    let (good, join) = token(&control);
    let refused = |words: &[&str]| {
        let (code, _, complaint) = control.madang(words);
        assert_eq!(code, USAGE, "{complaint}");
        complaint
    };
    let home = tempfile::tempdir().unwrap();
    let data = home.path().to_str().unwrap();
    let complaint = refused(&["node", "--data", data, "--join", &join]);
    assert!(complaint.contains("node-token create"), "{complaint}");
    assert!(refused(&["node", "--data", data, "--join", &join, "--token", "rubbish"]).contains("mdj_"));
    // The authority is right and the secret is not.
    let (_, fingerprint) = good.split_once('.').unwrap();
    let forged = format!("mdj_{}.{fingerprint}", "A".repeat(32));
    assert!(refused(&["node", "--data", data, "--join", &join, "--token", &forged]).contains("lets nobody join"));
    // The secret is right and the authority is not: whoever answers there is not believed.
    let (secret, _) = good.split_once('.').unwrap();
    let forged = format!("{secret}.{}", "A".repeat(43));
    refused(&["node", "--data", data, "--join", &join, "--token", &forged, "--name", "x"]);
    let bad_name = ["node", "--data", data, "--join", &join, "--token", &good, "--name", "a b"];
    assert!(refused(&bad_name).contains("name"));
}

#[tokio::test]
async fn a_session_keeps_its_state_while_either_side_is_killed() {
    let address = Address::new();
    let mut control = control_at(&address);
    let client = control.client();
    let mut node = node(None, &control, "alpha");
    here(&client, 1).await;
    let id = session(&client).await.id.to_string();
    says(&client, &id, "kept = 41").await;
    let before = node.sandbox_processes();
    node.kill();
    node.again();
    assert_eq!(says(&client, &id, "print(kept + 1)").await, "42\n");
    assert!(!before.is_empty());
    control.kill();
    control.again();
    assert_eq!(says(&control.client(), &id, "print(kept + 2)").await, "43\n");
}

#[tokio::test]
async fn a_run_goes_on_and_says_all_of_it_while_control_is_away() {
    let address = Address::new();
    let mut control = control_at(&address);
    let node = node(None, &control, "alpha");
    let client = control.client();
    here(&client, 1).await;
    let id = session(&client).await.id.to_string();
    let code = "import os, time\nn = 0\nwhile not os.path.exists('stop'):\n    print(n, flush=True)\n    n += 1\n    time.sleep(0.01)\nprint('end')";
    let (code, limits) = (Some(code.into()), patient());
    let request = RunRequest { mode: RunMode::Query, code, limits, ..RunRequest::default() };
    let run = client.session_run_begin(&id, &request).await.unwrap().id;
    let mut stream = client.run_events(run).await.unwrap();
    stream.next().await.unwrap();
    control.kill();
    control.again();
    let client = control.client();
    soon("a file can be written", async || {
        client.file_write(&id, "stop", &b""[..]).await.map_err(|error| error.to_string())
    })
    .await;
    let text = output(&client, run).await;
    let numbers: Vec<u64> = text.lines().filter_map(|line| line.parse().ok()).collect();
    assert!(text.ends_with("end\n"), "{text}");
    assert!(numbers.len() > 1 && numbers.iter().enumerate().all(|(at, number)| at as u64 == *number), "{numbers:?}");
    drop(node);
}

/// All that a run wrote, from its first event.
async fn output(client: &madang_client::Client, run: madang_ids::RunId) -> String {
    let mut stream = client.run_events(run).await.unwrap();
    let mut text = Vec::new();
    while let Some(event) = tokio::time::timeout(PATIENCE, stream.next()).await.expect("events stand still").unwrap() {
        if let RunEventBody::Stdout { data } = event.body {
            text.extend(&data.0);
        }
    }
    String::from_utf8(text).unwrap()
}

#[tokio::test]
async fn a_node_that_is_removed_ends_what_it_runs_and_goes() {
    let control = control(None, "");
    let client = control.client();
    let mut node = node(None, &control, "alpha");
    here(&client, 1).await;
    let id = session(&client).await.id.to_string();
    let (code, _, complaint) = control.madang(&["admin", "node", "rm", "alpha"]);
    assert!(code != 0 && complaint.contains("drain"), "{complaint}");
    let (code, ..) = control.madang(&["admin", "node", "rm", "alpha", "--force"]);
    assert_eq!(code, 0);
    let (code, log) = node.ended();
    assert_eq!(code, USAGE, "{log}");
    assert_eq!(node.sandbox_processes(), Vec::<i32>::new());
    soon("the session has ended", async || {
        let view = client.session_get(&id).await.map_err(|error| error.to_string())?;
        if view.state == madang_public_api::SessionState::Ended { Ok(()) } else { Err(format!("{view:?}")) }
    })
    .await;
    // It is not let in again with what it has.
    node.again();
    assert_eq!(node.ended().0, USAGE);
    assert!(nodes(&client).await.unwrap().iter().all(|node| node.presence != NodePresence::Here));
}
