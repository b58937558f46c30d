//! Bad input to every command: one clear line on stderr, nothing on stdout, the exit code that README promises. Against the real
//! server where it takes one to know better, so it needs root.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    fs,
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Child, ChildStdout, Command, Output, Stdio},
};

use tempfile::TempDir;

const USAGE: i32 = 120;
const UNREACHABLE: i32 = 121;
const REFUSED: i32 = 122;
/// Nobody listens there, and only root could.
const NOBODY: &str = "http://127.0.0.1:1";

/// Words, exit code, what the line must say. Words are split at spaces.
type Row = (&'static str, i32, &'static str);

/// Mistakes that need no server to be seen.
const ALONE: &[Row] = &[
    ("frobnicate", USAGE, "'frobnicate'"),
    ("--frobnicate", USAGE, "'--frobnicate'"),
    ("run", USAGE, "<FILE>"),
    ("run nothing.py", USAGE, "nothing.py: No such file"),
    ("run hello.py nothing.py", USAGE, "nothing.py: No such file"),
    ("run empty", USAGE, "no file in empty"),
    ("run -", USAGE, "--lang"),
    ("run - hello.py --lang python", USAGE, "stands alone"),
    ("run hello.py --time banana", USAGE, "`banana`"),
    ("run hello.py --memory 12XB", USAGE, "`XB` is no unit"),
    ("run hello.py --disk -1", USAGE, "'-1'"),
    ("run hello.py --output x", USAGE, "--output"),
    ("run hello.py --pids many", USAGE, "--pids"),
    ("run hello.py --frobnicate", USAGE, "'--frobnicate'"),
    ("run hello.py --stdin hello.py --input hello.py", USAGE, "cannot be used with"),
    ("session frobnicate", USAGE, "'frobnicate'"),
    ("session info", USAGE, "<SESSION>"),
    ("session rm", USAGE, "<SESSIONS>"),
    ("session restart", USAGE, "<SESSION>"),
    ("session interrupt", USAGE, "<SESSION>"),
    ("session suspend", USAGE, "<SESSION>"),
    ("session suspend box --soon", USAGE, "'--soon'"),
    ("session resume", USAGE, "<SESSION>"),
    ("session commit box", USAGE, "<NAME>"),
    ("image export box", USAGE, "<FILE>"),
    ("image share", USAGE, "<IMAGE>"),
    ("session create --suspend-after soon", USAGE, "--suspend-after"),
    ("session ls extra", USAGE, "'extra'"),
    ("session create --cpu -1", USAGE, "a number above 0"),
    ("session create --cpu NaN", USAGE, "a number above 0"),
    ("session create --cpu inf", USAGE, "a number above 0"),
    ("session create --memory lots", USAGE, "--memory"),
    ("up --fake-accelerator fake", USAGE, "COUNT"),
    ("up --fake-accelerator fake:1:99", USAGE, "SHARES"),
    ("up --accelerator-shares 0", USAGE, "--accelerator-shares"),
    ("session create --accelerator cuda", USAGE, "NAME=VALUE"),
    ("session create --accelerator cuda=all", USAGE, "the amount is a number"),
    ("session create --label zone", USAGE, "NAME=VALUE"),
    ("session create --env NAME", USAGE, "NAME=VALUE"),
    ("session create --tag KEY", USAGE, "NAME=VALUE"),
    ("session create --reuse", USAGE, "--name"),
    ("session create --timeout soon", USAGE, "--timeout"),
    ("session create --idle-timeout soon", USAGE, "--idle-timeout"),
    ("exec", USAGE, "<SESSION>"),
    ("exec box", USAGE, "<CMD>"),
    ("exec box ls", USAGE, "'ls'"),
    ("exec box -t --json -- ls", USAGE, "cannot be used with"),
    ("query", USAGE, "<SESSION>"),
    ("query box 1 2", USAGE, "'2'"),
    ("attach", USAGE, "<SESSION>"),
    ("logs", USAGE, "<SESSION>"),
    ("cp hello.py", USAGE, "<DESTINATION>"),
    ("cp hello.py copy.py", USAGE, "SESSION:PATH"),
    ("cp one:a two:b", USAGE, "SESSION:PATH"),
    ("cp nothing.py box:", USAGE, "nothing.py: No such file"),
    ("cp folder:own/a folder:own/b", USAGE, "folder:NAME/PATH"),
    ("folder frobnicate", USAGE, "'frobnicate'"),
    ("folder create", USAGE, "<NAME>"),
    ("folder create own --mode secret", USAGE, "'secret'"),
    ("folder create own --members all", USAGE, "'all'"),
    ("folder rename own", USAGE, "<NAME>"),
    ("folder rm", USAGE, "<FOLDERS>"),
    ("folder give own", USAGE, "--user"),
    ("folder share own read", USAGE, "--user"),
    ("folder share own all --user ben", USAGE, "'all'"),
    ("folder invite own ben", USAGE, "<PERMISSION>"),
    ("folder withdraw own", USAGE, "<INVITATION>"),
    ("folder mkdir own", USAGE, "FOLDER/PATH"),
    ("folder mv own other", USAGE, "FOLDER/PATH"),
    ("folder del own/", USAGE, "FOLDER/PATH"),
    ("session create --mount :a", USAGE, "FOLDER[:PATH]"),
    ("session create --mount own:", USAGE, "FOLDER[:PATH]"),
    ("image frobnicate", USAGE, "'frobnicate'"),
    ("image pull", USAGE, "<REFERENCE>"),
    ("image pull busybox", USAGE, "names no registry"),
    ("image pull UPPER.example/A:b", USAGE, "no image reference"),
    ("image pull 127.0.0.1:1/a:b --user me", USAGE, "MADANG_REGISTRY_PASSWORD"),
    ("image import", USAGE, "<FILE>"),
    ("image import nothing.tar", USAGE, "nothing.tar: No such file"),
    ("image import hello.py", REFUSED, "refused hello.py"),
    ("image rm", USAGE, "<IMAGES>"),
    ("image rm nothing", USAGE, "image nothing not found"),
    ("lang frobnicate", USAGE, "'frobnicate'"),
    ("bench", USAGE, "<BENCH>"),
    ("bench frobnicate", USAGE, "'frobnicate'"),
    ("bench start --rounds 0", USAGE, "from 1 on"),
    ("bench start --concurrency many", USAGE, "from 1 on"),
    ("bench density --sessions -5", USAGE, "'-5'"),
    ("bench throughput --duration long", USAGE, "--duration"),
    ("bench start --endpoint ftp://there", USAGE, "is no address"),
    ("up --listen banana", USAGE, "--listen"),
    ("up --listen 127.0.0.1:99999", USAGE, "--listen"),
    ("up --listen 192.0.2.1:1", USAGE, "192.0.2.1:1"),
    ("up --pools maybe", USAGE, "'maybe'"),
    ("up --data hello.py", USAGE, "hello.py"),
    ("up --data /proc/nothing", USAGE, "/proc/nothing"),
    ("up extra", USAGE, "'extra'"),
    ("doctor extra", USAGE, "'extra'"),
    ("version --frobnicate", USAGE, "'--frobnicate'"),
    ("smoke --wait soon", USAGE, "--wait"),
];

/// What only a server can know. `hello.py`, a session `ended` and a live one `box` of Python are there.
const ASKED: &[Row] = &[
    ("run noext", USAGE, "noext tells no language"),
    ("run hello.zzz", USAGE, "hello.zzz tells no language"),
    ("run hello.py --lang cobol", USAGE, "\"cobol\""),
    ("run hello.py --image nothing", USAGE, "nothing"),
    ("run hello.py --stdin nothing.txt", USAGE, "nothing.txt"),
    ("run hello.py --input nothing.txt", USAGE, "nothing.txt"),
    ("run hello.py --time 0s", USAGE, "wall_ms"),
    ("run hello.py --memory 999TiB", REFUSED, "memory_bytes"),
    ("run hello.py --pids 99999999", REFUSED, "pids"),
    ("session create --lang cobol", USAGE, "\"cobol\""),
    ("session create --name ses_x", USAGE, "name"),
    ("session create --name box", USAGE, "box"),
    ("session create --image nothing/such:1", USAGE, "nothing/such:1"),
    ("session create --memory 999TiB", REFUSED, "memory"),
    ("session info nothing", USAGE, "session nothing not found"),
    ("session create --mount nothing", USAGE, "folder nothing not found"),
    ("folder info nothing", USAGE, "folder nothing not found"),
    ("folder rename nothing other", USAGE, "folder nothing not found"),
    ("folder rm nothing", USAGE, "folder nothing not found"),
    ("folder restore nothing", USAGE, "folder nothing not found"),
    ("folder purge nothing", USAGE, "folder nothing not found"),
    ("folder clone nothing copy", USAGE, "folder nothing not found"),
    ("folder give nothing --user administrator", USAGE, "folder nothing not found"),
    ("folder shares nothing", USAGE, "folder nothing not found"),
    ("folder invite nothing ben read", USAGE, "folder nothing not found"),
    ("folder leave nothing", USAGE, "folder nothing not found"),
    ("folder files nothing/a", USAGE, "folder nothing not found"),
    ("folder create a/b", USAGE, "a folder's name"),
    ("folder create own --project nothing", USAGE, "project nothing not found"),
    ("folder ls --owner nobody", USAGE, "no user or project `nobody`"),
    ("folder accept nothing", USAGE, "not found"),
    ("cp hello.py folder:nothing/", USAGE, "folder nothing not found"),
    ("cp folder:nothing/a here", USAGE, "folder nothing not found"),
    ("session info ses_nothing", USAGE, "session ses_nothing not found"),
    ("session rm nothing", USAGE, "session nothing not found"),
    ("session restart nothing", USAGE, "session nothing not found"),
    ("session interrupt nothing", USAGE, "session nothing not found"),
    ("exec nothing -- true", USAGE, "session nothing not found"),
    ("exec box --time 0s -- true", USAGE, "wall_ms"),
    ("query nothing 1", USAGE, "session nothing not found"),
    ("attach nothing", USAGE, "session nothing not found"),
    ("logs nothing", USAGE, "session nothing not found"),
    ("cp hello.py nothing:", USAGE, "session nothing not found"),
    ("cp nothing:hello.py .", USAGE, "session nothing not found"),
    ("cp box:nothing.py .", USAGE, "not found"),
    ("cp hello.py box:../../etc/x", USAGE, "stay below it"),
    ("cp box:/etc/passwd .", USAGE, "not found"),
];

/// Every command that talks to a server, well formed.
const TALKS: &[&str] = &[
    "run hello.py",
    "session create",
    "session ls",
    "session info box",
    "session rm box",
    "session restart box",
    "session interrupt box",
    "exec box -- true",
    "query box 1",
    "attach box",
    "logs box",
    "cp hello.py box:",
    "cp box:hello.py .",
    "lang ls",
    "admin organization ls",
    "admin project members maths",
    "admin user set ada --role member",
    "admin token ls",
    "admin policy set class --runs 1",
    "admin state show",
    "admin announcement ls",
    "admin task run prune",
    "smoke",
];

fn madang(folder: &Path, words: &str, settings: &[(&str, &str)]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_madang"))
        .args(words.split(' '))
        .current_dir(folder)
        .env("MADANG_HOME", folder.join("home"))
        // A server that cannot start has said more before.
        .env("MADANG_LOG", "error")
        .env_remove("MADANG_ENDPOINT")
        .env_remove("MADANG_TOKEN")
        .env_remove("MADANG_REGISTRY_PASSWORD")
        .envs(settings.iter().copied())
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

/// What is wrong with this ending, if anything.
fn fault(output: &Output, code: i32, says: &str) -> Option<String> {
    let (said, line) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    let one_line = line.starts_with("madang: ") && line.ends_with('\n') && line.lines().count() == 1;
    let right = output.status.code() == Some(code) && said.is_empty() && one_line && line.contains(says);
    (!right).then(|| format!("{:?}, not {code} with {says:?}; stdout {said:?}, stderr {line:?}", output.status.code()))
}

fn check(folder: &Path, rows: &[Row], settings: &[(&str, &str)]) {
    let faults: Vec<String> = rows
        .iter()
        .filter_map(|(words, code, says)| {
            fault(&madang(folder, words, settings), *code, says).map(|fault| format!("madang {words}: {fault}"))
        })
        .collect();
    assert!(faults.is_empty(), "{} of {}:\n{}", faults.len(), rows.len(), faults.join("\n"));
}

fn folder() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("empty")).unwrap();
    for name in ["hello.py", "hello.zzz", "noext"] {
        fs::write(folder.path().join(name), "print(1)\n").unwrap();
    }
    folder
}

/// A server over this folder's home; ended with the test.
struct Server {
    child: Child,
    _stdout: BufReader<ChildStdout>,
    url: String,
    folder: PathBuf,
}

impl Server {
    fn start(folder: &Path) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_madang"))
            .args(["up", "--listen", "127.0.0.1:0", "--pools", "off"])
            .env("MADANG_HOME", folder.join("home"))
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut first = String::new();
        stdout.read_line(&mut first).unwrap();
        let url = first.trim().strip_prefix("listening on ").expect("the server starts; this needs root").to_owned();
        Self { child, _stdout: stdout, url, folder: folder.to_owned() }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // A session outlives its server; a test without one is told so.
        let _ = madang(&self.folder, "session rm box", &[]);
        if let Some(pid) = rustix::process::Pid::from_raw(self.child.id().cast_signed()) {
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        }
        let _ = self.child.wait();
    }
}

#[test]
fn mistakes_are_seen_without_a_server() {
    check(folder().path(), ALONE, &[]);
}

#[test]
fn files_that_cannot_be_read_are_named() {
    let folder = folder();
    let unreadable = folder.path().join("hello.py");
    fs::remove_file(&unreadable).unwrap();
    std::os::unix::fs::symlink("hello.py", &unreadable).unwrap();
    let rows = ["run hello.py", "cp hello.py box:", "image import hello.py"];
    check(folder.path(), &rows.map(|words| (words, USAGE, "hello.py: Too many levels")), &[]);
}

#[test]
fn a_group_of_commands_alone_shows_its_help() {
    for words in ["session", "image", "lang"] {
        let output = madang(folder().path(), words, &[]);
        assert_eq!((output.status.code(), output.stdout.as_slice()), (Some(USAGE), &b""[..]), "{words}");
        assert!(String::from_utf8_lossy(&output.stderr).contains("Usage: madang"), "{words}");
    }
}

#[test]
fn no_server_is_one_line_from_every_command() {
    let folder = folder();
    let rows: Vec<Row> = TALKS.iter().map(|words| (*words, UNREACHABLE, "start one with `madang up`")).collect();
    check(folder.path(), &rows, &[]);
    check(folder.path(), &rows, &[("MADANG_ENDPOINT", NOBODY)]);
    let rows: Vec<Row> = TALKS.iter().map(|words| (*words, USAGE, "`banana` is no address")).collect();
    check(folder.path(), &rows, &[("MADANG_ENDPOINT", "banana")]);
}

#[test]
fn a_server_names_what_it_does_not_know() {
    let folder = folder();
    let server = Server::start(folder.path());
    let made = madang(folder.path(), "session create --lang python --name box", &[]);
    assert!(made.status.success(), "{made:?}");
    check(folder.path(), ASKED, &[]);
    // A second server beside the first one.
    let address = server.url.strip_prefix("http://").unwrap();
    let taken = madang(folder.path(), "up --listen 127.0.0.1:0", &[]);
    assert_eq!(fault(&taken, USAGE, "another server uses"), None);
    let taken = madang(folder.path(), &format!("up --data other --listen {address}"), &[]);
    assert_eq!(fault(&taken, USAGE, address), None);
}

#[test]
fn a_bad_token_is_one_line_from_every_command() {
    let folder = folder();
    let server = Server::start(folder.path());
    let rows: Vec<Row> = TALKS.iter().map(|words| (*words, UNREACHABLE, "the token is not known")).collect();
    check(folder.path(), &rows, &[("MADANG_ENDPOINT", &server.url), ("MADANG_TOKEN", "wrong")]);
    let rows: Vec<Row> = TALKS.iter().map(|words| (*words, USAGE, "MADANG_TOKEN is no token")).collect();
    check(folder.path(), &rows, &[("MADANG_ENDPOINT", &server.url), ("MADANG_TOKEN", "two\nlines")]);
}

#[test]
fn a_bad_configuration_is_one_line_with_every_problem() {
    let folder = folder();
    let file = folder.path().join("madang.toml");
    let settings = [("MADANG_CONFIG", file.to_str().unwrap())];
    let missing = madang(folder.path(), "up --listen 127.0.0.1:0", &settings);
    assert_eq!(fault(&missing, 120, "madang.toml"), None);
    std::fs::write(&file, "lisen = \"x\"\nkeep_audit_days = 0\n").unwrap();
    let bad = madang(folder.path(), "up --listen 127.0.0.1:0", &settings);
    assert_eq!(fault(&bad, 120, "`keep_audit_days` is a whole number from 1 on; `lisen` is unknown"), None);
}
