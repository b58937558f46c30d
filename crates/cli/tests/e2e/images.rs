//! Sessions that become images, by the command line, on the real kernel.

use madang_client::Client;
use madang_public_api::{RunRequest, SessionCommit, SessionCreate, SessionState};

use crate::{
    server::{Server, soon},
    session::{Session, command, query, told, wall},
};

/// What a session leaves: files, a directory that is closed to others, a link within, and what no image has.
const FILL: &str = "import os, socket
open('made', 'w').write('first')
os.mkdir('dir', 0o700)
open('dir/tool', 'w').write('#!/bin/sh\\necho tool')
os.chmod('dir/tool', 0o750)
os.symlink('dir/tool', 'link')
os.symlink('../../../../etc/passwd', 'out')
os.mkfifo('pipe')
socket.socket(socket.AF_UNIX).bind('sock')";

async fn of(image: &str) -> Session {
    let request = SessionCreate {
        language: Some("python".to_owned()),
        image: Some(image.to_owned()),
        ..SessionCreate::default()
    };
    Session::made(request).await
}

async fn end(client: &Client, session: &Session) {
    client.session_end(&session.id()).await.unwrap();
}

#[tokio::test]
async fn what_one_session_made_is_where_the_next_begins() {
    let first = Session::of("python").await;
    first.shown(FILL).await;
    let (code, out, err) = first.server.madang(&["session", "commit", &first.id(), "box"]);
    assert!(code == 0 && out.starts_with("box "), "{code} {out:?} {err:?}");
    for left in ["left out: out (", "left out: pipe (", "left out: sock ("] {
        assert!(out.contains(left), "{left}: {out}");
    }
    assert_eq!(first.shown("open('made').read()").await, "'first'\n", "the session goes on");
    let next = of("box").await;
    let code = "import os; print(open('made').read(), os.stat('made').st_uid == os.getuid(), sorted(os.listdir('.')))";
    assert_eq!(next.shown(code).await, "first True ['dir', 'link', 'made']\n");
    let tool = next.run(command(&["./link"])).await;
    assert_eq!(tool.whole.stdout.lossy(), "tool\n", "{}", told(&tool));
    next.shown("n = open('made', 'w').write('second'); os.remove('link'); os.remove('dir/tool')").await;
    let (code, _, err) = next.server.madang(&["session", "commit", &next.id(), "box2"]);
    assert_eq!(code, 0, "{err}");
    let (code, listed, _) = next.server.madang(&["image", "ls"]);
    assert!(code == 0 && listed.contains("box2") && !listed.contains("commit/"), "{listed}");
    let archive = tempfile::tempdir().unwrap();
    let file = archive.path().join("box.tar");
    let (code, said, err) = next.server.madang(&["image", "export", "box", file.to_str().unwrap()]);
    let bytes = std::fs::read(&file).unwrap_or_default();
    assert!(code == 0 && said.starts_with("box "), "{code} {said} {err}");
    assert!(bytes.windows(5).any(|held| held == b"first") && !bytes.windows(6).any(|held| held == b"second"));
    let store = madang_image::ImageStore::open(&archive.path().join("elsewhere")).unwrap();
    let entries = store.import(&file, None, &madang_image::Progress::silent()).unwrap();
    let view = next.client.images().await.unwrap().into_iter().find(|image| image.name == "box").unwrap();
    let imported = (entries[0].name.as_str(), Some(entries[0].digest.to_string()));
    assert_eq!(imported, ("box", view.digest), "what comes in elsewhere is what was made here");
    let (code, _, err) = next.server.madang(&["image", "export", "box", file.to_str().unwrap()]);
    assert!(code != 0 && err.contains("box.tar"), "nothing is written over: {err}");
    let third = of("box2").await;
    let left = "import os; print(open('made').read(), sorted(os.listdir('.')), os.listdir('dir'))";
    assert_eq!(third.shown(left).await, "second ['dir', 'made'] []\n", "what was removed stays away");
    let again = of("box").await;
    assert_eq!(again.shown("open('made').read()").await, "'first'\n", "an image does not change");
    let (code, _, err) = next.server.madang(&["image", "rm", "box"]);
    assert!(code != 0 && err.contains("sessions are made of the image"), "{code} {err}");
    for session in [&first, &next, &third, &again] {
        end(&first.client, session).await;
    }
    for image in ["box", "box2"] {
        next.server.image_removed(image).await;
    }
    // A slot of theirs may have come into its pool a moment ago.
    soon("nothing needs them", async || {
        let layers = std::fs::read_dir(first.server.home().join("images/layers/sha256")).unwrap().flatten();
        let held: Vec<_> =
            layers.map(|layer| layer.path().join("fs/home/work/made")).filter(|made| made.exists()).collect();
        if held.is_empty() { Ok(()) } else { Err(format!("{held:?}")) }
    })
    .await;
}

/// Its holes would be zeros in a layer.
#[tokio::test]
async fn a_file_that_says_it_is_larger_than_its_disk_is_no_layer() {
    let session = Session::of("python").await;
    session.shown("f = open('sparse', 'wb'); f.truncate(15 << 30); f.close()").await;
    let (code, out, err) = session.server.madang(&["session", "commit", &session.id(), "sparse"]);
    assert!(code == 122 && err.contains("the work directory"), "{code} {out:?} {err:?}");
    session.shown("f = open('sparse', 'wb'); f.truncate(1 << 20); f.close()").await;
    let (code, _, err) = session.server.madang(&["session", "commit", &session.id(), "sparse"]);
    assert_eq!(code, 0, "{err}");
    end(&session.client, &session).await;
    session.server.image_removed("sparse").await;
}

#[tokio::test]
async fn a_key_that_was_forgotten_is_found() {
    let session = Session::of("python").await;
    let key =
        "k = '-----BEGIN OPENSSH ' + 'PRIVATE KEY-----\\n' + 'b3BlbnNzaC1rZXkt' * 8; n = open('id', 'w').write(k)";
    session.shown(key).await;
    let (code, out, err) = session.server.madang(&["session", "commit", &session.id(), "keyed"]);
    assert!(code != 0 && err.contains("id (a private key)"), "{code} {out:?} {err:?}");
    let (_, listed, _) = session.server.madang(&["image", "ls"]);
    assert!(!listed.contains("keyed"), "{listed}");
    let (code, _, err) = session.server.madang(&["session", "commit", &session.id(), "keyed", "--allow-secrets"]);
    assert_eq!(code, 0, "{err}");
    end(&session.client, &session).await;
    session.server.image_removed("keyed").await;
}

/// Enough for a commit to take a while.
const LARGE: &str =
    "import os\nfor n in range(4): open(f'large{n}', 'wb').write(os.urandom(16 << 20))\nprint(len(os.listdir('.')))";
/// A program that nobody asks anything and that says how far it is.
const TICKS: &str = "import time\nn = 0\nwhile True:\n    n += 1; open('tick', 'w').write(str(n)); time.sleep(0.02)";

#[tokio::test]
async fn a_server_that_dies_while_a_session_stands_still_for_its_commit_lets_it_go_on() {
    let server = Server::start();
    let client = server.client();
    let request = SessionCreate { language: Some("python".to_owned()), ..SessionCreate::default() };
    let id = client.session_create(&request).await.unwrap().id.to_string();
    let filled = client.session_run(&id, &query(LARGE)).await.unwrap();
    assert_eq!(filled.whole.stdout.lossy(), "4\n", "{}", told(&filled));
    let ticks = RunRequest { limits: wall(600_000), ..command(&["python3", "-c", TICKS]) };
    client.session_run_begin(&id, &ticks).await.unwrap();
    let server = killed_in_a_commit(server, &id).await;
    let client = server.client();
    assert_eq!(client.session_get(&id).await.unwrap().state, SessionState::Running);
    let tick =
        async || client.session_run(&id, &command(&["cat", "tick"])).await.unwrap().whole.stdout.lossy().to_string();
    let first = tick().await;
    soon("the program goes on", async || if tick().await == first { Err(first.clone()) } else { Ok(()) }).await;
    let (code, _, err) = server.madang(&["session", "commit", &id, "whole"]);
    assert_eq!(code, 0, "{err}");
    client.session_end(&id).await.unwrap();
    for image in ["cut", "whole"] {
        server.image_removed(image).await;
    }
}

/// Another server over what one has left that was killed while the session stood still for its commit.
async fn killed_in_a_commit(mut server: Server, id: &str) -> Server {
    // A moment that passes between two looks of a busy machine is waited for again.
    for _ in 0..10 {
        let (client, session) = (server.client(), id.to_owned());
        let committing = tokio::spawn(async move {
            client.session_commit(&session, &SessionCommit { name: "cut".to_owned(), allow_secrets: false }).await
        });
        let stood = soon("the session stands still", async || {
            let told: Vec<_> = server.slots().iter().map(|slot| frozen(&server, slot)).collect();
            let stands = told.iter().any(|told| told.contains("\"moment\":true"));
            if stands || committing.is_finished() { Ok(stands) } else { Err(format!("{told:?}")) }
        })
        .await;
        if stood {
            server = Server::start_in(server.kill());
        }
        if committing.await.unwrap().is_err() && stood {
            return server;
        }
        server.image_removed("cut").await;
    }
    panic!("no commit is cut");
}

fn frozen(server: &Server, slot: &str) -> String {
    std::fs::read_to_string(server.home().join("slots").join(slot).join("frozen")).unwrap_or_default()
}
