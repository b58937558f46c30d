//! What a run used, as the kernel counted it.

use madang_model::{Usage, Verdict};
use madang_public_api::{OneShotRequest, RunRequest};

use crate::{
    server::shared,
    session::{Session, batch, command, patient, query, told},
};

async fn used(language: &str, code: &str) -> (Usage, String) {
    let request = OneShotRequest {
        language: Some(language.to_owned()),
        code: Some(code.to_owned()),
        limits: patient(),
        ..OneShotRequest::default()
    };
    let run = shared().client().run(&request).await.unwrap();
    assert_eq!(run.whole.verdict, Some(Verdict::Ok), "{}", told(&run));
    (run.whole.usage, run.whole.stdout.lossy().into_owned())
}

fn cpu_us(usage: &Usage) -> u64 {
    usage.cpu_user_us + usage.cpu_system_us
}

#[tokio::test]
async fn cpu_time_is_what_the_program_burnt() {
    // It measures itself, so that a busy machine changes nothing.
    let code = "import time\nwhile time.process_time() < 1: pass\nprint(time.process_time())\n";
    let (usage, itself) = used("python", code).await;
    let itself: f64 = itself.trim().parse().unwrap();
    let ratio = cpu_us(&usage) as f64 / (itself * 1e6);
    assert!((0.8..1.2).contains(&ratio), "{usage:?} beside {itself} s");
    assert!(usage.wall_us as f64 >= itself * 0.8e6, "{usage:?}");
}

#[tokio::test]
async fn cpu_time_of_children_and_of_both_kinds_counts() {
    let code = "import os, time\nif os.fork() == 0:\n    while time.process_time() < 0.5: pass\n    os._exit(0)\nos.wait()\n\
                while os.times().system < 0.5: os.stat('/')\n";
    let (usage, _) = used("python", code).await;
    assert!(usage.cpu_system_us >= 350_000, "{usage:?}");
    assert!((900_000..2_500_000).contains(&cpu_us(&usage)), "{usage:?}");
}

#[tokio::test]
async fn memory_s_peak_is_what_was_touched() {
    let (usage, _) = used("python", "x = bytearray(100 << 20)\nfor i in range(0, len(x), 4096): x[i] = 1\n").await;
    let mib = usage.memory_peak_bytes >> 20;
    assert!((100..130).contains(&mib), "{mib} MiB: {usage:?}");
    assert!(usage.memory_kib_ms > 0, "{usage:?}");
    let (small, _) = used("python", "pass\n").await;
    assert!(small.memory_peak_bytes < 40 << 20, "{small:?}");
}

#[tokio::test]
async fn bytes_read_and_written_are_plausible() {
    let code = "data = b'x' * (5 << 20)\nopen('f', 'wb').write(data)\nfor _ in range(2): open('f', 'rb').read()\n";
    let (usage, _) = used("python", code).await;
    assert!((5 << 20..6 << 20).contains(&usage.written_bytes), "{usage:?}");
    assert!((10 << 20..14 << 20).contains(&usage.read_bytes), "{usage:?}");
}

#[tokio::test]
async fn what_an_interpreter_reads_and_writes_is_not_told_by_query() {
    let session = Session::of("python").await;
    let run = session.query("n = open('f', 'wb').write(b'x' * (5 << 20))").await;
    // The kernel adds these counts to init's when a process ends; of one that lives on, init may not ask.
    assert_eq!((run.whole.usage.read_bytes, run.whole.usage.written_bytes), (0, 0), "{:?}", run.whole.usage);
}

#[tokio::test]
async fn runs_add_up_to_their_session() {
    let session = Session::of("python").await;
    let before = session.client.session_usage(&session.id()).await.unwrap();
    let burn = "import time\nend = time.process_time() + 0.75\nwhile time.process_time() < end: pass\n";
    let mut sum = 0;
    for request in [
        query(burn),
        RunRequest { code: Some(burn.to_owned()), ..batch() },
        command(&["python3", "-c", burn]),
        query(burn),
    ] {
        let run = session.run(request).await;
        assert_eq!(run.whole.verdict, Some(Verdict::Ok), "{}", told(&run));
        sum += cpu_us(&run.whole.usage);
    }
    let after = session.client.session_usage(&session.id()).await.unwrap();
    let whole = cpu_us(&after) - cpu_us(&before);
    assert!(sum >= 3_000_000, "{sum} µs");
    let ratio = whole as f64 / sum as f64;
    assert!((0.95..1.10).contains(&ratio), "the runs used {sum} µs, their session {whole} µs");
}
