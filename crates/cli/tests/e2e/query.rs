//! Conversations with interpreters.

use madang_model::{LimitsAsked, RunEventBody, Verdict};
use madang_public_api::{CompleteRequest, RunRequest, RunView};

use crate::{
    server::{shared, soon},
    session::{Session, query, told, wall},
};

/// What a language is asked, and what its console answers.
struct Case {
    id: &'static str,
    /// Keeps 41.
    set: &'static str,
    /// Shows 42 if it was kept.
    get: (&'static str, &'static str),
    error: &'static str,
    endless: &'static str,
    /// Ends the interpreter with 3; none where the language cannot.
    exit: Option<&'static str>,
    unicode: &'static str,
    /// Writes the numbers from 1 to 160,000, one a line: about 1 MB.
    large: &'static str,
    /// Whether an interrupt leaves the interpreter alive.
    survives: bool,
}

const CASES: &[Case] = &[
    Case {
        id: "python",
        set: "x = 41",
        get: ("x + 1", "42"),
        error: "1 / 0",
        endless: "while True: pass",
        exit: Some("raise SystemExit(3)"),
        unicode: "print('마당')",
        large: "for i in range(1, 160001): print(i)",
        survives: true,
    },
    Case {
        id: "javascript",
        set: "let x = 41; undefined",
        get: ("x + 1", "42"),
        error: "throw new Error('no')",
        endless: "for (;;) {}",
        exit: Some("process.exit(3)"),
        unicode: "console.log('마당')",
        large: "for (let i = 1; i <= 160000; i++) console.log(i)",
        survives: true,
    },
    Case {
        id: "ruby",
        set: "x = 41; nil",
        get: ("x + 1", "42"),
        error: "raise 'no'",
        endless: "loop {}",
        exit: Some("exit 3"),
        unicode: "puts '마당'",
        large: "(1..160000).each { |i| puts i }; nil",
        survives: true,
    },
    Case {
        id: "bash",
        set: "x=41",
        get: ("echo $((x + 1))", "42"),
        error: "no_such_command",
        endless: "while :; do :; done",
        exit: Some("exit 3"),
        unicode: "echo 마당",
        large: "seq 160000",
        survives: true,
    },
    Case {
        id: "lua",
        set: "x = 41",
        get: ("x + 1", "42"),
        error: "error('no')",
        endless: "while true do end",
        exit: Some("os.exit(3)"),
        unicode: "print('마당')",
        large: "for i = 1, 160000 do print(i) end",
        survives: true,
    },
    Case {
        id: "octave",
        set: "x = 41;",
        get: ("x + 1", "42"),
        error: "error ('no')",
        endless: "while true; end",
        exit: Some("exit (3)"),
        unicode: "disp ('마당')",
        large: "fprintf ('%d\\n', 1:160000);",
        survives: true,
    },
    Case {
        id: "perl",
        set: "my $x = 41; undef",
        get: ("$x + 1", "42"),
        error: "die 'no'",
        endless: "while (1) {}",
        exit: Some("exit 3"),
        unicode: "print \"마당\\n\"",
        large: "print \"$_\\n\" for 1 .. 160000;",
        survives: true,
    },
    Case {
        id: "php",
        set: "$x = 41;",
        get: ("$x + 1", "42"),
        error: "throw new Exception('no');",
        endless: "while (true);",
        exit: Some("exit(3);"),
        unicode: "echo \"마당\\n\";",
        large: "for ($i = 1; $i <= 160000; $i++) echo $i, \"\\n\";",
        survives: true,
    },
    Case {
        id: "r",
        set: "x <- 41",
        get: ("x + 1", "42"),
        error: "stop('no')",
        endless: "while (TRUE) {}",
        exit: Some("quit(status = 3)"),
        unicode: "cat('마당\\n')",
        large: "cat(1:160000, sep = '\\n')",
        survives: true,
    },
    Case {
        id: "sql",
        set: "CREATE TABLE t(x); INSERT INTO t VALUES (41);",
        get: ("SELECT x + 1 FROM t;", "42"),
        error: "SELECT * FROM nowhere",
        endless: "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c) SELECT count(*) FROM c",
        exit: None,
        unicode: "SELECT '마당'",
        large: "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < 160000) SELECT n FROM c",
        survives: true,
    },
];

/// Those that are installed; which must be there is for the smoke test to say.
async fn cases() -> Vec<&'static Case> {
    let available = shared().client().languages().await.unwrap();
    let is_there = |case: &&Case| available.iter().any(|language| language.id == case.id && language.available);
    CASES.iter().filter(is_there).collect()
}

#[tokio::test]
async fn every_language_with_a_console_is_asked_here() {
    let languages = shared().client().languages().await.unwrap();
    let with_console = languages.iter().filter(|language| language.modes.iter().any(|mode| mode == "query"));
    for language in with_console.filter(|language| language.id != "julia") {
        assert!(CASES.iter().any(|case| case.id == language.id), "{} has no case", language.id);
    }
}

fn is_kept(case: &Case, shown: &str) {
    assert!(shown.contains(case.get.1), "{}: {shown:?}", case.id);
}

#[tokio::test]
async fn state_is_kept_and_values_are_shown() {
    for case in cases().await {
        let session = Session::of(case.id).await;
        assert_eq!(session.shown(case.set).await, "", "{}", case.id);
        is_kept(case, &session.shown(case.get.0).await);
        assert!(session.shown(case.unicode).await.contains("마당"), "{}", case.id);
    }
}

#[tokio::test]
async fn an_error_leaves_the_session_alive() {
    for case in cases().await {
        let session = Session::of(case.id).await;
        session.shown(case.set).await;
        let failed = session.query(case.error).await;
        assert_eq!(failed.whole.verdict, Some(Verdict::NonzeroExit), "{}: {}", case.id, told(&failed));
        assert!(!failed.whole.stderr.0.is_empty(), "{}: {}", case.id, told(&failed));
        is_kept(case, &session.shown(case.get.0).await);
    }
}

const LOOP_MS: u64 = 300_000;

/// Starts a query, interrupts it once it is in progress, and gives the result.
async fn interrupted(session: &Session, code: &str) -> RunView {
    // Only the interrupt ends it, however late it comes.
    let limits = LimitsAsked { cpu_ms: Some(LOOP_MS), ..wall(LOOP_MS) };
    let request = RunRequest { limits, ..query(code) };
    let run = session.client.session_run_begin(&session.id(), &request).await.unwrap();
    let busy = async || {
        let used = session.client.session_usage(&session.id()).await.unwrap();
        let busy_us = used.cpu_user_us + used.cpu_system_us;
        Ok::<_, String>(busy_us)
    };
    let before = busy().await.unwrap();
    soon("the loop burns CPU time", async || {
        let now = busy().await?;
        if now > before + 50_000 { Ok(()) } else { Err(format!("{now} µs after {before}")) }
    })
    .await;
    session.client.session_interrupt(&session.id()).await.unwrap();
    finished(session, run).await
}

async fn finished(session: &Session, run: RunView) -> RunView {
    soon("the run ends", async || {
        let now = session.client.run_get(run.id).await.unwrap();
        if now.whole.verdict.is_some() { Ok(now) } else { Err(told(&now)) }
    })
    .await
}

#[tokio::test]
async fn an_interrupt_ends_a_loop_and_keeps_the_state() {
    for case in cases().await {
        let session = Session::of(case.id).await;
        session.shown(case.set).await;
        let run = interrupted(&session, case.endless).await;
        assert_eq!(run.whole.verdict, Some(Verdict::Signaled), "{}: {}", case.id, told(&run));
        if case.survives {
            is_kept(case, &session.shown(case.get.0).await);
        }
    }
}

#[tokio::test]
async fn a_query_over_its_time_is_stopped_and_keeps_the_state() {
    for case in cases().await {
        let session = Session::of(case.id).await;
        session.shown(case.set).await;
        // Long enough to begin in: an interrupt that comes before is for nobody.
        let run = session.run(RunRequest { limits: wall(3_000), ..query(case.endless) }).await;
        assert_eq!(run.whole.verdict, Some(Verdict::TimeLimit), "{}: {}", case.id, told(&run));
        if case.survives {
            is_kept(case, &session.shown(case.get.0).await);
        }
    }
}

/// Lives over its first interrupt, as one does that had not begun when it came.
const DEAF: &str = "try:\n    while True: pass\nexcept KeyboardInterrupt: pass\nwhile True: pass";

#[tokio::test]
async fn a_query_over_its_time_is_stopped_again_where_it_goes_on() {
    let session = Session::of("python").await;
    session.shown("x = 41").await;
    let run = session.run(RunRequest { limits: wall(1_000), ..query(DEAF) }).await;
    assert_eq!(run.whole.verdict, Some(Verdict::TimeLimit), "{}", told(&run));
    assert_eq!(session.shown("x + 1").await, "42\n");
}

#[tokio::test]
async fn after_an_exit_the_next_query_has_a_new_interpreter() {
    for case in cases().await {
        let Some(exit) = case.exit else { continue };
        let session = Session::of(case.id).await;
        session.shown(case.set).await;
        let run = session.query(exit).await;
        assert_eq!(run.whole.verdict, Some(Verdict::NonzeroExit), "{}: {}", case.id, told(&run));
        assert_eq!(run.whole.exit_code, Some(3), "{}: {}", case.id, told(&run));
        session.shown(case.set).await;
        is_kept(case, &session.shown(case.get.0).await);
    }
}

/// A hundred and sixty thousand calls of a console take long beside other tests.
const LARGE_WALL_MS: u64 = 120_000;

#[tokio::test]
async fn a_megabyte_arrives_whole_and_in_order() {
    for case in cases().await {
        let session = Session::of(case.id).await;
        let run = session.run(RunRequest { limits: wall(LARGE_WALL_MS), ..query(case.large) }).await;
        assert_eq!(run.whole.verdict, Some(Verdict::Ok), "{}: {}", case.id, told(&run));
        let shown = run.whole.stdout.lossy();
        // Consoles may frame a table; the numbers are what counts.
        let numbers: Vec<u32> = shown.lines().filter_map(|line| line.trim().parse().ok()).collect();
        assert_eq!(numbers.len(), 160_000, "{}: {} bytes", case.id, shown.len());
        assert!(numbers.iter().zip(1..).all(|(seen, wanted)| *seen == wanted), "{}", case.id);
    }
}

/// All that such a query writes, in the order in which it is heard.
async fn heard(session: &Session) -> String {
    let code = "import sys\nfor i in range(200):\n    print(i)\n    print(-i, file=sys.stderr)\n";
    let mut events = session.client.session_run_stream(&session.id(), &query(code)).await.unwrap();
    let mut seen = String::new();
    while let Some(event) = events.next().await.unwrap() {
        match event.body {
            RunEventBody::Stdout { data } | RunEventBody::Stderr { data } => seen.push_str(&data.lossy()),
            _ => {}
        }
    }
    seen
}

#[tokio::test]
async fn standard_output_and_error_keep_their_order_in_python() {
    let session = Session::of("python").await;
    let wanted: String = (0..200).map(|i| format!("{i}\n{}\n", -i)).collect();
    let mut seen = String::new();
    // A reader that a busy machine keeps from its turn for a second gets two pieces at once: not each time.
    for _ in 0..5 {
        seen = heard(&session).await;
        if seen == wanted {
            return;
        }
    }
    assert_eq!(seen, wanted);
}

#[tokio::test]
async fn input_given_with_a_query_is_read_by_it() {
    let session = Session::of("python").await;
    let asked =
        RunRequest { stdin: Some("마당\n둘\n".into()), ..query("a = input('? '); b = input(); print(a + b)") };
    let run = session.run(asked).await;
    assert_eq!(
        (run.whole.verdict, run.whole.stdout.lossy().trim_end()),
        (Some(Verdict::Ok), "마당둘"),
        "{}",
        told(&run)
    );
}

#[tokio::test]
async fn a_query_without_input_gets_its_end_and_the_next_one_can_read_again() {
    let session = Session::of("python").await;
    session.shown("x = 41").await;
    let run = session.query("input()").await;
    assert!(run.whole.stderr.lossy().contains("EOFError"), "{}", told(&run));
    let asked = RunRequest { stdin: Some("1\n".into()), ..query("x + int(input())") };
    assert_eq!(session.run(asked).await.whole.stdout.lossy(), "42\n");
}

#[tokio::test]
async fn input_left_over_by_a_query_is_not_read_by_the_next() {
    let session = Session::of("python").await;
    let asked = RunRequest { stdin: Some("first\nsecond\nthird\n".into()), ..query("print(input())") };
    assert_eq!(session.run(asked).await.whole.stdout.lossy(), "first\n");
    let asked = RunRequest { stdin: Some("fourth\n".into()), ..query("print(input())") };
    assert_eq!(session.run(asked).await.whole.stdout.lossy(), "fourth\n");
}

#[tokio::test]
async fn figures_and_tables_arrive_as_media() {
    let session = Session::of("python").await;
    let figure = "import matplotlib.pyplot as plt\nplt.plot([1, 4, 9])\nplt.show()";
    let request = RunRequest { limits: wall(60_000), ..query(figure) };
    let run = session.run(request).await;
    let image = run.whole.media.first().unwrap_or_else(|| panic!("{}", told(&run)));
    assert_eq!(image.mime, "image/png");
    assert!(
        image.data.0.starts_with(b"\x89PNG\r\n\x1a\n") && image.data.0.len() > 1000,
        "{} bytes",
        image.data.0.len()
    );
    let run = session
        .run(RunRequest { limits: wall(60_000), ..query("import pandas\npandas.DataFrame({'마당': [41, 42]})") })
        .await;
    let table =
        run.whole.media.iter().find(|media| media.mime == "text/html").unwrap_or_else(|| panic!("{}", told(&run)));
    let html = table.data.lossy();
    assert!(html.contains("<table") && html.contains("마당") && html.contains("42"), "{html}");
}

#[tokio::test]
async fn python_completes_what_the_session_knows() {
    let session = Session::of("python").await;
    let complete = async |code: &str| {
        let request = CompleteRequest { code: code.to_owned(), cursor: code.len() as u64 };
        session.client.session_complete(&session.id(), &request).await.unwrap()
    };
    // One that comes too late is given up, with its interpreter.
    soon("it completes", async || {
        session.shown("marble = 'round'").await;
        let (names, methods) = (complete("x = marb").await, complete("marble.upp").await);
        let seen = format!("{names:?}, {methods:?}");
        if names.items.is_empty() || methods.items.is_empty() {
            return Err(seen);
        }
        assert_eq!((names.start, names.items), (4, vec!["marble".to_owned()]));
        assert!(methods.items.iter().any(|item| item.contains("upper")), "{seen}");
        Ok(())
    })
    .await;
    // Completion has not disturbed anything.
    assert_eq!(session.shown("marble").await, "'round'\n");
}

#[tokio::test]
async fn a_query_that_asks_is_answered_while_it_waits() {
    let session = Session::of("python").await;
    let request = RunRequest { stdin_live: true, ..query("name = input('name? '); print('hello', name)") };
    let run = session.client.session_run_begin(&session.id(), &request).await.unwrap();
    let mut attached = session.client.run_attach(run.id).await.unwrap();
    let mut output = String::new();
    while let Some(said) = attached.output.next().await.unwrap() {
        let madang_client::Said::Event(event) = said else { continue };
        match event.body {
            RunEventBody::WaitingInput { prompt, echo } => {
                assert_eq!((prompt.as_str(), echo), ("name? ", true));
                attached.input.input("마당\n".into()).await.unwrap();
            }
            RunEventBody::Stdout { data } => output.push_str(&data.lossy()),
            RunEventBody::Finished { outcome } => {
                assert_eq!(outcome.verdict, Verdict::Ok);
                break;
            }
            _ => {}
        }
    }
    assert_eq!(output, "hello 마당\n");
}
