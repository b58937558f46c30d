//! Links, pipes and archives that a guest or a client plants for the host to follow. Needs root.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod ground;

use std::{
    fs,
    io::{Read as _, Write as _},
    os::unix::net::UnixStream,
    path::Path,
    time::Duration,
};

use ground::{Ground, query, session, stdout};

const SECRET: &str = "nobody in a sandbox may read this";
/// A request that is not answered by then hangs on something that was planted.
const ANSWER_WAIT: Duration = Duration::from_secs(120);

/// What the guest plants; the host's directory takes the place of `@`.
const PLANT: &str = r"
import os, socket
os.chdir('/home/work')
for name, target in {'file': '@/secret', 'folder': '@', 'root': '/proc/self/root', 'init': '/proc/1/root', 'up': '../' * 12 + '@',
                     'passwd': '/etc/passwd', 'loop': 'loop', 'fd': '/proc/self/fd/0', 'long': '/' + 'x' * 4000, 'etc': '/etc'}.items():
    os.symlink(target, name)
os.mkfifo('pipe')
socket.socket(socket.AF_UNIX).bind('socket')
os.mkdir('inner'); os.symlink('@', 'inner/folder'); os.symlink('@/secret', 'inner/file'); os.mkfifo('inner/pipe')
open('own', 'w').write('own'); os.link('own', 'twin')
os.mkdir('.new.madang-part'); os.symlink('@/written', '.planted.madang-part')
os.mkdir('deep')
here = 'deep'
for _ in range(60):
    here += '/d'; os.mkdir(here)
open('odd\nname\x1b[31m', 'w').close()
'planted'
";

/// One request as it is, over the server's own socket: status and body.
fn ask(ground: &Ground, method: &str, path: &str, body: &[u8]) -> (u16, Vec<u8>) {
    let mut stream = UnixStream::connect(ground.socket()).unwrap();
    stream.set_read_timeout(Some(ANSWER_WAIT)).unwrap();
    let head = format!(
        "{method} {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-type: application/octet-stream\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).unwrap();
    // A refusal may come before all is sent.
    let _ = stream.write_all(body);
    let mut answer = Vec::new();
    if let Err(error) = stream.read_to_end(&mut answer) {
        assert!(!answer.is_empty(), "{method} {path}: {error}");
    }
    let status = answer.get(9..12).and_then(|word| std::str::from_utf8(word).ok()?.parse().ok());
    (status.unwrap_or_else(|| panic!("{method} {path}: {}", String::from_utf8_lossy(&answer))), answer)
}

/// One entry of an archive, ustar: name, type, link target, content.
fn entry(name: &str, kind: u8, link: &str, content: &[u8]) -> Vec<u8> {
    let mut header = [0_u8; 512];
    let mut put = |at: usize, text: &str| header[at..at + text.len()].copy_from_slice(text.as_bytes());
    put(0, name);
    put(100, "0000644\0");
    put(108, "0000000\0");
    put(116, "0000000\0");
    put(124, &format!("{:011o}\0", content.len()));
    put(136, "00000000000\0");
    put(148, "        ");
    put(157, link);
    put(257, "ustar\x0000");
    put(329, "0000001\0");
    put(337, "0000003\0");
    header[156] = kind;
    let sum: u32 = header.iter().map(|&byte| u32::from(byte)).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    let mut bytes = header.to_vec();
    bytes.extend_from_slice(content);
    bytes.resize(bytes.len().next_multiple_of(512), 0);
    bytes
}

fn archive(entries: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = entries.concat();
    bytes.resize(bytes.len() + 1024, 0);
    bytes
}

/// The host's directory is as it was.
fn unharmed(outside: &Path, after: &str) {
    let names: Vec<_> = fs::read_dir(outside).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, ["secret"], "after {after}");
    assert_eq!(fs::read_to_string(outside.join("secret")).unwrap(), SECRET, "after {after}");
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_that_is_planted_is_followed() {
    let (ground, outside) = (Ground::new(), tempfile::tempdir().unwrap());
    fs::write(outside.path().join("secret"), SECRET).unwrap();
    let client = ground.client();
    let victim = session(&client, "python").await;
    let code = PLANT.replace('@', &outside.path().display().to_string());
    let planted = query(&client, &victim, &code, 60_000).await;
    assert!(stdout(&planted).contains("planted"), "{planted:?}");
    let files = format!("/api/v1/sessions/{}/files", victim.id);
    let host = outside.path().display().to_string();
    let paths = [
        "file",
        "folder/secret",
        "folder",
        "root/etc/passwd",
        format!("root{host}/secret").leak(),
        format!("init{host}/secret").leak(),
        "up/secret",
        "passwd",
        "loop",
        "fd",
        "long",
        "etc/passwd",
        "pipe",
        "socket",
        "inner/folder/secret",
        "inner/file",
        "inner/pipe",
        "../../etc/passwd",
        "inner/../../../etc/passwd",
        "%2e%2e/%2e%2e/etc/passwd",
        "..%2f..%2fetc/passwd",
        "%2fetc%2fpasswd",
        "//etc/passwd",
        "./../x",
        "a%00b",
        "new",
        "planted",
        "own/x",
        "pipe/x",
        "socket/x",
        "inner//..//..//x",
        "%ff%fe",
    ];
    for path in paths {
        for (method, query) in [("GET", ""), ("GET", "?archive=tar"), ("PUT", ""), ("PUT", "?archive=tar")] {
            let body = if query.is_empty() {
                b"written by the host".to_vec()
            } else {
                archive(&[entry("in-archive", b'0', "", b"x")])
            };
            let (status, answer) =
                ask(&ground, method, &format!("{files}/{path}{query}"), if method == "PUT" { &body } else { b"" });
            let said = String::from_utf8_lossy(&answer);
            assert!(status < 500, "{method} {path}{query}: {status} {said}");
            assert!(!said.contains(SECRET) && !said.contains("root:x:0:0"), "{method} {path}{query}: {said}");
            unharmed(outside.path(), &format!("{method} {path}{query}"));
        }
    }
    for path in ["", "folder", "inner", "inner/folder", "etc", "up", "root", "deep", "loop", "..", "../..", "/etc"] {
        for depth in ["", "&depth=all", "&recursive=true"] {
            let (status, answer) = ask(&ground, "GET", &format!("{files}?path={path}{depth}"), b"");
            let said = String::from_utf8_lossy(&answer);
            assert!(
                status < 500 && !said.contains("\"shadow\"") && !said.contains("\"secret\""),
                "list {path}{depth}: {status} {said}"
            );
        }
    }
    for path in paths.iter().chain(&["inner", "deep", "folder/", "etc/", "root/home"]) {
        let (status, answer) = ask(&ground, "DELETE", &format!("{files}/{path}"), b"");
        assert!(status < 500, "DELETE {path}: {}", String::from_utf8_lossy(&answer));
        unharmed(outside.path(), &format!("DELETE {path}"));
    }
    let alive =
        query(&client, &victim, "import os; (os.path.exists('/etc/passwd'), os.path.exists('/usr/bin'))", 60_000).await;
    assert!(stdout(&alive).contains("(True, True)"), "{alive:?}");
    client.session_end(&victim.id.to_string()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_archives_leave_nothing_outside() {
    let (ground, outside) = (Ground::new(), tempfile::tempdir().unwrap());
    fs::write(outside.path().join("secret"), SECRET).unwrap();
    let client = ground.client();
    let victim = session(&client, "python").await;
    let host = outside.path().display().to_string();
    let file = |name: &str| entry(name, b'0', "", b"from an archive");
    let link = |name: &str, target: &str| entry(name, b'2', target, b"");
    let archives = [
        ("above", vec![file("../../above")]),
        ("absolute", vec![file(&format!("{host}/absolute"))]),
        ("through a link", vec![link("l", &host), file("l/through")]),
        ("through a link to the root", vec![link("r", "/"), file(&format!("r{host}/root"))]),
        ("over a link", vec![link("f", &format!("{host}/over")), file("f")]),
        ("through a magic link", vec![link("m", "/proc/self/root"), file(&format!("m{host}/magic"))]),
        ("hard link out", vec![entry("h", b'1', &format!("{host}/secret"), b""), file("h")]),
        ("hard link above", vec![entry("h2", b'1', "../../../../etc/passwd", b""), file("h2")]),
        ("device", vec![entry("dev", b'4', "", b""), file("dev")]),
        ("character device", vec![entry("chr", b'3', "", b""), file("chr")]),
        ("pipe", vec![entry("fifo", b'6', "", b""), file("fifo")]),
        ("strange type", vec![entry("odd", b'Z', "", b"odd")]),
        ("not an archive", vec![vec![0xff; 2048]]),
    ];
    for (name, entries) in archives {
        let path = format!("/api/v1/sessions/{}/files/.?archive=tar", victim.id);
        let (status, answer) = ask(&ground, "PUT", &path, &archive(&entries));
        assert!(status < 500, "{name}: {status} {}", String::from_utf8_lossy(&answer));
        unharmed(outside.path(), name);
    }
    let devices = "import os, stat; [n for n in os.listdir('.') if stat.S_ISBLK(os.lstat(n).st_mode) or stat.S_ISCHR(os.lstat(n).st_mode)]";
    let seen = query(&client, &victim, devices, 60_000).await;
    assert!(stdout(&seen).contains("[]"), "{seen:?}");
    client.session_end(&victim.id.to_string()).await.unwrap();
}
