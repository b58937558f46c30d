//! What strangers send and what guests leave, thrown at folders over real sockets: the heads of uploads, and trees that become archives.
//!
//! `MADANG_FUZZ_SECONDS` says how long each target runs (2 by default); `MADANG_FUZZ_SEED` repeats a run.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[allow(dead_code, reason = "other tests use the rest of it")]
#[path = "front_door/client.rs"]
mod client;
#[allow(dead_code, reason = "other tests use the rest of it")]
#[path = "front_door/ground.rs"]
mod ground;
#[path = "front_door/way.rs"]
mod way;

use std::{
    collections::BTreeMap,
    ffi::OsStr,
    fs, io,
    os::unix::{ffi::OsStrExt as _, fs::symlink},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use base64::{Engine, engine::general_purpose::STANDARD};
use ground::{Ground, own};
use madang_testkit::{Dice, Fuzz};
use madang_ticket::FolderMay;
use rustix::fs::{CWD, Mode, mkfifoat};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

/// After so many inputs somebody asks as one should.
const CHECK_EVERY: u64 = 64;
const ANSWER_WAIT: Duration = Duration::from_secs(60);

/// Values that matter to some head or other.
const VALUES: [&str; 36] = [
    "1.0.0",
    "0.2.2",
    "0",
    "1",
    "3",
    "5",
    "+5",
    "-1",
    "05",
    "9007199254740992",
    "9007199254740993",
    "18446744073709551616",
    "",
    "path YQ==",
    "path YQ==,parents",
    "path YQ==,new",
    "path YS9i",
    "path Li4vYQ==",
    "path L2V0Yy9wYXNzd2Q=",
    "path AA==",
    "path",
    "path YQ==,path Yg==",
    "path YQ==,sha256 AAAA",
    "path ====",
    ",,,",
    "path YQ==,sha256 ZTNiMGM0NDI5OGZjMWMxNDlhZmJmNGM4OTk2ZmI5MjQyN2FlNDFlNDY0OWI5MzRjYTQ5NTk5MWI3ODUyYjg1NQ==",
    "sha1 AAAA",
    "sha256 47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=",
    "sha256",
    "md5 AAAA",
    "PATCH",
    "DELETE",
    "HEAD",
    "application/offset+octet-stream",
    "text/plain",
    "\u{7f}",
];
const HEADS: [&str; 12] = [
    "Tus-Resumable",
    "Upload-Length",
    "Upload-Defer-Length",
    "Upload-Offset",
    "Upload-Metadata",
    "Upload-Checksum",
    "X-HTTP-Method-Override",
    "Content-Type",
    "Content-Length",
    "Transfer-Encoding",
    "Expect",
    "Upload-Concat",
];

/// A head of a request that could mean an upload.
fn request(dice: &mut Dice, folder: &str, ticket: &str, uploads: &[String]) -> Vec<u8> {
    let method = dice.one(&["POST", "PATCH", "HEAD", "DELETE", "OPTIONS", "GET", "PUT"]);
    let id = if uploads.is_empty() { "0123456789abcdef" } else { dice.one(uploads) };
    let target = match dice.below(8) {
        0 | 1 => format!("uploads/{id}"),
        2 => format!("uploads/{id}/x"),
        3 => "uploads/..%2f..%2fx".to_owned(),
        4 => "uploads/".to_owned(),
        _ => "uploads".to_owned(),
    };
    let mut text = format!("{method} /storage/v1/{folder}/{target} HTTP/1.1\r\nHost: here\r\nConnection: close\r\n");
    text.push_str(&format!("Authorization: Bearer {ticket}\r\nTus-Resumable: 1.0.0\r\n"));
    if dice.below(2) == 0 {
        let metadata = format!("path {}", STANDARD.encode(dice.one(&["a", "b/c", "é", ".", "b", "a/../b"])));
        text.push_str(&format!("Upload-Length: {}\r\nUpload-Metadata: {metadata},parents\r\n", dice.below(9)));
        text.push_str("Content-Type: application/offset+octet-stream\r\n");
    }
    for _ in 0..dice.below(5) {
        text.push_str(&format!("{}: {}\r\n", dice.one(&HEADS), dice.one(&VALUES)));
    }
    text.push_str(&format!("Content-Length: {}\r\n\r\n", dice.below(9)));
    let mut bytes = text.into_bytes();
    bytes.extend_from_slice(&b"whole as it came"[..dice.below(16)]);
    for _ in 0..dice.below(4) {
        let at = dice.below(bytes.len());
        match dice.below(3) {
            0 => bytes[at] ^= 1 << dice.below(8),
            1 => bytes[at] = *dice.one(b"\0\r\n :,=\xff9"),
            _ => drop(bytes.remove(at)),
        }
    }
    bytes
}

/// What comes back. The other side may leave at once.
async fn sent(client: &client::Client, bytes: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(client.address).await.unwrap();
    let _ = stream.write_all(bytes).await;
    // Whoever announces more than comes has ended.
    let _ = stream.shutdown().await;
    let mut answer = Vec::new();
    let _ = timeout(ANSWER_WAIT, stream.read_to_end(&mut answer)).await.expect("an answer in time");
    answer
}

#[tokio::test(flavor = "multi_thread")]
async fn fuzz_heads_of_uploads() {
    let ground = Ground::new().await;
    let client = ground.client(FolderMay::Write);
    let ticket = ground.ticket("", FolderMay::Write);
    let honest = [("Tus-Resumable", "1.0.0"), ("Upload-Length", "6"), ("Upload-Metadata", "path aG9uZXN0")];
    let mut fuzz = Fuzz::begin("heads_of_uploads");
    while fuzz.goes_on() {
        let uploads: Vec<String> =
            ground.staged().iter().filter_map(|name| name.strip_suffix(".note")).map(str::to_owned).collect();
        let bytes = request(&mut fuzz.dice, &client.folder, &ticket, &uploads);
        let answer = sent(&client, &bytes).await;
        let said = String::from_utf8_lossy(&answer).into_owned();
        assert!(said.is_empty() || said.starts_with("HTTP/1."), "{said}");
        // Nobody has room for the most that may be announced: that is the client's fault, with the number of the other's.
        let ours = said.split(' ').nth(1).is_some_and(|status| status.starts_with('5') && status != "507");
        assert!(!ours, "{} was answered {said}", String::from_utf8_lossy(&bytes));
        if fuzz.inputs() % CHECK_EVERY == 1 {
            // Room for others, and one that means what it says.
            for name in ground.staged() {
                still_there(fs::remove_file(ground.staged_path(&name)));
            }
            let heads = [&honest[..], &[("Content-Type", "application/offset+octet-stream")]].concat();
            client.send("POST", "uploads", &heads, b"honest").await.expect(201);
            assert_eq!(fs::read(ground.path("honest")).unwrap(), b"honest");
            only_what_was_sent(&ground.path(""));
        }
    }
}

/// Nothing is there but directories, and files that hold what bodies have.
fn only_what_was_sent(top: &Path) {
    for (name, held) in tree(top) {
        let Held::File(bytes) = held else { continue };
        let whole = b"whole as it came";
        let came = bytes == b"honest" || bytes.len() <= whole.len();
        assert!(came, "{:?} holds {:?}, not a piece of {whole:?}", OsStr::from_bytes(&name), OsStr::from_bytes(&bytes));
    }
    let beside = fs::read_dir(top.parent().unwrap()).unwrap().count();
    assert_eq!(beside, 2, "something appeared beside the folder");
}

#[derive(Debug, PartialEq, Eq)]
enum Held {
    Directory,
    File(Vec<u8>),
    Link(Vec<u8>),
}

/// The server goes on meanwhile, and may have removed what was just listed.
fn still_there<T>(done: io::Result<T>) -> Option<T> {
    match done {
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        done => Some(done.unwrap()),
    }
}

fn held(path: &Path, kind: fs::FileType) -> Option<Held> {
    match kind {
        kind if kind.is_dir() => Some(Held::Directory),
        kind if kind.is_file() => still_there(fs::read(path)).map(Held::File),
        kind if kind.is_symlink() => {
            still_there(fs::read_link(path)).map(|to| Held::Link(to.as_os_str().as_bytes().to_vec()))
        }
        _ => None,
    }
}

/// All beneath, by paths; what is neither file, link nor directory is not in archives.
fn tree(top: &Path) -> BTreeMap<Vec<u8>, Held> {
    let (mut found, mut left) = (BTreeMap::new(), vec![top.to_owned()]);
    while let Some(directory) = left.pop() {
        for entry in still_there(fs::read_dir(directory)).into_iter().flatten().map(Result::unwrap) {
            let path = entry.path();
            let Some(held) = still_there(entry.file_type()).and_then(|kind| held(&path, kind)) else { continue };
            left.extend((held == Held::Directory).then(|| path.clone()));
            found.insert(path.strip_prefix(top).unwrap().as_os_str().as_bytes().to_vec(), held);
        }
    }
    found
}

/// A name of any bytes that a name may have.
fn name(dice: &mut Dice) -> Vec<u8> {
    let long = *dice.one(&[1, 2, 8, 99, 100, 101, 155, 156, 255]);
    let text = dice.below(2) == 0;
    let byte = |byte: u8| match byte {
        _ if text => b'a' + byte % 26,
        0 | b'/' => b'\n',
        byte => byte,
    };
    let name: Vec<u8> = dice.bytes(long).into_iter().map(byte).collect();
    if name.iter().all(|byte| *byte == b'.') { b"dots".to_vec() } else { name }
}

/// Some names, files of sizes at the edges of blocks, links to wherever, pipes.
fn plant(dice: &mut Dice, top: &Path) {
    let mut directories: Vec<PathBuf> = vec![top.to_owned()];
    for _ in 0..dice.below(24) {
        let path = dice.one(&directories).join(OsStr::from_bytes(&name(dice)));
        // Two of one name, or one that is too long with all above it.
        let planted = match dice.below(6) {
            0 => fs::create_dir(&path).map(|()| directories.push(path.clone())),
            1 => symlink(dice.one(&[".", "..", "../..", "a/../b", "/etc/passwd", "x", "./x/y", "a/b/../../.."]), &path),
            2 => mkfifoat(CWD, &path, Mode::RWXU).map_err(Into::into),
            _ => {
                let size = *dice.one(&[0, 1, 511, 512, 513, 5_000, 262_143, 262_144, 262_145]);
                let bytes = if dice.below(2) == 0 { vec![7; size] } else { dice.bytes(size) };
                if path.exists() { Ok(()) } else { fs::write(&path, bytes) }
            }
        };
        if planted.is_ok() && !path.is_symlink() {
            own(&path);
        }
    }
}

fn unpacked(program: &str, arguments: &[&str], archive: &[u8]) -> TempDir {
    let to = TempDir::new().unwrap();
    fs::write(to.path().join("archive"), archive).unwrap();
    fs::create_dir(to.path().join("out")).unwrap();
    let mut command = Command::new(program);
    command.args(arguments).arg("../archive").current_dir(to.path().join("out")).stdin(Stdio::null());
    let output = command.output().unwrap_or_else(|error| panic!("{program}, from scripts/install-test-tools: {error}"));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{program}: {}{said}", String::from_utf8_lossy(&output.stdout));
    to
}

#[tokio::test(flavor = "multi_thread")]
async fn fuzz_archives_of_what_guests_leave() {
    let ground = Ground::new().await;
    let client = ground.client(FolderMay::Read);
    let mut fuzz = Fuzz::begin("archives");
    while fuzz.goes_on() {
        let top = ground.path("d");
        fs::create_dir(&top).unwrap();
        own(&top);
        // unzip takes an archive of nothing for a mistake.
        fs::write(top.join("one"), "1").unwrap();
        own(&top.join("one"));
        plant(&mut fuzz.dice, &top);
        let there = tree(&top);
        let tar = client.get("files/d?archive=tar", &[]).await.expect(200);
        let zip = client.get("files/d?archive=zip", &[]).await.expect(200);
        assert!(tar.whole && zip.whole);
        let out = unpacked("tar", &["-xf"], &tar.body);
        let top_out = out.path().join("out").canonicalize().unwrap();
        let mut found = tree(&top_out);
        found.remove(&b"MADANG-LEFT-OUT.txt"[..]);
        for (name, held) in &there {
            match held {
                // Those that could lead out are left out.
                Held::Link(_) => assert!(found.get(name).is_none_or(|found| found == held)),
                held => assert_eq!(found.get(name), Some(held), "{:?}", OsStr::from_bytes(name)),
            }
        }
        assert!(found.keys().all(|name| there.contains_key(name)), "{found:?} of {there:?}");
        for name in found.keys() {
            let led = top_out.join(OsStr::from_bytes(name)).canonicalize();
            assert!(led.is_err() || led.is_ok_and(|led| led.starts_with(&top_out)), "{:?}", OsStr::from_bytes(name));
        }
        drop(unpacked("unzip", &["-tqq"], &zip.body));
        fs::remove_dir_all(&top).unwrap();
    }
}
