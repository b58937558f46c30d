//! Files of a session.

use std::{fs, process::Command};

use madang_client::Client;
use madang_model::File;
use madang_public_api::{FileEntry, Resources, RunRequest, SessionCreate};

use crate::session::{Session, batch, command};

async fn read(client: &Client, session: &str, path: &str) -> Vec<u8> {
    let mut bytes = client.file_read(session, path).await.unwrap();
    let mut whole = Vec::new();
    while let Some(piece) = bytes.next().await.unwrap() {
        whole.extend_from_slice(&piece);
    }
    whole
}

fn paths(entries: &[FileEntry]) -> Vec<&str> {
    entries.iter().map(|entry| entry.path.as_str()).collect()
}

#[tokio::test]
async fn a_file_goes_in_and_out_and_away() {
    let session = Session::of("python").await;
    let (client, id) = (&session.client, session.id());
    client.file_write(&id, "folder/마당 1.txt", "안녕\n".as_bytes()).await.unwrap();
    assert_eq!(session.shown("print(open('folder/마당 1.txt').read())").await, "안녕\n\n");
    session.shown("open('folder/made', 'w').write('by a program'); None").await;
    assert_eq!(read(client, &id, "folder/made").await, b"by a program");
    assert_eq!(paths(&client.file_list(&id, "").await.unwrap()), ["folder"]);
    let mut inside = client.file_list(&id, "folder").await.unwrap();
    inside.sort_by(|a, b| a.path.cmp(&b.path));
    assert_eq!(paths(&inside), ["folder/made", "folder/마당 1.txt"]);
    assert_eq!(inside[0].size_bytes, 12);
    client.file_remove(&id, "folder").await.unwrap();
    assert!(client.file_list(&id, "").await.unwrap().is_empty());
    let gone = client.file_read(&id, "folder/made").await.unwrap_err();
    assert_eq!(gone.problem().unwrap().code, "not-found", "{gone}");
}

#[tokio::test]
async fn a_path_that_leads_out_is_refused() {
    let session = Session::of("bash").await;
    session.run(command(&["ln", "-s", "/etc/passwd", "link"])).await;
    session.run(command(&["ln", "-s", "/", "root"])).await;
    for path in ["../../etc/passwd", "link", "root/etc/passwd", "/etc/passwd"] {
        let refused =
            session.client.file_read(&session.id(), path).await.err().unwrap_or_else(|| panic!("{path} was read"));
        assert!(matches!(refused.problem().unwrap().status, 400 | 404 | 422), "{path}: {refused}");
        let refused = session.client.file_write(&session.id(), path, &b"x"[..]).await;
        // A link that is written to is replaced by a file, or refused; nothing outside changes.
        drop(refused);
    }
    let run = session.run(command(&["head", "-c", "4", "/etc/passwd"])).await;
    assert_eq!(run.whole.stdout.lossy(), "root");
}

#[tokio::test]
async fn twenty_megabytes_arrive_as_they_were() {
    let session = Session::of("python").await;
    let bytes: Vec<u8> = (0..20_u32 << 20).map(|at| (at.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let sum = "import hashlib; print(hashlib.sha256(open('large', 'rb').read()).hexdigest())";
    let here = session.server.file("large", &bytes);
    session.client.file_write(&session.id(), "large", std::io::Cursor::new(bytes.clone())).await.unwrap();
    let output = Command::new("sha256sum").arg(&here).output().unwrap();
    let wanted = String::from_utf8(output.stdout).unwrap();
    assert_eq!(session.shown(sum).await.trim(), wanted.split(' ').next().unwrap());
    assert!(read(&session.client, &session.id(), "large").await == bytes);
    // The command line streams it too.
    let (back, from) = (session.server.file("back", ""), format!("{}:large", session.id()));
    let (code, _, stderr) = session.server.madang(&["cp", &from, &back]);
    assert_eq!(code, 0, "{stderr}");
    assert!(fs::read(back).unwrap() == bytes);
}

#[tokio::test]
async fn a_folder_comes_as_a_tar_and_goes_by_the_command_line() {
    let session = Session::of("bash").await;
    let top = session.server.file("tree/a.txt", "a\n");
    session.server.file("tree/deep/er/b.txt", "b\n");
    let (code, _, stderr) =
        session.server.madang(&["cp", top.trim_end_matches("/a.txt"), &format!("{}:", session.id())]);
    assert_eq!(code, 0, "{stderr}");
    assert_eq!(session.shown("find . -type f | sort").await, "./tree/a.txt\n./tree/deep/er/b.txt\n");
    let archive = session.server.file("tree.tar", read(&session.client, &session.id(), "tree").await);
    let listed = Command::new("tar").args(["-tf", &archive]).output().unwrap();
    let listed = String::from_utf8(listed.stdout).unwrap();
    assert!(listed.contains("a.txt") && listed.contains("deep/er/b.txt"), "{listed}");
}

#[tokio::test]
async fn a_full_disk_says_so() {
    let resources = Resources { disk_bytes: Some(1 << 20), ..Resources::default() };
    let session =
        Session::made(SessionCreate { language: Some("python".to_owned()), resources, ..SessionCreate::default() })
            .await;
    let large = vec![1; 3 << 20];
    let refused = session.client.file_write(&session.id(), "large", std::io::Cursor::new(large)).await.unwrap_err();
    let problem = refused.problem().unwrap_or_else(|| panic!("{refused}"));
    assert_eq!(problem.code, "limit", "{refused}");
    assert!(problem.detail.contains("disk_bytes"), "{refused}");
    // Nothing of it is left, and what fits still goes in.
    assert!(session.client.file_list(&session.id(), "").await.unwrap().is_empty());
    session.client.file_write(&session.id(), "small", std::io::Cursor::new(vec![1; 500 << 10])).await.unwrap();
    let run = session.query("open('more', 'wb').write(bytes(2 << 20))").await;
    assert!(run.whole.stderr.lossy().contains("No space left on device"), "{}", crate::session::told(&run));
}

#[tokio::test]
async fn what_a_run_brings_and_is_there_already_stays_the_same_file() {
    let session = Session::of("python").await;
    let run = async |content: &str| {
        let files = vec![File { path: "main.py".to_owned(), content: content.into() }];
        let run = session.run(RunRequest { files, ..batch() }).await;
        assert_eq!(run.whole.stdout.lossy(), "hello\n", "{}", crate::session::told(&run));
    };
    let told = async |script: &str| session.run(command(&["sh", "-c", script])).await.whole.stdout.lossy().into_owned();
    let same = "stat -c '%i %z' main.py";
    run("print('hello')").await;
    let first = told(same).await;
    run("print('hello')").await;
    assert_eq!(told(same).await, first, "nothing is written where nothing is new");
    for other in ["print('hello') ", "print(\"hello\")"] {
        run(other).await;
        assert_ne!(told(same).await, first);
        assert_eq!(told("cat main.py").await, other);
    }
    // What is planted under the name is not taken for the file, whatever it leads to, and nobody waits on it.
    for planted in [
        "cp main.py other.py; ln -sf other.py main.py",
        "rm main.py; mkfifo main.py",
        "rm main.py; ln -s main.py main.py",
    ] {
        told(planted).await;
        run("print(\"hello\")").await;
        assert_eq!(told("stat -c %F main.py").await, "regular file\n", "{planted}");
    }
}
