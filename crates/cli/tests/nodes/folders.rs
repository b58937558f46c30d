//! Folders on machines that control is not on: their bytes come and go by control's address, and a place that nodes share is on each of
//! them.

use std::{fs, path::Path};

use madang_client::Client;
use madang_public_api::{FolderView, MountCreate, SessionCreate, SessionView};
use serde_json::json;

use crate::{
    disk::Disk,
    process::{Ground, Role, control, here, running, says, soon, token},
};

/// Room for what these tests put there.
const PLACE_BYTES: u64 = 64 << 20;
/// More than any buffer on the way.
const FILE_BYTES: usize = 9_000_001;

fn node(control: &Role, name: &str, settings: String) -> Role {
    let (token, join) = token(control);
    let ground = Ground { settings, ..Ground::default() };
    Role::start_on(&ground, &["node", "--join", &join, "--token", &token, "--name", name])
}

fn shared(place: &Path) -> String {
    format!("[folders]\npath = {:?}\nshared = true\nwritable = true\n", place.to_str().unwrap())
}

async fn folder(client: &Client, name: &str) -> FolderView {
    let made: FolderView = client.post("/api/v1/folders", &json!({ "name": name })).await.unwrap();
    assert_eq!(made.state, "ready");
    made
}

/// Goes in by control's address, and comes out as it was.
async fn there_and_back(control: &Role, papers: &Path, folder: &str, seed: u8) {
    let sent: Vec<u8> = (0..FILE_BYTES).map(|at| (at as u8).wrapping_mul(31).wrapping_add(seed)).collect();
    let (out, back) = (papers.join("out"), papers.join("back"));
    fs::write(&out, &sent).unwrap();
    let name = format!("folder:{folder}/data/{seed}.bin");
    for (from, to) in [(out.to_str().unwrap(), &*name), (&*name, back.to_str().unwrap())] {
        soon("a file is copied", async || match control.madang(&["cp", from, to]) {
            (0, ..) => Ok(()),
            (code, _, complaint) => Err(format!("{code} {complaint}")),
        })
        .await;
    }
    assert!(fs::read(&back).unwrap() == sent, "what came back is not what went");
}

/// A session of Python on this node that has the folder at `d`.
async fn session(client: &Client, folder: &FolderView, node: &str) -> SessionView {
    let labels = [("madang.node".to_owned(), node.to_owned())].into();
    let mount = MountCreate { folder: folder.id.to_string(), at: Some("d".to_owned()), access: None };
    let request =
        SessionCreate { language: Some("python".into()), mounts: vec![mount], labels, ..SessionCreate::default() };
    let made = client.session_create(&request).await.unwrap();
    running(client, &made.id.to_string()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn files_come_and_go_through_control_to_the_disk_of_a_node() {
    let papers = tempfile::tempdir().unwrap();
    let control = control(None, "");
    let node = node(&control, "one", String::new());
    let client = control.client();
    let id = here(&client, 1).await[0].id.to_string();
    let folder = folder(&client, "box").await;
    there_and_back(&control, papers.path(), "box", 1).await;
    let session = session(&client, &folder, &id).await;
    let read = says(&client, &session.id.to_string(), "print(len(open('d/data/1.bin', 'rb').read()))").await;
    assert_eq!(read.trim(), FILE_BYTES.to_string());
    drop(node);
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_that_share_a_place_have_the_same_folders_and_one_may_go() {
    let papers = tempfile::tempdir().unwrap();
    let place = tempfile::tempdir().unwrap();
    let _disk = Disk::mount(place.path(), PLACE_BYTES);
    let control = control(None, "");
    let mut nodes = Vec::new();
    for name in ["one", "other"] {
        nodes.push(node(&control, name, shared(place.path())));
    }
    let client = control.client();
    let seen = here(&client, 2).await;
    let folder = folder(&client, "set").await;
    assert!(seen.iter().all(|node| node.id != folder.node), "{folder:?} {seen:?}");
    there_and_back(&control, papers.path(), "set", 2).await;

    let mut sessions = Vec::new();
    for node in &seen {
        sessions.push(session(&client, &folder, &node.id.to_string()).await);
    }
    let [writer, reader] = &sessions[..] else { panic!("{sessions:?}") };
    says(&client, &writer.id.to_string(), "open('d/note', 'w').write('from the other side')").await;
    let read = says(&client, &reader.id.to_string(), "print(open('d/note').read())").await;
    assert_eq!(read.trim(), "from the other side");

    // Whichever answers for the place: the other does so when it is gone.
    let first = seen.iter().min_by_key(|node| node.id).unwrap().name.clone();
    let at = if first == "one" { 0 } else { 1 };
    nodes[at].power_off();
    soon("the other node answers for the folder", async || {
        let back = papers.path().join("again");
        let (code, _, complaint) = control.madang(&["cp", "folder:set/data/2.bin", back.to_str().unwrap()]);
        if code == 0 { Ok(()) } else { Err(complaint) }
    })
    .await;
    there_and_back(&control, papers.path(), "set", 3).await;
}
