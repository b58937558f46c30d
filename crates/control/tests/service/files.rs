//! Files of a session.

use axum::http::Method;
use serde_json::json;

use crate::harness::World;

async fn put(world: &World, session: &str, path: &str, bytes: &'static [u8]) -> serde_json::Value {
    let path = format!("/api/v1/sessions/{session}/files/{path}");
    world.send(Method::PUT, &path, &[], bytes).await.expect(200)
}

#[tokio::test]
async fn written_read_listed_and_removed() {
    let world = World::new().await;
    let id = world.session().await;
    let files = format!("/api/v1/sessions/{id}/files");
    let written = put(&world, &id, "a/b%20c.bin", b"\xff\x00hello").await;
    assert_eq!(written, json!({"path": "a/b c.bin", "size_bytes": 7}));
    let read = world.get(&format!("{files}/a/b%20c.bin")).await;
    assert_eq!(&read.body[..], b"\xff\x00hello");
    assert_eq!(read.headers["content-length"], "7");
    let list = world.get(&files).await.expect(200);
    assert_eq!(list["items"][0]["path"], "a");
    assert_eq!(list["items"][0]["kind"], "directory");
    let list = world.get(&format!("{files}?path=a")).await.expect(200);
    assert_eq!(list["items"][0]["path"], "a/b c.bin");
    assert_eq!(world.delete(&format!("{files}/a/b%20c.bin")).await.status.as_u16(), 204);
    world.get(&format!("{files}/a/b%20c.bin")).await.problem(404, "not-found");
    world.delete(&format!("{files}/a/b%20c.bin")).await.problem(404, "not-found");
}

#[tokio::test]
async fn a_directory_comes_as_a_tar_that_tar_reads() {
    let world = World::new().await;
    let id = world.session().await;
    let long = format!("d/{}/x.txt", "n".repeat(120));
    put(&world, &id, "d/one.txt", b"1").await;
    put(&world, &id, &long, b"long").await;
    let tar = world.get(&format!("/api/v1/sessions/{id}/files/d")).await;
    assert_eq!(tar.headers["content-type"], "application/x-tar");
    let unpacked = tempfile::tempdir().unwrap();
    let archive = unpacked.path().join("a.tar");
    std::fs::write(&archive, &tar.body).unwrap();
    let status = std::process::Command::new("tar").arg("-xf").arg(&archive).arg("-C").arg(unpacked.path()).status();
    assert!(status.unwrap().success());
    assert_eq!(std::fs::read(unpacked.path().join("d/one.txt")).unwrap(), b"1");
    assert_eq!(std::fs::read(unpacked.path().join(long)).unwrap(), b"long");
}

#[tokio::test]
async fn a_tar_is_unpacked_and_a_hostile_one_is_refused() {
    let world = World::new().await;
    let id = world.session().await;
    let files = format!("/api/v1/sessions/{id}/files");
    let home = tempfile::tempdir().unwrap();
    let long = format!("{}/deep.txt", "n".repeat(90));
    for (path, text) in [("src/a.txt", "A"), ("src/empty", ""), (long.as_str(), "deep")] {
        let path = home.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    std::os::unix::fs::symlink("/etc/passwd", home.path().join("zlink")).unwrap();
    let tar = |arguments: &[&str]| {
        let out = std::process::Command::new("tar").arg("-C").arg(home.path()).args(arguments).output().unwrap();
        assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
        out.stdout
    };
    for format in ["--format=ustar", "--format=pax", "--format=gnu"] {
        let whole = tar(&[format, "--exclude=zlink", "-cf", "-", "."]);
        let path = format!("{files}/up?archive=tar");
        assert_eq!(world.send(Method::PUT, &path, &[], whole.clone()).await.expect(200)["size_bytes"], 5);
        assert_eq!(&world.get(&format!("{files}/up/src/a.txt")).await.body[..], b"A");
        assert_eq!(&world.get(&format!("{files}/up/{long}")).await.body[..], b"deep");
        let half = whole[..700].to_vec();
        world.send(Method::PUT, &path, &[], half).await.problem(400, "malformed");
        world.delete(&format!("{files}/up")).await.expect(204);
    }
    let path = format!("{files}/up?archive=tar");
    let link = tar(&["-cf", "-", "zlink"]);
    world.send(Method::PUT, &path, &[], link).await.problem(422, "invalid");
    let leaving = tar(&["-P", "--transform=s,^src,../../out,", "-cf", "-", "src/a.txt"]);
    world.send(Method::PUT, &path, &[], leaving).await.problem(422, "invalid");
    let absolute = tar(&["-P", "--transform=s,^src,/etc,", "-cf", "-", "src/a.txt"]);
    world.send(Method::PUT, &path, &[], absolute).await.problem(422, "invalid");
    world.send(Method::PUT, &path, &[], vec![7; 1_024]).await.problem(422, "invalid");
    world.send(Method::PUT, &path, &[], "").await.problem(400, "malformed");
    world.get(&format!("{files}/up")).await.problem(404, "not-found");
}

#[tokio::test]
async fn paths_cannot_leave_and_bounds_hold() {
    let world = World::new().await;
    let id = world.session().await;
    for path in ["..%2Fx", "a/..%2F..%2Fx", "%2Fetc%2Fpasswd", "a%00b", "a/"] {
        let path = format!("/api/v1/sessions/{id}/files/{path}");
        world.send(Method::PUT, &path, &[], "x").await.problem(422, "invalid");
    }
    for path in ["..", "/etc", "a%00"] {
        world.get(&format!("/api/v1/sessions/{id}/files?path={path}")).await.problem(422, "invalid");
    }
    world.get(&format!("/api/v1/sessions/{id}/files/x?archive=rar")).await.problem(422, "unsupported");
    let small = json!({"language": "sim", "resources": {"disk_bytes": 65_536}});
    let small = world.post("/api/v1/sessions", small).await.expect(201);
    let path = format!("/api/v1/sessions/{}/files/big", small["id"].as_str().unwrap());
    world.send(Method::PUT, &path, &[], vec![0; 65_537]).await.problem(422, "limit");
    let declared = [("content-length", "99999999999")];
    let answer = world.send_bare(Method::PUT, &path, &declared, "").await;
    answer.problem(401, "unauthenticated");
}

#[tokio::test]
async fn a_write_that_knows_what_is_there_overwrites_nothing_else() {
    let world = World::new().await;
    let id = world.session().await;
    let path = format!("/api/v1/sessions/{id}/files/notes.txt");
    let put = async |head: (&str, &str), text: &'static str| world.send(Method::PUT, &path, &[head], text).await;
    let made = put(("if-none-match", "*"), "first").await;
    made.expect(200);
    let first = made.headers["etag"].to_str().unwrap().to_owned();
    assert_eq!(world.get(&path).await.headers["etag"], *first);
    put(("if-none-match", "*"), "again").await.problem(412, "precondition");
    let second = put(("if-match", &first), "second").await;
    second.expect(200);
    assert_ne!(second.headers["etag"], *first);
    for unknown in [&*first, "\"0\"", "\"none of ours\"", "W/\"1\""] {
        put(("if-match", unknown), "late").await.problem(412, "precondition");
    }
    assert_eq!(&world.get(&path).await.body[..], b"second");
    world.delete(&path).await;
    put(("if-match", second.headers["etag"].to_str().unwrap()), "to nothing").await.problem(412, "precondition");
    world.get(&path).await.problem(404, "not-found");
    put(("if-match", "*"), "x").await.problem(422, "unsupported");
    put(("if-none-match", &first), "x").await.problem(422, "unsupported");
    let archive = format!("{path}?archive=tar");
    world.send(Method::PUT, &archive, &[("if-match", &first)], "").await.problem(422, "unsupported");
}
