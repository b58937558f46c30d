//! Commands in a session, with a terminal and without.

use madang_client::{Attachment, Said};
use madang_model::{RunEventBody, TerminalSize, Verdict};
use madang_public_api::{RunRequest, SessionCreate};

use crate::{
    server::PATIENCE,
    session::{Session, command, told},
};

#[tokio::test]
async fn a_command_without_a_terminal_has_pipes() {
    let session = Session::of("bash").await;
    let run =
        session.run(command(&["sh", "-c", "test -t 0 || test -t 1 || echo pipes; pwd; echo no >&2; exit 4"])).await;
    assert_eq!((run.whole.verdict, run.whole.exit_code), (Some(Verdict::NonzeroExit), Some(4)), "{}", told(&run));
    assert_eq!((run.whole.stdout.lossy().as_ref(), run.whole.stderr.lossy().as_ref()), ("pipes\n/home/work\n", "no\n"));
    let fed = session.run(RunRequest { stdin: Some("마당\n".into()), ..command(&["cat"]) }).await;
    assert_eq!(fed.whole.stdout.lossy(), "마당\n");
    let missing = session.run(command(&["no-such-program"])).await;
    assert_eq!(missing.whole.exit_code, Some(127), "{}", told(&missing));
}

/// What is said next; something must be.
async fn next(attached: &mut Attachment, seen: &str) -> Option<Said> {
    let said = tokio::time::timeout(PATIENCE, attached.output.next()).await;
    said.unwrap_or_else(|_| panic!("nothing more after {seen:?}")).unwrap()
}

/// What a terminal shows up to and with `wanted`.
async fn shown(attached: &mut Attachment, wanted: &str) -> String {
    let mut seen = String::new();
    while !seen.contains(wanted) {
        match next(attached, &seen).await {
            Some(Said::Bytes(bytes)) => seen.push_str(&String::from_utf8_lossy(&bytes)),
            Some(Said::Event(event)) => match event.body {
                RunEventBody::Stdout { data } => seen.push_str(&data.lossy()),
                RunEventBody::Finished { outcome } => panic!("{wanted:?} never came: {seen:?} {outcome:?}"),
                _ => {}
            },
            None => panic!("{wanted:?} never came: {seen:?}"),
        }
    }
    seen
}

#[tokio::test]
async fn a_command_on_a_terminal_knows_its_size_and_obeys_control_c() {
    let session = Session::of("bash").await;
    let script =
        "stty size; read -r _; stty size; trap 'echo caught; exit 6' INT; echo ready; while :; do sleep 0.05; done";
    let terminal = Some(TerminalSize { rows: 31, cols: 97 });
    let request = RunRequest { terminal, ..command(&["bash", "-c", script]) };
    let run = session.client.session_run_begin(&session.id(), &request).await.unwrap();
    let mut attached = session.client.run_attach(run.id).await.unwrap();
    shown(&mut attached, "31 97").await;
    attached.input.resize(TerminalSize { rows: 50, cols: 120 }).await.unwrap();
    attached.input.input(b"\n".to_vec()).await.unwrap();
    // One wait: both may come in one piece.
    let seen = shown(&mut attached, "ready").await;
    assert!(seen.contains("50 120"), "{seen:?}");
    attached.input.input(b"\x03".to_vec()).await.unwrap();
    let mut rest = String::new();
    let outcome = loop {
        match next(&mut attached, &rest).await {
            Some(Said::Event(event)) => match event.body {
                RunEventBody::Stdout { data } => rest.push_str(&data.lossy()),
                RunEventBody::Finished { outcome } => break outcome,
                _ => {}
            },
            other => panic!("{other:?}"),
        }
    };
    assert!(rest.contains("caught"), "{rest:?}");
    assert_eq!((outcome.verdict, outcome.exit_code), (Verdict::NonzeroExit, Some(6)));
}

#[tokio::test]
async fn a_session_terminal_is_a_shell_that_goes_with_its_connection() {
    let session = Session::of("python").await;
    let size = TerminalSize { rows: 24, cols: 80 };
    let mut attached = session.client.session_terminal(&session.id(), size).await.unwrap();
    attached.input.input(b"echo $((40 + 2)) $(stty size)\n".to_vec()).await.unwrap();
    shown(&mut attached, "42 24 80").await;
    // Control-C ends the foreground job and leaves the shell.
    attached.input.input(b"sh -c 'echo job $((40 + 2)); exec sleep 81.5'\n".to_vec()).await.unwrap();
    // What it says itself, not the echo of the line: before that the shell, which ignores it, may get the signal.
    shown(&mut attached, "job 42").await;
    attached.input.input(b"\x03".to_vec()).await.unwrap();
    attached.input.input(b"echo still $((1 + 1))\n".to_vec()).await.unwrap();
    shown(&mut attached, "still 2").await;
    drop(attached);
    crate::server::soon("the shell is gone", async || {
        let seen = session.run(command(&["sh", "-c", "ps -e -o tty= | grep -c pts"])).await;
        let terminals = seen.whole.stdout.lossy().trim().to_owned();
        if terminals == "0" { Ok(()) } else { Err(terminals) }
    })
    .await;
}

#[tokio::test]
async fn a_session_s_environment_reaches_everything_in_it() {
    let env = [("MADANG_TEST".to_owned(), "a b=마당".to_owned())].into();
    let session =
        Session::made(SessionCreate { language: Some("python".to_owned()), env, ..SessionCreate::default() }).await;
    assert_eq!(session.shown("import os; print(os.environ['MADANG_TEST'])").await, "a b=마당\n");
    let run = session.run(command(&["sh", "-c", "echo \"$MADANG_TEST\""])).await;
    assert_eq!(run.whole.stdout.lossy(), "a b=마당\n");
    // Also in an interpreter that was started anew.
    session.query("raise SystemExit").await;
    assert_eq!(session.shown("import os; print(os.environ['MADANG_TEST'])").await, "a b=마당\n");
}
