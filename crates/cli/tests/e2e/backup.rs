//! A copy of a server at work, put back for another.

use std::{fs, sync::Arc};

use tempfile::TempDir;

use crate::server::Server;

#[test]
fn a_server_goes_on_from_a_copy_of_another_one_that_works() {
    let first = Server::start();
    let path = |name: &str| first.home().join(name).display().to_string();
    let (code, _, err) = first.madang(&["session", "create", "--lang", "bash", "--name", "kept"]);
    assert_eq!(code, 0, "{err}");
    let (code, out, err) = first.madang(&["exec", "kept", "--", "echo", "before"]);
    assert_eq!((code, out.as_str()), (0, "before\n"), "{err}");
    let copy = path("copy");
    let (code, out, err) = first.madang(&["admin", "backup", &copy]);
    assert_eq!(code, 0, "{out}{err}");
    assert_eq!(first.madang(&["admin", "restore", "--check", &copy]).0, 0);
    // Neither over a file that is there, nor into a database at work, nor what is damaged.
    assert_eq!(first.madang(&["admin", "backup", &copy]).0, 120);
    let (code, _, err) = first.madang(&["admin", "restore", "--replace", &copy]);
    assert!(code == 120 && err.contains("stop it first"), "{code} {err}");
    let damaged = first.file("damaged", &fs::read(&copy).unwrap()[1_000..]);
    assert_eq!(first.madang(&["admin", "restore", "--check", &damaged]).0, 120);
    let home = TempDir::with_prefix("madang-e2e-").unwrap();
    let data = home.path().display().to_string();
    let (code, told, err) = first.madang(&["admin", "restore", &copy, "--data", &data]);
    assert_eq!(code, 0, "{err}");
    assert!(told.contains("server.key"), "{told}");
    fs::copy(first.home().join("server.key"), home.path().join("server.key")).unwrap();
    let again = first.madang(&["admin", "restore", &copy, "--data", &data]);
    assert!(again.0 == 120 && again.2.contains("--replace"), "{again:?}");
    assert_eq!(first.madang(&["session", "rm", "kept"]).0, 0);
    drop(first);
    let second = Server::start_in(Arc::new(home));
    // What ran in the session is told; its sandbox was elsewhere, so that it has ended here.
    let (code, out, err) = second.madang(&["session", "ls", "--all"]);
    assert!(code == 0 && out.contains("kept"), "{out}{err}");
    let (code, out, err) = second.madang(&["admin", "audit", "--operation", "session_create"]);
    assert!(code == 0 && out.contains("administrator"), "{out}{err}");
}
