//! Bombs, each in a session of its own: they end with the right word, in bounded time, and their neighbour hardly notices. Needs root.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod ground;

use std::time::{Duration, Instant};

use ground::{Ground, one_shot, planted::Planted, session, stdout, verdict};
use madang_client::Client;
use madang_model::LimitsAsked;
use madang_public_api::{RunMode, RunRequest, RunView, SessionView};
use tokio::task::JoinHandle;

/// A neighbour's start may be this much slower than before, unless it is still what is promised anyhow.
const SLOWER_MAX: u32 = 3;
const PROMISED: Duration = Duration::from_millis(5);
/// Other things run on the machine, too: a bomb that slows its neighbour down does so every time.
const TRIES: usize = 3;
/// Starts that make a median, and the time between them: a neighbour who works, not one who hurries.
const STARTS: usize = 25;
const START_EVERY: Duration = Duration::from_millis(20);
/// What a bomb may take beyond its own limits.
const SPARE: Duration = Duration::from_secs(60);
/// What the host may have less of afterwards; other things run on it too.
const MEMORY_LOST_MAX_KIB: u64 = 1 << 20;

/// What one test does to the machine is not to be seen by the other.
static ALONE: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

const WALL_MS: u64 = 3000;
/// For bombs that must meet another limit first, however little of a busy machine they get.
const WALL_LONG_MS: u64 = 120_000;
const CPU_LONG_MS: u64 = 60_000;

struct Bomb {
    name: &'static str,
    argv: [&'static str; 3],
    limits: LimitsAsked,
    verdicts: &'static [&'static str],
    /// What `detail` or the program's own last words must hold.
    says: &'static str,
}

const NO_LIMITS: LimitsAsked = LimitsAsked {
    wall_ms: Some(WALL_MS),
    cpu_ms: None,
    memory_bytes: None,
    disk_bytes: None,
    pids: None,
    open_files: None,
    output_bytes: None,
    cpu_millis: None,
};

const LONG: LimitsAsked = LimitsAsked { wall_ms: Some(WALL_LONG_MS), cpu_ms: Some(CPU_LONG_MS), ..NO_LIMITS };

fn python(name: &'static str, code: &'static str, verdicts: &'static [&'static str], says: &'static str) -> Bomb {
    Bomb { name, argv: ["/usr/bin/python3", "-c", code], limits: NO_LIMITS, verdicts, says }
}

fn bombs() -> Vec<Bomb> {
    let shell = ["/bin/bash", "-c", "bomb() { bomb | bomb & }; bomb; while :; do :; done"];
    vec![
        Bomb { argv: shell, ..python("fork bomb", "", &["time-limit"], "limits.") },
        python(
            "fork bomb in sessions",
            "import os\nwhile True:\n try:\n  if os.fork() == 0: os.setsid()\n except OSError: pass",
            &["time-limit"],
            "limits.",
        ),
        Bomb {
            limits: LONG,
            ..python(
                "process limit",
                "import os, time\nwhile True:\n if os.fork() == 0: time.sleep(100)",
                &["process-limit"],
                "limits.pids",
            )
        },
        Bomb {
            limits: LONG,
            ..python(
                "memory bomb",
                "b = []\nwhile True: b.append(bytearray(1 << 22))",
                &["memory-limit"],
                "limits.memory_bytes",
            )
        },
        python(
            "memory bomb in children",
            "import os\nfor _ in range(20): os.fork()\nb = []\nwhile True: b.append(bytearray(1 << 20))",
            &["memory-limit", "process-limit", "time-limit"],
            "limits.",
        ),
        Bomb {
            limits: LONG,
            ..python(
                "disk bomb",
                "f = open('/tmp/f', 'wb', 0)\nwhile f.write(b'x' * (1 << 20)): pass\nf.write(b'x')\nraise OSError(28, 'No space left on device')",
                &["nonzero-exit"],
                "No space left",
            )
        },
        Bomb {
            limits: LONG,
            ..python(
                "a million tiny files",
                "for n in range(10**6): open(f'/tmp/{n}', 'w').close()",
                &["nonzero-exit"],
                "No space left",
            )
        },
        Bomb {
            limits: LONG,
            ..python("output flood", "while True: print('x' * 8000)", &["output-limit"], "limits.output_bytes")
        },
        Bomb {
            limits: LimitsAsked { cpu_ms: Some(1000), ..LONG },
            ..python("processor spin", "while True: pass", &["time-limit"], "limits.cpu_ms")
        },
        python("sleep", "import time; time.sleep(1000)", &["time-limit"], "limits.wall_ms"),
        Bomb {
            limits: LONG,
            ..python(
                "open files",
                "f = []\nwhile True: f.append(open('/dev/null'))",
                &["nonzero-exit"],
                "Too many open files",
            )
        },
        python(
            "threads",
            "import threading\nwhile True: threading.Thread(target=threading.Event().wait).start()",
            &["process-limit", "time-limit"],
            "limits.",
        ),
    ]
}

fn explode(client: &Client, session: &SessionView, bomb: &Bomb) -> JoinHandle<(RunView, Duration)> {
    let request = RunRequest {
        mode: RunMode::Command,
        argv: bomb.argv.iter().map(|&word| word.to_owned()).collect(),
        limits: bomb.limits,
        wait: true,
        ..RunRequest::default()
    };
    let (client, id) = (client.clone(), session.id.to_string());
    tokio::spawn(async move {
        let began = Instant::now();
        let view = client.session_run(&id, &request).await.unwrap();
        (view, began.elapsed())
    })
}

async fn start_once(client: &Client) -> Duration {
    let began = Instant::now();
    let view = client.run(&one_shot("python", "print(1)")).await.unwrap();
    assert_eq!((verdict(&view), stdout(&view).as_str()), ("ok", "1\n"), "{view:?}");
    began.elapsed()
}

/// The median of some starts.
async fn starts(client: &Client, count: usize) -> Duration {
    let mut every = tokio::time::interval(START_EVERY);
    let mut took = Vec::new();
    for _ in 0..count {
        every.tick().await;
        took.push(start_once(client).await);
    }
    median(took)
}

fn median(mut took: Vec<Duration>) -> Duration {
    took.sort();
    took[took.len() / 2]
}

/// Lets the bomb off again and again until there are enough starts beside it: the median start, and how each one ended.
async fn starts_beside(client: &Client, session: &SessionView, bomb: &Bomb) -> (Duration, Vec<(RunView, Duration)>) {
    let mut every = tokio::time::interval(START_EVERY);
    let (mut took, mut ended) = (Vec::new(), Vec::new());
    let mut running = explode(client, session, bomb);
    while took.len() < STARTS {
        if running.is_finished() {
            ended.push(running.await.unwrap());
            running = explode(client, session, bomb);
        }
        every.tick().await;
        took.push(start_once(client).await);
    }
    ended.push(running.await.unwrap());
    (median(took), ended)
}

/// What is wrong with how the bomb ends, and with how its neighbour fares meanwhile.
async fn beside(client: &Client, session: &SessionView, bomb: &Bomb) -> Option<String> {
    let mut slow = None;
    for _ in 0..TRIES {
        let before = starts(client, STARTS).await;
        let (during, ended) = starts_beside(client, session, bomb).await;
        let end = verdict(&ended[0].0);
        let ms = |time: Duration| time.as_secs_f64() * 1000.0;
        println!("{:<26} {end:<14} {:>5} {:>10.1} {:>10.1}", bomb.name, ended.len(), ms(before), ms(during));
        let wrong = ended.iter().find_map(|ended| wrong_end(bomb, ended));
        if wrong.is_some() || during <= (before * SLOWER_MAX).max(PROMISED) {
            return wrong;
        }
        slow = Some(format!("a neighbour starts in {during:?}, {before:?} before"));
    }
    slow
}

fn wrong_end(bomb: &Bomb, (view, took): &(RunView, Duration)) -> Option<String> {
    let says = format!("{:?} {}", view.whole.detail, view.whole.stderr.lossy());
    if !bomb.verdicts.contains(&verdict(view)) || !says.contains(bomb.says) {
        let says: String = says.chars().rev().take(300).collect::<Vec<_>>().into_iter().rev().collect();
        return Some(format!("{} instead of {:?}: {says}", verdict(view), bomb.verdicts));
    }
    let most = Duration::from_millis(bomb.limits.wall_ms.unwrap_or(WALL_MS)) + SPARE;
    (*took > most).then(|| format!("it took {took:?}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn bombs_end_with_the_right_word_and_the_neighbour_hardly_notices() {
    let _alone = ALONE.lock().await;
    let mut ground = Ground::new();
    let mut planted = Planted::new();
    let client = ground.client();
    starts(&client, STARTS).await;
    let memory = memory_available_kib();
    let mut wrong = Vec::new();
    println!("{:<26} {:<14} {:>5} {:>10} {:>10}", "BOMB", "VERDICT", "TIMES", "BEFORE ms", "DURING ms");
    for bomb in bombs() {
        let session = session(&client, "python").await;
        wrong.extend(beside(&client, &session, &bomb).await.into_iter().map(|why| format!("{}: {why}", bomb.name)));
        wrong.extend(left(&client, &session).await.map(|why| format!("{}: {why}", bomb.name)));
        client.session_end(&session.id.to_string()).await.unwrap();
        wrong.extend(planted.harm(&mut ground, "").into_iter().map(|harm| format!("{}: {harm}", bomb.name)));
    }
    let lost = memory.saturating_sub(memory_available_kib());
    assert!(lost < MEMORY_LOST_MAX_KIB, "{lost} KiB of the host's memory are gone");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// A restart ends what the bomb left running, and the session works again; what it says is wrong if it does not.
async fn left(client: &Client, session: &SessionView) -> Option<String> {
    if let Err(error) = client.session_restart(&session.id.to_string()).await {
        return Some(format!("the session cannot be restarted: {error}"));
    }
    let request = RunRequest {
        mode: RunMode::Command,
        argv: ["/bin/sh", "-c", "rm -rf /tmp/* 2>/dev/null; echo alive"].map(str::to_owned).to_vec(),
        wait: true,
        limits: LONG,
        ..RunRequest::default()
    };
    match client.session_run(&session.id.to_string(), &request).await {
        Ok(view) if stdout(&view) == "alive\n" => None,
        Ok(view) => Some(format!("the session says {:?} {:?}", stdout(&view), view.whole.detail)),
        Err(error) => Some(format!("the session is gone: {error}")),
    }
}

fn memory_available_kib() -> u64 {
    let text = std::fs::read_to_string("/proc/meminfo").unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

/// All the processes that a session may have, which go on when the first has ended.
const CROWD: &str = "import os, time
while True:
 if os.fork() == 0:
  while True:
   try: os.fork()
   except OSError: time.sleep(0.02)";
const CROWDS: usize = 2;
const CROWD_TRIES: usize = 20;

#[tokio::test(flavor = "multi_thread")]
async fn a_crowd_leaves_no_room_until_it_is_ended() {
    let _alone = ALONE.lock().await;
    let ground = Ground::new();
    let client = ground.client();
    let session = session(&client, "python").await;
    let mut wrong = Vec::new();
    for _ in 0..CROWDS {
        wrong.extend(no_room_in_a_crowd(&client, &session).await);
        wrong.extend(left(&client, &session).await);
    }
    // Before anything is judged: a crowd must not outlive a test that failed.
    client.session_end(&session.id.to_string()).await.unwrap();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What is wrong with how a run ends that others leave no room.
async fn no_room_in_a_crowd(client: &Client, session: &SessionView) -> Option<String> {
    let crowd = Bomb { limits: LONG, ..python("crowd", CROWD, &["process-limit"], "limits.pids") };
    // The first one's own place is free for a moment, and whoever begins may be quicker than the crowd.
    for _ in 0..CROWD_TRIES {
        let ended = explode(client, session, &crowd).await.unwrap();
        if let Some(why) = wrong_end(&crowd, &ended) {
            return Some(why);
        }
        if ended.0.whole.detail.is_some_and(|said| said.starts_with("other programs")) {
            return None;
        }
    }
    Some("there is always room in a crowd".to_owned())
}
