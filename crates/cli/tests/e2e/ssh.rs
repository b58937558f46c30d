//! Debian's own ssh, scp, sftp and rsync against a real server.

use std::{
    fs,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    sync::{Arc, mpsc},
    time::{Duration, Instant},
};

use rustix::process::Signal;
use tempfile::TempDir;

use crate::server::{PATIENCE, Server, ended, eventually, shared};

/// What is sent through and comes back.
const MANY_BYTES: usize = 100 << 20;

/// Somebody with a key, at a server.
struct Person {
    server: Arc<Server>,
    home: TempDir,
}

impl Person {
    /// With a key that the server knows as the administrator's.
    fn known(server: Arc<Server>) -> Self {
        let person = Self::stranger(server);
        let (code, out, err) = person.server.madang(&["key", "ssh", "add", &person.public()]);
        assert_eq!(code, 0, "{err}");
        assert!(out.contains("SHA256:"), "{out}");
        person
    }

    /// With a key that nobody has heard of.
    fn stranger(server: Arc<Server>) -> Self {
        let home = TempDir::with_prefix("madang-ssh-").unwrap();
        let made = Command::new("ssh-keygen")
            .args(["-q", "-t", "ed25519", "-N", "", "-C", "of a test", "-f"])
            .arg(home.path().join("key"))
            .output()
            .unwrap();
        assert!(made.status.success(), "{made:?}");
        Self { server, home }
    }

    fn path(&self, name: &str) -> String {
        self.home.path().join(name).display().to_string()
    }

    fn public(&self) -> String {
        self.path("key.pub")
    }

    /// What every program of OpenSSH is told.
    fn options(&self) -> Vec<String> {
        let known = format!("UserKnownHostsFile={}", self.path("known_hosts"));
        let fixed = [
            "IdentitiesOnly=yes",
            "IdentityAgent=none",
            "StrictHostKeyChecking=accept-new",
            "BatchMode=yes",
            "LogLevel=ERROR",
            &known,
        ];
        let mut options = vec!["-F".to_owned(), "/dev/null".to_owned(), "-i".to_owned(), self.path("key")];
        options.extend(fixed.iter().flat_map(|option| ["-o".to_owned(), (*option).to_owned()]));
        options
    }

    fn ssh(&self, session: &str, more: &[&str], command: &str) -> Command {
        let mut ssh = Command::new("ssh");
        ssh.args(self.options()).args(["-p", &self.server.ssh_port()]).args(more);
        ssh.arg(format!("{session}@127.0.0.1")).arg(command).stdin(Stdio::null());
        ssh
    }

    fn says(&self, session: &str, command: &str) -> (i32, String, String) {
        ended(self.ssh(session, &[], command).output().unwrap())
    }

    /// Signed in, and at work: it has said so.
    fn working(&self, session: &str) -> Working {
        let mut ssh = self.ssh(session, &[], "echo up; exec sleep 1000");
        let mut child = ssh.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let working = Working(child);
        assert_eq!(line, "up\n");
        working
    }
}

/// A client that is ended with its test.
struct Working(Child);

impl Working {
    fn sees_it_cut(mut self, why: &str) {
        let status = eventually(why, || self.0.try_wait().unwrap().ok_or_else(|| "it is still connected".to_owned()));
        assert_eq!(status.code(), Some(255), "{why}");
    }
}

impl Drop for Working {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A session of a test's own, ended with it.
struct Session {
    server: Arc<Server>,
    name: String,
}

impl Session {
    fn new(server: &Arc<Server>, name: &str) -> Self {
        let (code, out, err) = server.madang(&["session", "create", "--name", name, "--memory", "1GiB"]);
        assert_eq!(code, 0, "{out}{err}");
        Self { server: Arc::clone(server), name: name.to_owned() }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.server.madang(&["session", "rm", &self.name]);
    }
}

fn good(output: Output) -> String {
    let (code, out, err) = ended(output);
    assert_eq!(code, 0, "{out}{err}");
    out
}

#[test]
fn commands_end_as_they_do_anywhere() {
    let server = shared();
    let session = Session::new(&server, "ssh-commands");
    let ada = Person::known(server);
    let says = |command: &str| ada.says(&session.name, command);
    assert_eq!(says("echo out; echo err >&2; exit 7"), (7, "out\n".to_owned(), "err\n".to_owned()));
    let (code, out, _) = says("pwd; echo $HOME; id -u");
    assert_eq!(code, 0);
    assert_eq!(out.lines().next(), Some("/home/work"), "{out}");
    let (code, _, err) = says("no-such-command-here");
    assert_eq!(code, 127);
    assert!(err.contains("not found"), "{err}");
    // A signal is no exit code.
    let (code, _, _) = says("kill -9 $$");
    assert_eq!(code, 255);
    // By its id too, and by nothing that it is not called.
    let (_, list, _) = ada.server.madang(&["session", "ls", "--json"]);
    let list: serde_json::Value = serde_json::from_str(&list).unwrap();
    let all = list.as_array().or_else(|| list["items"].as_array()).unwrap();
    let id = all.iter().find(|one| one["name"] == session.name.as_str()).unwrap()["id"].as_str().unwrap();
    assert_eq!(ada.says(id, "echo by id"), (0, "by id\n".to_owned(), String::new()));
    let (code, _, err) = ada.says("no-such-session", "true");
    assert_eq!(code, 255);
    assert!(err.contains("not found"), "{err}");
    // Only what the list has of the client's environment.
    let env = ["-o", "SetEnv=LC_TEST=here PATH=/nowhere LD_PRELOAD=/nowhere"];
    let out = good(ada.ssh(&session.name, &env, "echo $LC_TEST $LD_PRELOAD $PATH").output().unwrap());
    assert!(out.starts_with("here ") && !out.contains("nowhere"), "{out}");
}

#[test]
fn a_terminal_is_one() {
    let server = shared();
    let session = Session::new(&server, "ssh-terminal");
    let ada = Person::known(server);
    let (code, out, err) = ada.says(&session.name, "test -t 0 || echo none");
    assert_eq!((code, out.as_str()), (0, "none\n"), "{err}");
    // `script` gives ssh a terminal of its own, whose size it passes on.
    let words: Vec<String> = {
        let ssh = ada.ssh(&session.name, &["-tt"], "stty size; test -t 0 && echo yes; echo TERM=$TERM");
        let quoted = ssh.get_args().map(|word| format!("'{}'", word.to_str().unwrap()));
        std::iter::once("ssh".to_owned()).chain(quoted).collect()
    };
    let inside = format!("stty rows 41 cols 123; {}", words.join(" "));
    let out = Command::new("script")
        .args(["-qec", &inside, "/dev/null"])
        .env("TERM", "vt100")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&out.stdout).into_owned();
    assert!(text.contains("41 123") && text.contains("yes") && text.contains("TERM=vt100"), "{text:?}");
    // A shell without a command: it reads what it is sent, as VS Code does.
    let mut ssh = Command::new("ssh");
    ssh.args(ada.options()).args(["-T", "-p", &ada.server.ssh_port(), &format!("{}@127.0.0.1", session.name)]);
    let mut shell = ssh.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    shell.stdin.take().unwrap().write_all(b"echo from a shell\nexit 3\n").unwrap();
    let output = shell.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(3));
    assert!(String::from_utf8_lossy(&output.stdout).contains("from a shell"), "{output:?}");
}

/// Bytes without a pattern that compression or a terminal could spoil, the same each time.
fn noise(bytes: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    };
    (0..bytes.div_ceil(8)).flat_map(|_| next()).take(bytes).collect()
}

#[test]
fn many_bytes_go_both_ways_at_once() {
    let server = shared();
    let session = Session::new(&server, "ssh-bytes");
    let ada = Person::known(server);
    let sent = noise(MANY_BYTES);
    let mut ssh = ada.ssh(&session.name, &[], "cat");
    let mut child = ssh.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let (mut input, mut output) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
    let writer = std::thread::spawn({
        let sent = sent.clone();
        move || input.write_all(&sent)
    });
    let mut heard = Vec::new();
    output.read_to_end(&mut heard).unwrap();
    writer.join().unwrap().unwrap();
    assert!(child.wait().unwrap().success());
    assert!(heard == sent, "{} bytes came back of {}", heard.len(), sent.len());
}

#[test]
fn a_program_that_does_not_read_is_no_end_of_what_it_says() {
    let server = shared();
    let session = Session::new(&server, "ssh-stuck");
    let ada = Person::known(server);
    // It says far more than a window holds before it reads anything, and it is sent far more than a window meanwhile.
    let mut ssh = ada.ssh(&session.name, &[], "head -c 12000000 /dev/zero; cat | wc -c");
    let mut child = ssh.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    let writer = std::thread::spawn(move || input.write_all(&vec![b'x'; 12_000_000]));
    let mut heard = Vec::new();
    child.stdout.take().unwrap().read_to_end(&mut heard).unwrap();
    writer.join().unwrap().unwrap();
    assert!(child.wait().unwrap().success());
    assert_eq!(String::from_utf8_lossy(&heard[12_000_000..]).trim(), "12000000");
}

/// A small tree of files, some of them with names that shells trip over.
fn tree(at: &Path) -> PathBuf {
    let root = at.join("tree");
    fs::create_dir_all(root.join("deep/er")).unwrap();
    for (name, size) in [("a.txt", 10), ("deep/b c.bin", 300_000), ("deep/er/한글 'x'", 1), ("empty", 0)] {
        fs::write(root.join(name), noise(size)).unwrap();
    }
    root
}

#[test]
fn files_are_copied_by_scp_and_sftp() {
    let server = shared();
    let session = Session::new(&server, "ssh-files");
    let ada = Person::known(server);
    let content = noise(3_000_000);
    let local = ada.path("local.bin");
    fs::write(&local, &content).unwrap();
    let remote = format!("{}@127.0.0.1:", session.name);
    for (number, old) in [&[][..], &["-O"]].into_iter().enumerate() {
        let scp = |from: &str, to: &str| {
            let mut scp = Command::new("scp");
            scp.args(ada.options()).args(["-q", "-P", &ada.server.ssh_port()]).args(old).args([from, to]);
            good(scp.output().unwrap());
        };
        let (there, back) = (format!("{remote}there{number}.bin"), ada.path("back.bin"));
        scp(&local, &there);
        scp(&there, &back);
        assert!(fs::read(&back).unwrap() == content, "scp {old:?}");
    }
    let mut sftp = Command::new("sftp");
    sftp.args(ada.options()).args(["-q", "-P", &ada.server.ssh_port(), "-b", "-"]);
    let mut sftp = sftp.arg(remote.trim_end_matches(':')).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let back = ada.path("by-sftp.bin");
    let orders =
        format!("mkdir sub\nput {local} sub/x.bin\nrename sub/x.bin sub/y.bin\nget sub/y.bin {back}\nls sub\n");
    sftp.stdin.take().unwrap().write_all(orders.as_bytes()).unwrap();
    let out = good(sftp.wait_with_output().unwrap());
    assert!(out.contains("sub/y.bin"), "{out}");
    assert!(fs::read(&back).unwrap() == content);
}

#[test]
fn a_tree_is_kept_in_step_by_rsync() {
    let server = shared();
    let session = Session::new(&server, "ssh-rsync");
    let ada = Person::known(server);
    let root = tree(ada.home.path());
    let shell = {
        let mut words = ada.options();
        words.extend(["-p".to_owned(), ada.server.ssh_port()]);
        format!("ssh {}", words.join(" "))
    };
    let rsync = |from: &str, to: &str| {
        let mut rsync = Command::new("rsync");
        rsync.args(["-rt", "--stats", "--no-human-readable", "-e", &shell, from, to]).env("LC_ALL", "C");
        let out = good(rsync.output().unwrap());
        let line = out.lines().find(|line| line.starts_with("Number of regular files transferred")).unwrap().to_owned();
        line.rsplit(' ').next().unwrap().parse::<u32>().unwrap()
    };
    let (here, there) = (format!("{}/", root.display()), format!("{}@127.0.0.1:tree/", session.name));
    assert_eq!(rsync(&here, &there), 4);
    assert_eq!(rsync(&here, &there), 0, "it is there already");
    let back = format!("{}/", ada.path("back"));
    assert_eq!(rsync(&there, &back), 4);
    let compared = Command::new("diff").args(["-r", &here, &back]).output().unwrap();
    assert_eq!(good(compared), "");
}

/// What listens in a session, on its loopback alone: it says back whatever one connection sends.
const SAYS_BACK: &str = "import socket\nl = socket.create_server(('127.0.0.1', 7007))\nprint('up', flush=True)\n\
    while True:\n c, _ = l.accept()\n while b := c.recv(65536): c.sendall(b)\n c.close()\n";

#[test]
fn ports_of_a_session_are_forwarded_and_those_of_the_host_are_not() {
    let server = shared();
    let session = Session::new(&server, "ssh-ports");
    let ada = Person::known(server);
    let mut ssh = ada.ssh(&session.name, &[], &format!("exec python3 -c \"{SAYS_BACK}\""));
    let mut child = ssh.stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let _listening = Working(child);
    assert_eq!(line, "up\n");
    let through = |to: &str, said: &[u8]| {
        let mut ssh = Command::new("ssh");
        ssh.args(ada.options()).args(["-p", &ada.server.ssh_port(), "-W", to]);
        ssh.arg(format!("{}@127.0.0.1", session.name)).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = ssh.stderr(Stdio::piped()).spawn().unwrap();
        let (mut input, said) = (child.stdin.take().unwrap(), said.to_vec());
        // One that is refused may be gone before it has read.
        let writer = std::thread::spawn(move || drop(input.write_all(&said)));
        let output = child.wait_with_output().unwrap();
        writer.join().unwrap();
        output
    };
    let sent = noise(5_000_000);
    for to in ["127.0.0.1:7007", "localhost:7007"] {
        let heard = through(to, &sent);
        assert!(heard.stdout == sent, "{to}: {} bytes, {}", heard.stdout.len(), String::from_utf8_lossy(&heard.stderr));
    }
    // Nobody listens there; the server's own port is not the session's; and no other host is reached at all.
    for to in ["127.0.0.1:7008", &format!("127.0.0.1:{}", ada.server.ssh_port()), "192.0.2.1:80"] {
        let refused = through(to, b"anybody?");
        assert!(!refused.status.success(), "{to}: {refused:?}");
        assert_eq!(refused.stdout, b"", "{to}");
    }
}

#[test]
fn only_keys_that_are_known_open_and_only_what_is_theirs() {
    let server = shared();
    let session = Session::new(&server, "ssh-keys");
    let nobody = Person::stranger(Arc::clone(&server));
    let (code, _, err) = nobody.says(&session.name, "true");
    assert_eq!(code, 255);
    assert!(err.contains("Permission denied (publickey)"), "{err}");
    // Somebody else's key opens nothing of the administrator's, by name or by id.
    let (code, _, err) = server.madang(&["admin", "user", "create", "ssh-eve"]);
    assert_eq!(code, 0, "{err}");
    let (code, _, err) = server.madang(&["key", "ssh", "add", &nobody.public(), "--user", "ssh-eve"]);
    assert_eq!(code, 0, "{err}");
    let (_, list, _) = server.madang(&["session", "ls", "--json"]);
    let list: serde_json::Value = serde_json::from_str(&list).unwrap();
    let all = list.as_array().or_else(|| list["items"].as_array()).unwrap();
    let id = all.iter().find(|one| one["name"] == session.name.as_str()).unwrap()["id"].as_str().unwrap();
    for login in [&session.name, id] {
        let (code, _, err) = nobody.says(login, "true");
        assert_eq!(code, 255);
        assert!(err.contains("not found"), "{err}");
    }
    // A key is one user's.
    let (code, _, err) = server.madang(&["key", "ssh", "add", &nobody.public()]);
    assert_ne!(code, 0);
    assert!(err.contains("already"), "{err}");
    let (code, _, err) = server.madang(&["key", "ssh", "add", &nobody.path("key")]);
    assert_ne!(code, 0);
    assert!(err.contains("private key"), "{err}");
}

#[test]
fn a_connection_ends_with_its_key_and_with_its_session() {
    let server = shared();
    let session = Session::new(&server, "ssh-ends");
    let ada = Person::known(Arc::clone(&server));
    let working = ada.working(&session.name);
    let (code, list, _) = server.madang(&["key", "ssh", "ls", "--json"]);
    assert_eq!(code, 0);
    let list: serde_json::Value = serde_json::from_str(&list).unwrap();
    let public = fs::read_to_string(ada.public()).unwrap();
    let mine = |key: &&serde_json::Value| public.starts_with(key["public_key"].as_str().unwrap());
    let id = list.as_array().unwrap().iter().find(mine).unwrap()["id"].as_str().unwrap().to_owned();
    assert_eq!(server.madang(&["key", "ssh", "rm", &id]).0, 0);
    working.sees_it_cut("its key is removed");
    assert_eq!(ada.says(&session.name, "true").0, 255);
    // What it had started is gone as well.
    let bea = Person::known(Arc::clone(&server));
    eventually("what hung on the connection ends", || {
        let (_, out, _) = bea.says(&session.name, "pgrep -c sleep || true");
        if out.trim() == "0" { Ok(()) } else { Err(out) }
    });
    let working = bea.working(&session.name);
    assert_eq!(server.madang(&["session", "rm", &session.name]).0, 0);
    working.sees_it_cut("its session is ended");
}

/// A program that never stops counting.
const COUNTS: &str = "n=0; while :; do n=$((n+1)); echo $n; sleep 0.02; done";

/// What a counter has said, line by line; none once it has ended.
fn counted(child: &mut Child) -> mpsc::Receiver<u64> {
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let (said, heard) = mpsc::channel();
    std::thread::spawn(move || {
        for line in lines.map_while(Result::ok) {
            if said.send(line.parse().unwrap()).is_err() {
                return;
            }
        }
    });
    heard
}

#[test]
fn a_program_stands_still_with_its_session_and_goes_on_with_it() {
    const STILL: Duration = Duration::from_secs(3);
    let server = shared();
    let session = Session::new(&server, "ssh-still");
    let ada = Person::known(Arc::clone(&server));
    let mut child = ada.ssh(&session.name, &[], COUNTS).stdout(Stdio::piped()).spawn().unwrap();
    let heard = counted(&mut child);
    let mut working = Working(child);
    let mut last = heard.recv_timeout(PATIENCE).unwrap();
    let mut goes_on = |by: usize| {
        for _ in 0..by {
            let next = heard.recv_timeout(PATIENCE).unwrap();
            assert_eq!(next, last + 1, "the same program, and nothing of it is lost");
            last = next;
        }
    };
    for resumed_by in ["resume", "ssh"] {
        goes_on(20);
        let (code, out, err) = server.madang(&["session", "suspend", &session.name, "--now"]);
        assert_eq!(code, 0, "{out}{err}");
        let since = Instant::now();
        eventually("it stands still for longer than anything is on its way", || {
            let (_, listed, _) = server.madang(&["session", "ls"]);
            let stands = listed.lines().any(|line| line.contains(&session.name) && line.contains("suspended"));
            assert!(stands, "{listed}");
            if since.elapsed() > STILL { Ok(()) } else { Err("not yet".to_owned()) }
        });
        assert!(working.0.try_wait().unwrap().is_none(), "the client is still connected");
        match resumed_by {
            "resume" => assert_eq!(server.madang(&["session", "resume", &session.name]).0, 0),
            _ => assert_eq!(ada.says(&session.name, "echo in"), (0, "in\n".to_owned(), String::new())),
        }
        goes_on(100);
    }
}

#[test]
fn a_connection_ends_with_its_server_and_the_next_has_the_same_key() {
    let server = Arc::new(Server::start());
    let name = "ssh-drain";
    // No guard yet: it would hold the server that is to end.
    let (code, out, err) = server.madang(&["session", "create", "--name", name]);
    assert_eq!(code, 0, "{out}{err}");
    let Person { server: held, home } = {
        let ada = Person::known(Arc::clone(&server));
        let working = ada.working(name);
        server.signal(Signal::TERM);
        working.sees_it_cut("the server stops");
        ada
    };
    drop(held);
    let stopped = Arc::into_inner(server).expect("nobody else holds the server").ended_well();
    // The session outlives the server.
    let server = Arc::new(Server::start_in(stopped));
    let ada = Person { server: Arc::clone(&server), home };
    let session = Session { server, name: name.to_owned() };
    // Another host key would be refused: the old one is known.
    assert_eq!(ada.says(&session.name, "echo again"), (0, "again\n".to_owned(), String::new()));
}
