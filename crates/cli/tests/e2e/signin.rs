//! Signing requests with an access key, from the command line to the log that knows about it.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    process::{Command, Stdio},
};

use crate::server::{Server, ended, shared, timed};

fn signed(server: &Server, key: &[(String, String)], words: &[&str]) -> (i32, String, String) {
    ended(command(server, key, words).stdin(Stdio::null()).output().unwrap())
}

/// A command that has nothing but an access key to sign with.
fn command(server: &Server, key: &[(String, String)], words: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_madang"));
    command
        .args(timed(words))
        .env_remove("MADANG_TOKEN")
        .env("MADANG_HOME", "/nonexistent")
        .env("MADANG_ENDPOINT", server.url());
    command.envs(key.iter().cloned());
    command
}

/// What a program writes that takes its input live, over a signed WebSocket.
fn live(server: &Server, key: &[(String, String)], program: &str) -> String {
    let program = server.file("live.sh", program);
    let mut command = command(server, key, &["run", "--lang", "bash", &program]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    input.write_all(b"over\n").unwrap();
    let mut output = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    output.read_line(&mut line).unwrap();
    drop(input);
    assert!(child.wait().unwrap().success());
    line
}

#[test]
fn a_key_signs_until_it_is_suspended() {
    let server = shared();
    let (code, out, err) = server.madang(&["admin", "key", "create", "of a test", "--covered"]);
    assert_eq!(code, 0, "{err}");
    let pair = |line: &str| line.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned())).unwrap();
    let key: Vec<_> = out.lines().map(pair).collect();
    assert_eq!(
        key.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(),
        ["MADANG_ACCESS_KEY", "MADANG_SECRET_KEY"]
    );
    let program = server.file("signed.sh", "echo signed\n");
    let (code, out, err) = signed(&server, &key, &["run", "--lang", "bash", &program]);
    assert_eq!((code, out.as_str()), (0, "signed\n"), "{err}");
    assert_eq!(live(&server, &key, "cat\n"), "over\n");
    // An upload that is read while it is sent.
    let (code, out, err) = signed(&server, &key, &["session", "create", "--lang", "bash", "--name", "signed"]);
    assert_eq!(code, 0, "{out}{err}");
    let (code, _, err) = signed(&server, &key, &["cp", &program, "signed:/home/work/copied.sh"]);
    assert_eq!(code, 0, "{err}");
    let (code, out, err) = signed(&server, &key, &["exec", "signed", "--", "bash", "/home/work/copied.sh"]);
    assert_eq!((code, out.as_str()), (0, "signed\n"), "{err}");
    let (code, _, err) = signed(&server, &key, &["session", "rm", "signed"]);
    assert_eq!(code, 0, "{err}");
    let wrong = [key[0].clone(), (key[1].0.clone(), "guess".to_owned())];
    let (code, _, err) = signed(&server, &wrong, &["session", "ls"]);
    assert_eq!(code, 121, "{err}");
    assert!(err.contains("signature"), "{err}");
    assert_eq!(server.madang(&["admin", "key", "suspend", &key[0].1]).0, 0);
    assert_eq!(signed(&server, &key, &["session", "ls"]).0, 121);
    let (code, out, err) = server.madang(&["admin", "audit", "--operation", "access_key_suspend", "--limit", "1"]);
    assert_eq!(code, 0, "{err}");
    assert!(out.contains(&key[0].1) && out.contains("administrator"), "{out}");
    let (_, out, _) = server.madang(&["admin", "key", "ls"]);
    assert!(out.contains("suspended") && !out.contains(&key[1].1), "{out}");
}

#[test]
fn half_a_key_is_none() {
    let server = shared();
    let half = [("MADANG_ACCESS_KEY".to_owned(), "MDAK1".to_owned())];
    let (code, _, err) = signed(&server, &half, &["session", "ls"]);
    assert_eq!(code, 120, "{err}");
    assert!(err.contains("MADANG_SECRET_KEY"), "{err}");
}
