//! What is recorded as used is what the kernel counted, once, whatever dies meanwhile.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
};

use madang_client::Client;
use madang_model::{Usage, Verdict};
use madang_public_api::{OneShotRequest, SessionCreate, UsageEntry};
use rustix::process::{Pid, Signal, kill_process};

use crate::{
    server::{Server, soon},
    session::{patient, query, told},
};

/// How often the server is killed.
const CRASHES: usize = 4;
/// The end of a sandbox costs time too, which is counted after the last look from outside.
const END_US: u64 = 500_000;

/// A process that works until it is killed.
const BURN: &str = "import subprocess\np = subprocess.Popen(['sh', '-c', 'while :; do :; done'])";
const STOP: &str = "p.kill()\np.wait()";
const WORK: &str = "import time\nend = time.process_time() + 0.15\nwhile time.process_time() < end: pass\n";

/// The slot of a session, as its claim and the kernel have it.
struct Slot {
    init: Pid,
    /// Used before anybody had it.
    before_us: u64,
    groups: Vec<PathBuf>,
}

impl Slot {
    fn of(server: &Server, session: &str) -> Self {
        let slots = server.home().join("slots");
        let claim_of = |name: &String| -> Option<serde_json::Value> {
            serde_json::from_slice(&std::fs::read(slots.join(name).join("claim.json")).ok()?).ok()
        };
        let claims = server.slots().into_iter().filter_map(|name| claim_of(&name).map(|claim| (name, claim)));
        let (name, claim) = { claims }.find(|(_, claim)| claim["spec"]["session"] == session).unwrap();
        let counters = &claim["tally"]["counters"];
        let before = |field: &str| counters[field].as_u64().unwrap();
        Self {
            init: Pid::from_raw(i32::try_from(claim["pid"].as_i64().unwrap()).unwrap()).unwrap(),
            before_us: before("cpu_user_us") + before("cpu_system_us"),
            groups: server.cgroups().into_iter().map(|group| group.join(&name)).collect(),
        }
    }

    /// CPU time since it was given out, microseconds, by the kernel's own count.
    fn cpu_us(&self) -> u64 {
        let read = |file: &str| self.groups.iter().find_map(|group| std::fs::read_to_string(group.join(file)).ok());
        let v1 = read("cpuacct.usage").and_then(|text| text.trim().parse::<u64>().ok()).map(|ns| ns / 1_000);
        let field = |text: String| text.lines().find_map(|line| line.strip_prefix("usage_usec ")?.parse().ok());
        v1.or_else(|| read("cpu.stat").and_then(field)).expect("the kernel counts the slot's CPU time") - self.before_us
    }
}

async fn session(client: &Client) -> String {
    let request = SessionCreate { language: Some("python".to_owned()), ..SessionCreate::default() };
    client.session_create(&request).await.unwrap().id.to_string()
}

async fn ask(client: &Client, session: &str, code: &str) {
    let run = client.session_run(session, &query(code)).await.unwrap();
    assert_eq!(run.whole.verdict, Some(Verdict::Ok), "{}", told(&run));
}

/// A one-shot run, and what it says that it used.
async fn one_shot(client: &Client, code: &str) -> (String, Usage) {
    let (language, code) = (Some("python".to_owned()), Some(code.to_owned()));
    let request = OneShotRequest { language, code, limits: patient(), ..OneShotRequest::default() };
    let run = client.run(&request).await.unwrap();
    (run.id.to_string(), run.whole.usage)
}

async fn records(client: &Client) -> Vec<UsageEntry> {
    let mut bytes = client.usage_records("format=ndjson").await.unwrap();
    let mut text = Vec::new();
    while let Some(piece) = bytes.next().await.unwrap() {
        text.extend_from_slice(&piece);
    }
    let lines = text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    lines.map(|line| serde_json::from_slice(line).unwrap()).collect()
}

fn cpu_us(records: &[UsageEntry], session: &str) -> u64 {
    let theirs = records.iter().filter(|record| record.session == session);
    theirs.map(|record| record.cpu_user_us + record.cpu_system_us).sum()
}

/// The records, once every session of `counted` has as much in them as the kernel counted, and the node has told all it knows.
async fn settled(server: &Server, counted: &BTreeMap<String, u64>) -> Vec<UsageEntry> {
    let client = server.client();
    soon("what was used is recorded", async || {
        let files = std::fs::read_dir(server.home().join("readings")).unwrap().flatten();
        let left = files.filter(|file| file.path().extension().is_some_and(|extension| extension == "json")).count();
        let records = records(&client).await;
        let lacks = counted.iter().find(|(session, counted)| cpu_us(&records, session) < **counted);
        match lacks {
            None if left == 0 => Ok(records),
            None => Err(format!("{left} last readings are not taken")),
            Some((session, counted)) => Err(format!("{session}: {} of {counted} µs", cpu_us(&records, session))),
        }
    })
    .await
}

fn check(records: &[UsageEntry], sessions: &BTreeMap<String, u64>, one_shots: &BTreeMap<String, Usage>) {
    let names: BTreeSet<_> = records.iter().map(|record| (&record.subject, record.sequence)).collect();
    assert_eq!(names.len(), records.len(), "a record is there twice");
    for (session, counted) in sessions {
        let recorded = cpu_us(records, session);
        println!("{session}: the kernel counted {counted} µs, {recorded} µs are recorded");
        assert!((*counted..counted + END_US).contains(&recorded), "{session}: {recorded} µs beside {counted} µs");
    }
    for (run, usage) in one_shots {
        let theirs: Vec<_> = records.iter().filter(|record| record.subject == *run).collect();
        assert_eq!(theirs.len(), 1, "{run}");
        let recorded = (theirs[0].cpu_user_us, theirs[0].cpu_system_us, theirs[0].wall_us, theirs[0].memory_kib_ms);
        assert_eq!(recorded, (usage.cpu_user_us, usage.cpu_system_us, usage.wall_us, usage.memory_kib_ms), "{run}");
    }
    let subjects: BTreeSet<_> = records.iter().map(|record| &record.subject).collect();
    assert_eq!(subjects.len(), sessions.len() + one_shots.len(), "what was not used is recorded");
}

#[tokio::test]
async fn records_are_what_the_kernel_counted_over_crashes() {
    let mut server = Server::start();
    let (stays, dies) = (session(&server.client()).await, session(&server.client()).await);
    let (mut counted, mut one_shots) = (BTreeMap::new(), BTreeMap::new());
    for session in [&stays, &dies] {
        ask(&server.client(), session, BURN).await;
    }
    for round in 0..CRASHES {
        let client = server.client();
        ask(&client, &stays, WORK).await;
        one_shots.extend([one_shot(&client, &format!("{WORK}exit({round})")).await]);
        // In the middle of both, and of whatever was read meanwhile.
        server = Server::start_in(server.kill());
    }
    let client = server.client();
    for session in [&stays, &dies] {
        ask(&client, session, STOP).await;
        let slot = Slot::of(&server, session);
        counted.insert(session.clone(), slot.cpu_us());
        assert!(counted[session] > 1_000_000, "{counted:?}");
    }
    client.session_end(&stays).await.unwrap();
    // The other one ends while nobody looks.
    let init = Slot::of(&server, &dies).init;
    let home = server.kill();
    kill_process(init, Signal::KILL).unwrap();
    let server = Server::start_in(home);
    check(&settled(&server, &counted).await, &counted, &one_shots);
}
