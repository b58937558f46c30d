//! The binary as people meet it: arguments in, output and exit code out, against a server that speaks the contract.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod server;
mod socket;

use std::{
    fs,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    path::Path,
    process::{Command, Output, Stdio},
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tempfile::TempDir;

use server::{Answer, Asked, serve};

const RUN: &str = "run_01jd0000000000000000000000";

fn madang(home: &Path, words: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_madang"))
        .args(words)
        .env("MADANG_HOME", home)
        .env_remove("MADANG_ENDPOINT")
        .env_remove("MADANG_TOKEN")
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn ended(output: &Output) -> (i32, String, String) {
    (output.status.code().unwrap(), text(&output.stdout), text(&output.stderr))
}

fn languages() -> Value {
    json!({ "items": [{
        "id": "python", "name": "Python", "version": "3.11.2", "available": true, "modes": ["query", "batch"],
        "extensions": ["py"], "main": "main.py", "greeting": "print('Hello from Python')", "limits": {},
    }, {
        "id": "julia", "name": "Julia", "available": false, "unavailable": "/usr/bin/julia is not there",
        "modes": [], "extensions": ["jl"], "main": "main.jl", "greeting": "", "limits": {},
    }]})
}

fn usage() -> Value {
    json!({ "wall_us": 1_500_000, "cpu_user_us": 1_000_000, "cpu_system_us": 0, "memory_peak_bytes": 9_437_184,
            "memory_kib_ms": 1, "read_bytes": 0, "written_bytes": 0 })
}

/// A run's events: `body` lines between the first and the last, which carries `outcome`.
fn events(body: &[Value], outcome: Value) -> String {
    let mut all = vec![json!({ "kind": "started" })];
    all.extend_from_slice(body);
    let mut outcome = outcome;
    outcome["usage"] = usage();
    all.push(json!({ "kind": "finished", "outcome": outcome }));
    let number = |(seq, mut event): (usize, Value)| {
        event["seq"] = seq.into();
        event["at"] = "2026-01-02T03:04:05.678Z".into();
        format!("{event}\n")
    };
    all.into_iter().enumerate().map(number).collect()
}

fn ok_json(body: &Value) -> Answer {
    (200, "application/json", "", body.to_string())
}

/// A server that knows languages and answers every run with these events.
fn runs(lines: String) -> impl Fn(&Asked) -> Answer + Send + Sync {
    move |asked| match asked.line.as_str() {
        "GET /api/v1/languages" => ok_json(&languages()),
        _ => (201, "application/x-ndjson", "location: /api/v1/runs/run_01jd0000000000000000000000\r\n", lines.clone()),
    }
}

fn home_with(name: &str, content: &str) -> TempDir {
    let home = tempfile::tempdir().unwrap();
    fs::write(home.path().join(name), content).unwrap();
    home
}

fn run_file(lines: String, more: &[&str]) -> ((i32, String, String), Vec<Asked>) {
    let home = home_with("hello.py", "print(1)\n");
    let log = serve(home.path(), runs(lines));
    let file = home.path().join("hello.py");
    let mut words = vec!["run", file.to_str().unwrap()];
    words.extend_from_slice(more);
    let output = madang(home.path(), &words);
    let asked = log.lock().unwrap().clone();
    (ended(&output), asked)
}

#[test]
fn a_program_runs_and_keeps_its_output_and_code() {
    let lines = events(
        &[
            json!({ "kind": "stdout", "data": "1\n" }),
            json!({ "kind": "stderr", "data": { "base64": "/w==" } }),
            json!({ "kind": "stdout", "data": "2\n" }),
        ],
        json!({ "verdict": "nonzero-exit", "exit_code": 3 }),
    );
    let home = home_with("hello.py", "print(1)\n");
    let log = serve(home.path(), runs(lines));
    let file = home.path().join("hello.py");
    let output = madang(home.path(), &["run", file.to_str().unwrap(), "--arg=-x", "--time", "2s", "--memory", "64MiB"]);
    assert_eq!(output.status.code(), Some(3));
    assert_eq!(text(&output.stdout), "1\n2\n");
    assert_eq!(output.stderr, [0xff]);
    let asked = log.lock().unwrap().clone();
    let run = asked.last().unwrap();
    assert_eq!((run.line.as_str(), run.accept.as_str()), ("POST /api/v1/run", "application/x-ndjson"));
    assert_eq!(run.body["language"], "python");
    assert_eq!(run.body["files"], json!([{ "path": "hello.py", "content": "print(1)\n" }]));
    assert_eq!(run.body["args"], json!(["-x"]));
    assert_eq!(run.body["limits"], json!({ "wall_ms": 2000, "cpu_ms": 2000, "memory_bytes": 64 << 20 }));
}

#[test]
fn a_language_that_is_said_costs_one_request() {
    let lines = events(&[], json!({ "verdict": "ok", "exit_code": 0 }));
    let ((code, ..), asked) = run_file(lines, &["--lang", "python"]);
    assert_eq!((code, asked.len()), (0, 1));
}

#[test]
fn a_stop_by_the_sandbox_is_explained() {
    for (verdict, code, word) in [
        ("time-limit", 123, "time limit after 1.50 s"),
        ("memory-limit", 123, "memory limit, 9MiB"),
        ("output-limit", 123, "output limit"),
        ("process-limit", 123, "limit on processes"),
        ("denied-syscall", 123, "no sandbox may do"),
        ("cancelled", 123, "cancelled"),
        ("compile-error", 124, "build failed"),
        ("internal-error", 125, "inside the server"),
    ] {
        let ((seen, _, stderr), _) = run_file(events(&[], json!({ "verdict": verdict })), &[]);
        assert_eq!(seen, code, "{verdict}: {stderr}");
        assert!(stderr.starts_with("madang: ") && stderr.contains(word), "{verdict}: {stderr}");
        assert_eq!(stderr.lines().count(), 1, "{verdict}: {stderr}");
    }
    let ((code, _, stderr), _) = run_file(events(&[], json!({ "verdict": "signaled", "signal": 11 })), &[]);
    assert_eq!(code, 139, "{stderr}");
}

#[test]
fn what_a_build_says_is_no_output_of_the_program() {
    let lines = events(
        &[
            json!({ "kind": "step-started", "step": "build", "input": null }),
            json!({ "kind": "stdout", "data": "cc main.c\n" }),
            json!({ "kind": "step-finished", "step": "build", "input": null,
                    "outcome": { "verdict": "ok", "exit_code": 0, "usage": usage() } }),
            json!({ "kind": "step-started", "step": "exec", "input": null }),
            json!({ "kind": "stdout", "data": "42\n" }),
        ],
        json!({ "verdict": "ok", "exit_code": 0 }),
    );
    let (seen, _) = run_file(lines, &[]);
    assert_eq!(seen, (0, "42\n".to_owned(), "cc main.c\n".to_owned()));
}

#[test]
fn a_program_that_asks_twice_is_answered_through_a_pipe_line_by_line() {
    let home = home_with("ask.py", "");
    let begun = {
        let mut begun = view(Value::Null);
        begun["state"] = "running".into();
        begun
    };
    let log = serve(home.path(), move |_| (201, "application/json", "", begun.to_string()));
    let mut child = Command::new(env!("CARGO_BIN_EXE_madang"))
        .args(["run", "--lang", "python"])
        .arg(home.path().join("ask.py"))
        .env("MADANG_HOME", home.path())
        .env_remove("MADANG_ENDPOINT")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    // The first answer comes back before the second line is written: nothing waits for the end of our input.
    stdin.write_all(b"Ada\n").unwrap();
    let mut line = String::new();
    stdout.read_line(&mut line).unwrap();
    assert_eq!(line, "name? <Ada>\n");
    stdin.write_all(b"36\n").unwrap();
    line.clear();
    stdout.read_line(&mut line).unwrap();
    assert_eq!(line, "age? <36>\n");
    drop(stdin);
    let mut rest = String::new();
    stdout.read_to_string(&mut rest).unwrap();
    assert_eq!((child.wait().unwrap().code(), rest.as_str()), (Some(7), ""));
    let asked = log.lock().unwrap().clone();
    assert_eq!(asked[0].body["stdin_live"], true);
    assert_eq!(asked[1].line, format!("GET /api/v1/runs/{RUN}/attach"));
}

#[test]
fn ctrl_c_cancels_the_run_and_a_second_one_leaves_at_once() {
    let home = home_with("ask.py", "");
    let begun = view(Value::Null);
    let log = serve(home.path(), move |_| ok_json(&begun));
    let mut child = Command::new(env!("CARGO_BIN_EXE_madang"))
        .args(["run", "--lang", "python"])
        .arg(home.path().join("ask.py"))
        .env("MADANG_HOME", home.path())
        .env_remove("MADANG_ENDPOINT")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut prompt = [0; 6];
    child.stdout.as_mut().unwrap().read_exact(&mut prompt).unwrap();
    assert_eq!(&prompt, b"name? ");
    let id = child.id();
    let interrupt = || {
        let pid = Pid::from_raw(i32::try_from(id).unwrap()).unwrap();
        kill_process(pid, Signal::INT).unwrap();
    };
    interrupt();
    let cancel = format!("DELETE /api/v1/runs/{RUN}");
    let until = Instant::now() + Duration::from_secs(60);
    while !log.lock().unwrap().iter().any(|asked| asked.line == cancel) {
        assert!(Instant::now() < until, "no {cancel}: {:?}", log.lock().unwrap());
        thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(child.try_wait().unwrap(), None, "it waits for the run's end");
    interrupt();
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), text(&output.stderr).as_str()), (Some(123), "madang: cancelled\n"));
}

#[test]
fn a_stream_that_breaks_off_is_no_success() {
    let whole = events(&[json!({ "kind": "stdout", "data": "1\n" })], json!({ "verdict": "ok", "exit_code": 0 }));
    let cut: String = whole.lines().take(2).map(|line| format!("{line}\n")).collect();
    let ((code, stdout, stderr), _) = run_file(cut, &[]);
    assert_eq!((code, stdout.as_str()), (121, "1\n"), "{stderr}");
}

fn view(outputs: Value) -> Value {
    json!({
        "id": RUN, "state": "finished", "mode": "batch", "created_at": "2026-01-02T03:04:05.678Z",
        "stdout": "", "stderr": "", "usage": usage(), "outputs": outputs,
    })
}

#[test]
fn many_inputs_make_one_table() {
    let home = home_with("add.py", "");
    fs::write(home.path().join("one"), "1 2").unwrap();
    fs::write(home.path().join("two"), "3 4").unwrap();
    let part = |verdict: &str, stdout: &str, code: i32| json!({ "verdict": verdict, "exit_code": code, "stdout": stdout, "stderr": "", "usage": usage() });
    let mut answer = view(json!([part("ok", "3\n", 0), part("nonzero-exit", "", 1)]));
    answer["verdict"] = "nonzero-exit".into();
    answer["exit_code"] = 1.into();
    let log = serve(home.path(), move |_| ok_json(&answer));
    let path = |name: &str| home.path().join(name).display().to_string();
    let (file, one, two) = (path("add.py"), path("one"), path("two"));
    let words = ["run", &file, "--lang", "python", "--input", &one, "--input", &two];
    let (code, stdout, stderr) = ended(&madang(home.path(), &words));
    assert_eq!(code, 1, "{stderr}");
    assert!(stdout.starts_with("INPUT"), "{stdout}");
    assert!(stdout.lines().nth(1).unwrap().contains("ok") && stdout.lines().nth(1).unwrap().ends_with('3'), "{stdout}");
    assert!(stdout.lines().nth(2).unwrap().contains("nonzero-exit"), "{stdout}");
    let asked = log.lock().unwrap().clone();
    assert_eq!(asked[0].body["inputs"], json!(["1 2", "3 4"]));
    assert_eq!(asked[0].body["wait"], true);
}

#[test]
fn languages_are_listed_with_what_is_missing() {
    let home = tempfile::tempdir().unwrap();
    serve(home.path(), |_| ok_json(&languages()));
    let (code, stdout, _) = ended(&madang(home.path(), &["lang", "ls"]));
    assert_eq!(code, 0);
    assert!(stdout.contains("/usr/bin/julia is not there") && !stdout.contains('\x1b'), "{stdout}");
    let (_, stdout, _) = ended(&madang(home.path(), &["lang", "ls", "--json"]));
    assert_eq!(serde_json::from_str::<Value>(&stdout).unwrap()[0]["id"], "python");
}

#[test]
fn no_server_is_said_with_the_way_out() {
    let home = home_with("a.py", "");
    let file = home.path().join("a.py");
    let (code, _, stderr) = ended(&madang(home.path(), &["run", file.to_str().unwrap()]));
    assert_eq!(code, 121);
    assert!(stderr.contains("madang up") && stderr.lines().count() == 1, "{stderr}");
}

#[test]
fn mistakes_are_one_line_and_120() {
    let home = home_with("notes.xyz", "");
    serve(home.path(), |_| ok_json(&languages()));
    let strange = home.path().join("notes.xyz").display().to_string();
    for words in [
        vec!["run"],
        vec!["run", "/no/such/file.py"],
        vec!["run", strange.as_str()],
        vec!["run", strange.as_str(), "--time", "soon"],
        vec!["run", "-"],
        vec!["frobnicate"],
        vec!["exec", "box"],
        vec!["cp", "a", "b"],
        vec!["session", "create", "--env", "NOVALUE"],
        vec!["bench", "start", "--rounds", "0"],
        vec!["image", "pull", "UPPER CASE"],
    ] {
        let (code, stdout, stderr) = ended(&madang(home.path(), &words));
        assert_eq!((code, stdout.as_str()), (120, ""), "{words:?}: {stderr}");
        assert!(stderr.starts_with("madang: ") && stderr.lines().count() == 1, "{words:?}: {stderr}");
    }
}

#[test]
fn refusals_keep_their_kind() {
    for (status, code, exit) in [
        (401, "unauthenticated", 121),
        (404, "not-found", 120),
        (422, "invalid", 120),
        (422, "limit", 122),
        (429, "too-many", 122),
        (503, "capacity", 122),
        (503, "draining", 121),
        (500, "internal", 125),
    ] {
        let home = tempfile::tempdir().unwrap();
        let problem = json!({ "type": "x", "title": "t", "status": status, "code": code, "detail": "as it is", "request_id": "r" });
        serve(home.path(), move |_| (status, "application/problem+json", "", problem.to_string()));
        let (seen, _, stderr) = ended(&madang(home.path(), &["session", "info", "box"]));
        assert_eq!((seen, stderr.as_str()), (exit, "madang: as it is\n"), "{code}");
    }
}

#[test]
fn files_travel_both_ways() {
    let home = home_with("local.txt", "up");
    let log = serve(home.path(), |asked| match asked.line.split(' ').next() {
        Some("PUT") => (201, "application/json", "", json!({ "path": "d/local.txt", "size_bytes": 2 }).to_string()),
        _ if asked.line.contains("/files?path=") => ok_json(&json!({ "items": [] })),
        _ => (200, "application/octet-stream", "", "down".to_owned()),
    });
    let local = home.path().join("local.txt").display().to_string();
    let target = home.path().join("got.txt");
    assert_eq!(ended(&madang(home.path(), &["cp", "box:d/a b.txt", "-"])), (0, "down".to_owned(), String::new()));
    let (code, _, stderr) = ended(&madang(home.path(), &["cp", "box:d/a b.txt", target.to_str().unwrap()]));
    assert_eq!((code, fs::read_to_string(&target).unwrap().as_str()), (0, "down"), "{stderr}");
    // The upload comes in chunks, which this server does not read: its connection ends with it.
    let _ = madang(home.path(), &["cp", &local, "box:d/"]);
    let asked: Vec<String> = log.lock().unwrap().iter().map(|asked| asked.line.clone()).collect();
    assert!(asked.contains(&"GET /api/v1/sessions/box/files/d/a%20b.txt".to_owned()), "{asked:?}");
    assert!(asked.contains(&"PUT /api/v1/sessions/box/files/d/local.txt".to_owned()), "{asked:?}");
}

#[test]
fn help_and_versions_need_no_server() {
    let home = tempfile::tempdir().unwrap();
    let (code, stdout, _) = ended(&madang(home.path(), &["run", "--help"]));
    assert!(code == 0 && stdout.contains("--memory"), "{stdout}");
    let (code, stdout, _) = ended(&madang(home.path(), &["version"]));
    assert!(code == 0 && stdout.starts_with("madang 0."), "{stdout}");
}
