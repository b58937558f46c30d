//! What hostile programs leave in a folder, and whoever asks for it through the front door: nothing leads out, hangs or dies.

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

use madang_public_api::{FolderTicketView, FolderView};
use rustix::fs::{AtFlags, CWD, chownat};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

use crate::world::{World, program, soon};

pub const SECRET: &str = "nobody in a sandbox may read this";
/// A request that is not answered by then hangs on something that was planted.
const ANSWER_WAIT: Duration = Duration::from_secs(60);
const HUGE: usize = 100_000;

/// The host's directory takes the place of `@`.
pub const PLANT: &str = r"
import os, socket, stat
os.chdir('d')
for name, target in {'file': '@/secret', 'out': '@', 'root': '/proc/self/root', 'init': '/proc/1/root', 'up': '../' * 12 + '@',
                     'passwd': '/etc/passwd', 'loop': 'loop', 'fd': '/proc/self/fd/0', 'long': '/' + 'x' * 4000, 'etc': '/etc',
                     'here': '.', 'both': 'here/../../../..@', 'zero': '/dev/zero'}.items():
    os.symlink(target, name)
refused = 0
for kind in (stat.S_IFCHR, stat.S_IFBLK):
    try:
        os.mknod('device', kind | 0o666, os.makedev(1, 5))
    except OSError:
        refused += 1
try:
    os.link('/etc/passwd', 'hard')
except OSError:
    refused += 1
open('own', 'w').write('own'); os.link('own', 'twin'); os.chmod('own', 0o6777)
os.mkfifo('pipe'); socket.socket(socket.AF_UNIX).bind('socket')
open('closed', 'w').write('closed'); os.chmod('closed', 0); os.mkdir('shut'); os.chmod('shut', 0)
open('hole', 'w').truncate(1 << 40)
os.mkdir('inner')
for name, target in {'out': '@', 'file': '@/secret', 'above': '..'}.items():
    os.symlink(target, 'inner/' + name)
os.mkfifo('inner/pipe')
os.mkdir('odd')
for byte in set(range(1, 256)) - {ord('/')}:
    if byte != ord('.'):
        open(b'odd/' + bytes([byte]), 'w').close()
for name in (b'\xff' * 255, b'%2e%2e', b'..%2f..%2fetc', b'-rf', b'...', b'a\r\nSet-Cookie: x=y\r\n\r\n<b>', b'\x1b[31m', b'C:\\x', b'a\\..\\b'):
    open(b'odd/' + name, 'w').close()
def nest(top, depth):
    os.mkdir(top); back = os.open('.', os.O_RDONLY)
    os.chdir(top)
    for _ in range(depth):
        os.mkdir('d'); os.chdir('d')
    open('bottom', 'w').write('bottom')
    os.fchdir(back)
nest('deep', 100)
os.mkdir('swap'); os.mkdir('swap/d'); open('swap/d/inside', 'w').write('inside')
print('planted', refused)
";

/// What takes longest: a directory of many names, and one deeper than anybody goes.
const LARGE: &str = r"
import os
os.chdir('d'); os.mkdir('huge')
for number in range(100_000):
    os.close(os.open(f'huge/{number}', os.O_CREAT | os.O_WRONLY))
os.chdir('huge'); os.mkdir('bottomless'); os.chdir('bottomless')
for _ in range(400):
    os.mkdir('d'); os.chdir('d')
print('planted')
";

/// Changes a directory for a link and back, as fast as it can.
const SWAP: &str = r"
import os
while True:
    for deed in (lambda: os.rename('d/swap/d', 'd/swap/e'), lambda: os.symlink('@', 'd/swap/d'), lambda: os.remove('d/swap/d'),
                 lambda: os.symlink('@/secret', 'd/swap/inside'), lambda: os.rename('d/swap/inside', 'd/swap/e/inside'),
                 lambda: open('d/swap/e/new', 'w').close(), lambda: os.rename('d/swap/e/new', 'd/swap/e/inside'),
                 lambda: os.rename('d/swap/e', 'd/swap/d')):
        try:
            deed()
        except OSError:
            pass
";

const PATHS: [&str; 34] = [
    "file",
    "out",
    "out/secret",
    "root",
    "root/etc/passwd",
    "init/etc/passwd",
    "up",
    "up/secret",
    "passwd",
    "loop",
    "loop/x",
    "fd",
    "long",
    "etc",
    "etc/passwd",
    "both",
    "both/secret",
    "zero",
    "pipe",
    "socket",
    "device",
    "hard",
    "own/x",
    "closed",
    "shut",
    "shut/x",
    "inner/out/secret",
    "inner/file",
    "inner/above/file",
    "..",
    "../../etc/passwd",
    "%2e%2e/%2e%2e/etc/passwd",
    "..%2f..%2fetc%2fpasswd",
    "a%00b",
];

/// One folder as whoever holds a ticket for it reaches it, byte by byte.
struct Door<'a> {
    port: u16,
    ticket: FolderTicketView,
    outside: &'a Path,
}

impl<'a> Door<'a> {
    async fn of(world: &World, folder: &FolderView, outside: &'a Path) -> Self {
        Self { port: world.port, ticket: world.ticket(folder).await, outside }
    }

    /// Status and body. Whatever is asked, nothing of the host's is in the answer, and nothing there has changed.
    async fn ask(&self, method: &str, target: &str, body: &[u8]) -> (u16, Vec<u8>) {
        self.ask_with(method, target, "", body).await
    }

    async fn ask_with(&self, method: &str, target: &str, heads: &str, body: &[u8]) -> (u16, Vec<u8>) {
        let what = format!("{method} {target}");
        let asking = self.exchange(method, target, heads, body);
        let answer = timeout(ANSWER_WAIT, asking).await.unwrap_or_else(|_| panic!("{what} hangs"));
        let status = answer.get(9..12).and_then(|word| std::str::from_utf8(word).ok()?.parse().ok());
        let status = status.unwrap_or_else(|| panic!("{what}: {:?}", String::from_utf8_lossy(&answer)));
        // 503 is to come again: a directory moved while it was looked for.
        assert!(status < 500 || status == 503, "{what}: {}", String::from_utf8_lossy(&answer));
        for told in [SECRET.as_bytes(), b"root:x:0:0"] {
            assert!(!answer.windows(told.len()).any(|piece| piece == told), "{what} tells what is outside");
        }
        unharmed(self.outside, &what);
        (status, answer)
    }

    async fn exchange(&self, method: &str, target: &str, heads: &str, body: &[u8]) -> Vec<u8> {
        let (url, ticket) = (self.ticket.url.trim_end_matches('/'), &self.ticket.ticket);
        let path = url.find("/storage").map_or(url, |at| &url[at..]);
        let head = format!(
            "{method} {path}/{target} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\nauthorization: Bearer {ticket}\r\n\
             {heads}content-length: {}\r\n\r\n",
            body.len()
        );
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).await.unwrap();
        stream.write_all(head.as_bytes()).await.unwrap();
        // A refusal may come before all is sent.
        let _ = stream.write_all(body).await;
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer).await;
        answer
    }

    async fn json(&self, target: &str) -> Value {
        let (status, answer) = self.ask("GET", target, b"").await;
        assert_eq!(status, 200, "{target}: {}", String::from_utf8_lossy(&answer));
        serde_json::from_slice(body_of(&answer)).unwrap_or_else(|error| panic!("{target}: {error}"))
    }
}

fn body_of(answer: &[u8]) -> &[u8] {
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n").unwrap();
    &answer[end + 4..]
}

/// The host's directory is as it was.
pub fn unharmed(outside: &Path, after: &str) {
    let names: Vec<_> = fs::read_dir(outside).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, ["secret"], "after {after}");
    assert_eq!(fs::read_to_string(outside.join("secret")).unwrap(), SECRET, "after {after}");
}

/// A place of the host's that guests' ids may write and read: only walls keep them out.
pub fn outside() -> TempDir {
    let outside = TempDir::with_prefix("madang-outside-").unwrap();
    fs::write(outside.path().join("secret"), SECRET).unwrap();
    for path in [outside.path().to_owned(), outside.path().join("secret")] {
        let guest = (rustix::fs::Uid::from_raw(1_000), rustix::fs::Gid::from_raw(1_000));
        chownat(CWD, path, Some(guest.0), Some(guest.1), AtFlags::empty()).unwrap();
    }
    outside
}

/// Every way in to every path.
async fn try_all(door: &Door<'_>) {
    for path in PATHS {
        for target in ["files", "list", "stat"].map(|noun| format!("{noun}/{path}")) {
            door.ask("GET", &target, b"").await;
        }
        for target in
            [format!("files/{path}?archive=zip"), format!("files/{path}?archive=tar"), format!("search/{path}?name=e")]
        {
            door.ask("GET", &target, b"").await;
        }
        for target in [format!("files/{path}/x?parents"), format!("files/{path}/x")] {
            door.ask("PUT", &target, b"written by the host").await;
        }
        door.ask("POST", &format!("directories/{path}/x?parents"), b"").await;
        door.ask("POST", &format!("move/twin?to={path}/x"), b"").await;
        let metadata = base64(format!("{}/x", path.replace("%2e", ".").replace("%2f", "/")).as_bytes());
        let heads = format!(
            "tus-resumable: 1.0.0\r\nupload-length: 3\r\nupload-metadata: path {metadata}\r\n\
             content-type: application/offset+octet-stream\r\n"
        );
        door.ask_with("POST", "uploads", &heads, b"tus").await;
    }
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let four = |three: &[u8]| -> String {
        let bits = three.iter().fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - three.len()));
        let digit = |at: usize| char::from(DIGITS[(bits >> (18 - 6 * at)) as usize & 63]);
        (0..4).map(|at| if at <= three.len() { digit(at) } else { '=' }).collect()
    };
    bytes.chunks(3).map(four).collect()
}

/// While a program changes what is asked for: what comes is from inside, or nothing.
async fn while_it_changes(door: &Door<'_>) {
    for round in 0..60 {
        for target in [
            "files/swap/d/secret",
            "files/swap/d/inside",
            "list/swap/d",
            "files/swap?archive=tar",
            "search/swap?name=secret",
        ] {
            door.ask("GET", target, b"").await;
        }
        door.ask("PUT", &format!("files/swap/d/{round}"), b"x").await;
        door.ask("PUT", &format!("files/swap/d/p/{round}?parents"), b"x").await;
        door.ask("POST", &format!("move/swap/d/{round}?to=swap/d/moved&replace"), b"").await;
        door.ask("DELETE", "files/swap/d/p?recursive", b"").await;
    }
}

/// Unpacked by the program that people have, every link in it ends inside.
async fn archive_stays_inside(door: &Door<'_>, target: &str) {
    let (status, answer) = door.ask("GET", target, b"").await;
    assert_eq!(status, 200, "{target}");
    let to = TempDir::new().unwrap();
    fs::write(to.path().join("archive"), unchunked(body_of(&answer))).unwrap();
    fs::create_dir(to.path().join("out")).unwrap();
    let mut tar = Command::new("tar");
    tar.args(["--no-same-owner", "-xf", "../archive"]).current_dir(to.path().join("out"));
    let unpacked = tar.stdin(Stdio::null()).output().unwrap();
    assert!(unpacked.status.success(), "{target}: {}", String::from_utf8_lossy(&unpacked.stderr));
    let top = to.path().join("out").canonicalize().unwrap();
    let (mut left, mut links) = (vec![top.clone()], 0);
    while let Some(directory) = left.pop() {
        for entry in fs::read_dir(directory).unwrap().map(Result::unwrap) {
            let kind = entry.file_type().unwrap();
            assert!(kind.is_dir() || kind.is_file() || kind.is_symlink(), "{:?}", entry.path());
            left.extend(kind.is_dir().then(|| entry.path()));
            if let Ok(led) = entry.path().canonicalize() {
                links += usize::from(kind.is_symlink());
                assert!(led.starts_with(&top), "{:?} leads to {led:?}", entry.path());
            }
        }
    }
    assert!(links > 0, "links that stay inside are there");
}

fn unchunked(mut raw: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    while let Some(at) = raw.windows(2).position(|two| two == b"\r\n") {
        let length = usize::from_str_radix(std::str::from_utf8(&raw[..at]).unwrap(), 16).unwrap();
        if length == 0 {
            return body;
        }
        body.extend_from_slice(&raw[at + 2..at + 2 + length]);
        raw = &raw[at + 4 + length..];
    }
    panic!("an archive without an end");
}

/// A copy that ends, well or not.
async fn cloned(world: &World, folder: &FolderView, name: &str) -> FolderView {
    let path = format!("/api/v1/folders/{}/clone", folder.id);
    let copy: FolderView = world.client.post(&path, &json!({ "name": name })).await.unwrap();
    let path = format!("/api/v1/folders/{}", copy.id);
    soon("a copy ends", async || {
        let seen: FolderView = world.client.get(&path).await.map_err(|error| error.to_string())?;
        if ["ready", "failed"].contains(&seen.state.as_str()) { Ok(seen) } else { Err(format!("{seen:?}")) }
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_that_is_planted_in_a_folder_leads_out_or_holds_anybody_up() {
    let (world, outside) = (World::new(), outside());
    let host = outside.path().display().to_string();
    let folder = world.folder(json!({ "name": "planted" })).await;
    let session = world.session(&folder).await;
    let said = world.python(&session, &PLANT.replace('@', &host)).await;
    assert_eq!(said.trim(), "planted 3", "devices and a link to another file system were refused");
    let door = Door::of(&world, &folder, outside.path()).await;
    try_all(&door).await;
    assert_eq!(door.json("list/odd?limit=1000").await["entries"].as_array().unwrap().len(), 253 + 9);
    let swapping =
        world.client.session_run_begin(&session.id.to_string(), &program(&SWAP.replace('@', &host))).await.unwrap();
    while_it_changes(&door).await;
    let copy = cloned(&world, &folder, "copied-while-it-changes").await;
    world.client.run_cancel(swapping.id).await.unwrap();
    soon("nothing changes any more", async || {
        let run = world.client.run_get(swapping.id).await.map_err(|error| error.to_string())?;
        run.whole.verdict.map(drop).ok_or_else(|| format!("{run:?}"))
    })
    .await;
    // What changed under it may have broken it off; what there is holds nothing of the host's.
    if copy.state == "ready" {
        let door = Door::of(&world, &copy, outside.path()).await;
        door.ask("GET", "files/swap?archive=tar", b"").await;
        door.ask("GET", "files/swap/d/inside", b"").await;
    }
    let copy = cloned(&world, &folder, "copy").await;
    assert_eq!(copy.state, "ready", "{copy:?}");
    let copied = Door::of(&world, &copy, outside.path()).await;
    try_all(&copied).await;
    // A file of a tebibyte of nothing takes nothing, and is left out here only because an archive would hold all of it.
    for door in [&door, &copied] {
        let (status, _) = door.ask_with("GET", "files/hole", "range: bytes=1000000000000-1000000000009\r\n", b"").await;
        assert_eq!(status, 206);
        assert_eq!(door.ask("DELETE", "files/hole", b"").await.0, 204);
        archive_stays_inside(door, "files/?archive=tar").await;
    }
    for path in PATHS.iter().chain(&["inner", "deep", "odd", "swap", "shut"]) {
        door.ask("DELETE", &format!("files/{path}?recursive"), b"").await;
    }
    let seen = world.python(
        &session,
        "import os; print(os.path.exists('/etc/passwd'), os.path.exists('d/deep'), os.path.exists('d/own'))",
    );
    assert_eq!(seen.await.trim(), "True False True");
    world.end(&session).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_huge_directory_and_one_without_a_bottom_hold_nobody_up() {
    let (world, outside) = (World::new(), outside());
    let folder = world.folder(json!({ "name": "large" })).await;
    let session = world.session(&folder).await;
    assert_eq!(world.python(&session, LARGE).await.trim(), "planted");
    let door = Door::of(&world, &folder, outside.path()).await;
    let (mut seen, mut after, mut last) = (0, String::new(), String::new());
    loop {
        let page = door.json(&format!("list/huge?limit=1000{after}")).await;
        let entries = page["entries"].as_array().unwrap();
        seen += entries.len();
        for entry in entries {
            let name = entry["name"].as_str().unwrap();
            assert!(*name > *last, "{name} behind {last}");
            name.clone_into(&mut last);
        }
        let Some(more) = page["more_after"].as_str() else { break };
        after = format!("&after={more}");
    }
    assert_eq!(seen, HUGE + 1);
    let found = door.json("search/?name=99999").await;
    assert_eq!(found["entries"].as_array().unwrap().len(), 1, "{found}");
    let (status, archive) = door.ask("GET", "files/huge?archive=zip", b"").await;
    assert_eq!(status, 200);
    assert!(archive.len() > HUGE * 100, "{}", archive.len());
    // It is deeper than copies go: there is none, and it says why.
    let copy = cloned(&world, &folder, "copy").await;
    assert_eq!(copy.state, "failed", "{copy:?}");
    assert!(copy.why.as_ref().is_some_and(|why| why.contains("deep")), "{copy:?}");
    let began = std::time::Instant::now();
    assert_eq!(door.ask("DELETE", "files/huge?recursive", b"").await.0, 204);
    println!("a directory of {HUGE} names is gone after {:?}", began.elapsed());
    world.end(&session).await;
    let emptied = async || {
        let used = world.quota().await.used_files.unwrap();
        if used < 10 { Ok(()) } else { Err(format!("{used} files")) }
    };
    soon("its files are nobody's any more", emptied).await;
}
