//! Batches: files through clean, build and exec.

use std::time::Instant;

use madang_model::{Blob, File, LimitsAsked, RunEventBody, Step, Steps, Verdict};
use madang_public_api::{OneShotRequest, RunRequest};

use crate::{
    server::{shared, soon},
    session::{Session, batch, patient, told, wall},
};

fn file(path: &str, content: &str) -> File {
    File { path: path.to_owned(), content: content.into() }
}

#[tokio::test]
async fn files_are_built_edited_and_built_again() {
    let session = Session::of("c").await;
    let header = |number: u32| file("number.h", &format!("#define NUMBER {number}\n"));
    let main = file(
        "main.c",
        "#include <stdio.h>\n#include \"number.h\"\nint main(void) { printf(\"%d\\n\", NUMBER); return 0; }\n",
    );
    let first = session.run(RunRequest { files: vec![main, header(41)], ..batch() }).await;
    assert_eq!(
        (first.whole.verdict, first.whole.stdout.lossy().as_ref()),
        (Some(Verdict::Ok), "41\n"),
        "{}",
        told(&first)
    );
    session.client.file_write(&session.id(), "number.h", &b"#define NUMBER 42\n"[..]).await.unwrap();
    let second = session.run(batch()).await;
    assert_eq!(second.whole.stdout.lossy(), "42\n", "{}", told(&second));
    let build = second.build.unwrap();
    assert!(build.verdict == Some(Verdict::Ok) && build.usage.cpu_user_us > 0, "{build:?}");
    assert!(second.whole.usage.cpu_user_us >= build.usage.cpu_user_us);
}

#[tokio::test]
async fn steps_that_are_given_are_taken_in_their_order() {
    let session = Session::of("c").await;
    let steps = Steps {
        clean: Some("echo cleaning; rm -f made".to_owned()),
        build: Some("echo building; test ! -e made; touch made".to_owned()),
        exec: Some("echo executing \"$@\"; test -e made; exit 3".to_owned()),
    };
    let request = RunRequest { steps: Some(steps), args: vec!["a b".to_owned(), "c".to_owned()], ..batch() };
    for _ in 0..2 {
        let mut events = session.client.session_run_stream(&session.id(), &request).await.unwrap();
        let (mut order, mut output) = (Vec::new(), String::new());
        while let Some(event) = events.next().await.unwrap() {
            match event.body {
                RunEventBody::StepStarted { step, .. } => order.push(step),
                RunEventBody::Stdout { data } => output.push_str(&data.lossy()),
                RunEventBody::Finished { outcome } => {
                    assert_eq!((outcome.verdict, outcome.exit_code), (Verdict::NonzeroExit, Some(3)));
                }
                _ => {}
            }
        }
        assert_eq!(order, [Step::Clean, Step::Build, Step::Exec]);
        assert_eq!(output, "cleaning\nbuilding\nexecuting a b c\n");
    }
}

#[tokio::test]
async fn a_build_that_fails_is_a_compile_error_and_nothing_runs() {
    let session = Session::of("c").await;
    let run = session.run(RunRequest { code: Some("int main(void) { return y; }\n".to_owned()), ..batch() }).await;
    assert_eq!(run.whole.verdict, Some(Verdict::CompileError), "{}", told(&run));
    let build = run.build.unwrap();
    assert!(build.stderr.lossy().contains("undeclared") && build.exit_code == Some(1), "{build:?}");
    assert!(run.whole.stdout.0.is_empty());
}

/// Divides 100 by what it reads; loops for ever over 0, crashes over -1, ends with 9 over -2.
const FUSSY: &str = "#include <stdio.h>\n#include <stdlib.h>\nint main(void) {\n  int x; if (scanf(\"%d\", &x) != 1) return 1;\n\
                     if (x == 0) for (;;) {}\n  if (x == -1) abort();\n  if (x == -2) return 9;\n  printf(\"%d\\n\", 100 / x);\n}\n";

/// What each input may take; the program and its build need a small part of it.
const LOOPS_CPU_MS: u64 = 3_000;

#[tokio::test]
async fn one_program_against_many_inputs_has_a_verdict_and_usage_for_each() {
    let server = shared();
    let inputs = ["10", "0", "-1", "-2", "20"].map(Blob::from).to_vec();
    let request = OneShotRequest {
        language: Some("c".to_owned()),
        code: Some(FUSSY.to_owned()),
        inputs,
        limits: LimitsAsked { cpu_ms: Some(LOOPS_CPU_MS), ..patient() },
        ..OneShotRequest::default()
    };
    let run = server.client().run(&request).await.unwrap();
    let outputs = run.outputs.clone().unwrap_or_else(|| panic!("{}", told(&run)));
    let ends: Vec<_> = outputs.iter().map(|part| (part.verdict.unwrap(), part.exit_code)).collect();
    assert_eq!(ends[0], (Verdict::Ok, Some(0)), "{outputs:?}");
    assert_eq!(ends[1].0, Verdict::TimeLimit, "{outputs:?}");
    assert_eq!(ends[2].0, Verdict::Signaled, "{outputs:?}");
    assert_eq!(ends[3], (Verdict::NonzeroExit, Some(9)), "{outputs:?}");
    assert_eq!(ends[4], (Verdict::Ok, Some(0)), "{outputs:?}");
    assert_eq!((outputs[0].stdout.lossy().as_ref(), outputs[4].stdout.lossy().as_ref()), ("10\n", "5\n"));
    let loops = &outputs[1].usage;
    let looped_us = loops.cpu_user_us + loops.cpu_system_us;
    assert!(looped_us >= LOOPS_CPU_MS * 900 && loops.wall_us >= LOOPS_CPU_MS * 900, "{loops:?}");
    assert!(outputs.iter().all(|part| part.usage.wall_us > 0 && part.usage.memory_peak_bytes > 0), "{outputs:?}");
    assert_eq!(run.whole.verdict, Some(Verdict::TimeLimit), "the first that failed");
    assert_eq!(run.build.unwrap().verdict, Some(Verdict::Ok));
}

#[tokio::test]
async fn many_inputs_make_a_table_on_the_command_line() {
    let server = shared();
    let program = server.file("fussy/fussy.c", FUSSY);
    let (good, bad) = (server.file("fussy/good", "4"), server.file("fussy/bad", "-2"));
    let (code, table, stderr) = server.madang(&["run", &program, "--input", &good, "--input", &bad]);
    assert_eq!(code, 9, "{table}{stderr}");
    let rows: Vec<_> = table.lines().skip(1).collect();
    assert!(rows.len() == 2 && rows[0].contains("ok") && rows[0].contains("25"), "{table}");
    assert!(rows[1].contains("nonzero-exit") && rows[1].contains(" 9 "), "{table}");
}

#[tokio::test]
async fn output_arrives_while_the_program_still_runs() {
    let session = Session::of("python").await;
    // It goes on only when it is answered, so what is read before was sent while it ran.
    let code = "import sys\nfor i in range(3):\n    print('out', i, flush=True)\n    print('err', i, file=sys.stderr, flush=True)\n    sys.stdin.readline()\n";
    let request = RunRequest { code: Some(code.to_owned()), stdin_live: true, ..batch() };
    let run = session.client.session_run_begin(&session.id(), &request).await.unwrap();
    let mut attached = session.client.run_attach(run.id).await.unwrap();
    for i in 0..3 {
        let (mut out, mut err) = (String::new(), String::new());
        let asked = Instant::now();
        while !(out.ends_with('\n') && err.ends_with('\n')) {
            let Some(madang_client::Said::Event(event)) = attached.output.next().await.unwrap() else { panic!("{i}") };
            match event.body {
                RunEventBody::Stdout { data } => out.push_str(&data.lossy()),
                RunEventBody::Stderr { data } => err.push_str(&data.lossy()),
                RunEventBody::Finished { outcome } => panic!("{i}: {outcome:?}"),
                _ => {}
            }
        }
        assert_eq!((out, err), (format!("out {i}\n"), format!("err {i}\n")), "after {:?}", asked.elapsed());
        attached.input.input(b"\n".to_vec()).await.unwrap();
    }
}

/// Milliseconds between what such a program writes, and between that and its end, as its events have them.
async fn apart(session: &Session) -> Vec<u64> {
    let steps = Steps { exec: Some("echo one; sleep 2; echo two; sleep 2".to_owned()), ..Steps::default() };
    let request = RunRequest { steps: Some(steps), ..batch() };
    let mut events = session.client.session_run_stream(&session.id(), &request).await.unwrap();
    let (mut at, mut next) = (Vec::new(), 0);
    while let Some(event) = events.next().await.unwrap() {
        assert_eq!(event.seq, next);
        next += 1;
        if matches!(event.body, RunEventBody::Stdout { .. } | RunEventBody::Finished { .. }) {
            at.push(event.at.0);
        }
    }
    at.windows(2).map(|pair| pair[1] - pair[0]).collect()
}

#[tokio::test]
async fn times_of_events_are_those_of_the_program() {
    let session = Session::of("bash").await;
    let mut seen = Vec::new();
    // A machine that does something else for seconds makes one event of two, or moves one: not each time.
    for _ in 0..5 {
        let apart = apart(&session).await;
        // Apart, as they were written, by and large: not all of them when the program had ended.
        if apart.len() == 2 && apart.iter().all(|ms| (1000..10_000).contains(ms)) {
            return;
        }
        seen.push(apart);
    }
    panic!("{seen:?}");
}

#[tokio::test]
async fn a_run_is_cancelled_with_all_its_processes() {
    let session = Session::of("bash").await;
    let steps = Steps { exec: Some("sleep 71.5 & sleep 72.5 & echo up; wait".to_owned()), ..Steps::default() };
    let request = RunRequest { steps: Some(steps), limits: wall(60_000), ..batch() };
    let mut events = session.client.session_run_stream(&session.id(), &request).await.unwrap();
    let id = events.id().unwrap();
    let outcome = loop {
        match events.next().await.unwrap().unwrap().body {
            RunEventBody::Stdout { .. } => session.client.run_cancel(id).await.unwrap(),
            RunEventBody::Finished { outcome } => break outcome,
            _ => {}
        }
    };
    assert_eq!(outcome.verdict, Verdict::Cancelled);
    // They are killed together; a busy machine may see to one of them a little later.
    soon("all of its processes are gone", async || {
        let left = session.shown("ps -e -o args= | grep -c '[s]leep 7'; true").await;
        if left == "0\n" { Ok(()) } else { Err(left) }
    })
    .await;
}
