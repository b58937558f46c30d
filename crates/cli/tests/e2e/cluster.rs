//! Sessions of several sandboxes, in real ones.

use madang_client::{At, Client};
use madang_public_api::{RunRequest, SessionState};

use crate::{
    server::{Server, shared, soon},
    session::{command, query, told},
};

const NAMES: [&str; 3] = ["main1", "sub1", "sub2"];
/// Who it is, how many there are, and whether all were given the same secrets.
const WHO: &str = "echo $MADANG_CLUSTER_NAME $MADANG_CLUSTER_INDEX of $MADANG_CLUSTER_SIZE: $MADANG_CLUSTER_NAMES; \
    printf '%s\\n' \"$MADANG_CLUSTER_TOKEN\" \"$MADANG_CLUSTER_PUBLIC_KEY\" \"$MADANG_CLUSTER_PRIVATE_KEY\" | sha256sum";

async fn said(client: &Client, sandbox: &str, request: RunRequest) -> String {
    let request = RunRequest { sandbox: Some(sandbox.to_owned()), ..request };
    let run = client.session_run("three", &request).await.unwrap();
    assert_eq!(run.whole.exit_code, Some(0), "{sandbox}: {}", told(&run));
    run.whole.stdout.lossy().into_owned()
}

/// All of them say who they are; returns what they have in common.
async fn all_are_there(client: &Client) -> String {
    let mut secrets = Vec::new();
    for (index, name) in NAMES.into_iter().enumerate() {
        let text = said(client, name, command(&["sh", "-c", WHO])).await;
        let (who, secret) = text.split_once('\n').unwrap();
        assert_eq!(who, format!("{name} {index} of 3: main1,sub1,sub2"));
        secrets.push(secret.to_owned());
    }
    assert!(secrets.iter().all(|secret| *secret == secrets[0]), "{secrets:?}");
    secrets.swap_remove(0)
}

#[tokio::test]
async fn three_sandboxes_know_who_they_are_and_outlive_their_server() {
    let server = Server::start();
    let words = ["session", "create", "--lang", "python", "--name", "three", "--cluster", "3"];
    let (code, _, err) = server.madang(&words);
    assert_eq!(code, 0, "{err}");
    let client = server.client();
    let secrets = all_are_there(&client).await;
    for name in NAMES {
        said(&client, name, command(&["sh", "-c", &format!("echo {name} > mine")])).await;
        let held = RunRequest { sandbox: Some(name.to_owned()), ..query(&format!("held = '{name}'")) };
        client.session_run("three", &held).await.unwrap();
    }
    let (code, out, err) = server.madang(&["exec", "--sandbox", "sub2", "three", "--", "cat", "mine"]);
    assert_eq!((code, out.as_str()), (0, "sub2\n"), "{err}");
    let (code, out, err) = server.madang(&["cp", "--sandbox", "sub1", "three:mine", "-"]);
    assert_eq!((code, out.as_str()), (0, "sub1\n"), "{err}");
    let server = Server::start_in(server.kill());
    let client = server.client();
    soon("the session is taken up", async || {
        let now = client.session_get("three").await.map_err(|error| error.to_string())?;
        if now.state == SessionState::Running { Ok(()) } else { Err(format!("{now:?}")) }
    })
    .await;
    assert_eq!(all_are_there(&client).await, secrets);
    for name in NAMES {
        // Each interpreter is the one it was.
        let state = RunRequest { sandbox: Some(name.to_owned()), ..query("held") };
        let state = client.session_run("three", &state).await.unwrap();
        assert_eq!(state.whole.stdout.lossy(), format!("'{name}'\n"), "{}", told(&state));
        let files = client.file_list(At::new("three", Some(name)), "").await.unwrap();
        assert!(files.iter().any(|file| file.path == "mine"), "{name}: {files:?}");
    }
    let (code, _, err) = server.madang(&["session", "rm", "three"]);
    assert_eq!(code, 0, "{err}");
    // That no slot stays behind is seen when the server goes.
}

#[test]
fn what_no_node_has_is_refused_before_there_is_an_id() {
    let server = shared();
    for more in [&[][..], &["--cluster", "2", "--cluster-mode", "multi-node"]] {
        let words = [&["session", "create", "--accelerator", "fake=3"], more].concat();
        let (code, out, err) = server.madang(&words);
        assert_eq!((code, out.as_str()), (122, ""), "{err}");
        assert!(err.contains("fake (thousandths): 3000 wanted, 0 at most"), "{err}");
    }
}

#[test]
fn what_waits_says_so_beside_its_id() {
    let server = shared();
    let (code, first, err) = server.madang(&["session", "create"]);
    assert_eq!((code, err.as_str()), (0, ""), "it runs");
    let (code, second, err) = server.madang(&["session", "create", "--after", first.trim()]);
    assert_eq!(code, 0, "{err}");
    assert!(err.contains(&format!("queued: it waits for the end of {}", first.trim())), "{err}");
    let (code, _, err) = server.madang(&["session", "rm", second.trim(), first.trim()]);
    assert_eq!(code, 0, "{err}");
}
