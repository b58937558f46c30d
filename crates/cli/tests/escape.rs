//! Every program in `escape/`, tried from inside a sandbox through the public API. Needs root.
//!
//! The program says what it thinks of the walls; what can be seen from outside is looked at from outside. See `escape/README.md`.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod ground;

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use ground::{Ground, app::OthersApp, file, planted::Planted, query, session, stdout, verdict};
use madang_client::Client;
use madang_model::Blob;
use madang_public_api::{OneShotRequest, RunView};

/// An attempt that hangs is a failure of its own.
const ATTEMPT_WAIT: Duration = Duration::from_secs(180);
/// What an attempt may take unless it says otherwise, and an answer, however long the machine has something else to do.
const WALL_MS: u64 = 60_000;
/// Answers that a guest may spoil for itself.
const SPOILT_MAX: usize = 3;
/// A query may take this long unless it says otherwise.
const QUERY_WALL_MS: u64 = 1500;
/// After a hostile query, a session must answer within this.
const ANSWER_MAX: Duration = Duration::from_secs(150);

struct Attempt {
    path: PathBuf,
    name: String,
    code: Vec<u8>,
    directives: BTreeMap<String, String>,
}

impl Attempt {
    fn read(path: PathBuf) -> Self {
        let code = fs::read(&path).unwrap();
        let text = String::from_utf8_lossy(&code).into_owned();
        let words =
            text.lines().take(5).filter_map(|line| line.split_once("madang-escape:")).flat_map(|(_, rest)| {
                rest.split_whitespace().filter_map(|word| word.split_once('=')).collect::<Vec<_>>()
            });
        let directives = words.map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
        Self { name: path.file_name().unwrap().to_string_lossy().into_owned(), code, directives, path }
    }

    fn number(&self, key: &str) -> Option<u64> {
        self.directives.get(key).map(|value| value.parse().unwrap_or_else(|_| panic!("{}: {key}", self.name)))
    }

    fn language(&self) -> &'static str {
        match self.path.extension().and_then(|extension| extension.to_str()) {
            Some("py") => "python",
            Some("c") => "c",
            Some("sh") => "bash",
            Some("js") => "javascript",
            Some("rb") => "ruby",
            Some("pl") => "perl",
            Some("php") => "php",
            Some("lua") => "lua",
            Some("R") => "r",
            other => panic!("{}: no language for {other:?}", self.name),
        }
    }

    fn request(&self, facts: &str) -> OneShotRequest {
        let mut files = vec![file(&self.name, self.code.clone())];
        if self.language() == "python" {
            files.push(file("attempt.py", fs::read(directory().join("support/attempt.py")).unwrap()));
        }
        let mut request = OneShotRequest {
            language: Some(self.language().to_owned()),
            files,
            stdin: Some(Blob(facts.as_bytes().to_vec())),
            wait: true,
            ..OneShotRequest::default()
        };
        request.limits.wall_ms = Some(self.number("wall").unwrap_or(WALL_MS));
        request.limits.cpu_ms = Some(20_000);
        request.limits.memory_bytes = self.number("memory");
        request
    }

    /// What is wrong with how it ended; nothing if the walls held.
    fn judge(&self, view: &RunView) -> Result<String, String> {
        let said = stdout(view);
        let ends = self.directives.get("ends").map_or("ok", String::as_str);
        let expected = ends.split(',').any(|end| end == verdict(view));
        let last = said.lines().rev().find(|line| line.starts_with("HELD") || line.starts_with("ESCAPED"));
        match last {
            Some(line) if line.starts_with("ESCAPED") => Err(line.to_owned()),
            _ if !expected => Err(format!("{} {:?}: {}", verdict(view), view.whole.detail, view.whole.stderr.lossy())),
            Some(line) => Ok(line.to_owned()),
            // Only one that may be ended early may have no last word.
            None if self.directives.contains_key("ends") && verdict(view) != "ok" => {
                Ok(format!("HELD: {}", verdict(view)))
            }
            None => {
                let end: String = said.chars().rev().take(200).collect::<Vec<_>>().into_iter().rev().collect();
                Err(format!("no last word: …{end} {}", view.whole.stderr.lossy()))
            }
        }
    }
}

fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../escape")
}

/// Every attempt below, in the order of their names; an empty directory is a mistake.
fn attempts(directory: &Path) -> Vec<Attempt> {
    let entries = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    let only = std::env::var("MADANG_ESCAPE_ONLY").ok();
    let is_attempt = |path: &PathBuf| path.is_file() && path.extension().is_some_and(|extension| extension != "md");
    let mut paths: Vec<_> = entries.filter(is_attempt).collect();
    assert!(!paths.is_empty(), "no attempts in {}", directory.display());
    if let Some(only) = only {
        paths.retain(|path| path.to_string_lossy().contains(&only));
    }
    paths.sort();
    paths.into_iter().map(Attempt::read).collect()
}

async fn tried(client: &Client, attempt: &Attempt, facts: &str) -> Vec<RunView> {
    let request = attempt.request(facts);
    let mut views = Vec::new();
    for _ in 0..attempt.number("runs").unwrap_or(1) {
        let at_once = attempt.number("at-once").unwrap_or(1);
        let runs: Vec<_> = (0..at_once)
            .map(|_| {
                let (client, request) = (client.clone(), request.clone());
                tokio::spawn(async move { client.run(&request).await.unwrap() })
            })
            .collect();
        for run in runs {
            let ended = tokio::time::timeout(ATTEMPT_WAIT, run).await;
            views.push(ended.unwrap_or_else(|_| panic!("{} does not end", attempt.name)).unwrap());
        }
    }
    views
}

/// Lines `unique NAME VALUE` that several runs printed alike.
fn repeated(views: &[RunView]) -> Vec<String> {
    let mut seen = std::collections::BTreeSet::new();
    let lines = views.iter().flat_map(|view| stdout(view).lines().map(str::to_owned).collect::<Vec<_>>());
    lines.filter(|line| line.starts_with("unique ")).filter(|line| !seen.insert(line.clone())).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_attempt_is_held() {
    let mut ground = Ground::new();
    let mut planted = Planted::new();
    let client = ground.client();
    let others = OthersApp::open(&client).await;
    let facts = planted.facts(&ground) + &others.facts();
    let unavailable = unavailable(&client).await;
    let mut failed = Vec::new();
    println!("{:<28} {:>7}  RESULT", "ATTEMPT", "MS");
    for attempt in attempts(&directory()) {
        if let Some(why) = unavailable.get(attempt.language()) {
            assert!(std::env::var_os("MADANG_REQUIRE_LANGUAGES").is_none(), "{}: {why}", attempt.name);
            println!("{:<28} {:>7}  not tried: {why}", attempt.name, "");
            continue;
        }
        let began = Instant::now();
        let views = tried(&client, &attempt, &facts).await;
        let mut result = views.iter().map(|view| attempt.judge(view)).collect::<Result<Vec<_>, _>>();
        if attempt.directives.contains_key("differ") && !repeated(&views).is_empty() {
            result = Err(format!("ESCAPED: the same twice: {:?}", repeated(&views)));
        }
        let said: String = views.iter().map(|view| stdout(view) + &view.whole.stderr.lossy()).collect();
        let harm = planted.harm(&mut ground, &said);
        if !harm.is_empty() {
            result = Err(format!("ESCAPED: {}", harm.join("; ")));
        }
        let line = result.as_ref().map_or_else(Clone::clone, |lines| lines.last().cloned().unwrap_or_default());
        println!("{:<28} {:>7}  {line}", attempt.name, began.elapsed().as_millis());
        if result.is_err() {
            failed.push(format!("{}: {line}", attempt.name));
        }
    }
    others.is_there();
    others.close().await;
    assert!(failed.is_empty(), "{} attempts were not held:\n{}", failed.len(), failed.join("\n"));
}

async fn unavailable(client: &Client) -> BTreeMap<String, String> {
    let languages = client.languages().await.unwrap();
    languages.into_iter().filter_map(|language| Some((language.id, language.unavailable?))).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_answers_again_after_every_hostile_query() {
    let mut ground = Ground::new();
    let mut planted = Planted::new();
    let client = ground.client();
    let neighbour = session(&client, "python").await;
    let mut failed = Vec::new();
    for attempt in attempts(&directory().join("query")) {
        let began = Instant::now();
        let victim = session(&client, "python").await;
        let code = String::from_utf8(attempt.code.clone()).unwrap();
        let wall_ms = attempt.number("wall").unwrap_or(QUERY_WALL_MS);
        let hostile = tokio::time::timeout(ATTEMPT_WAIT, query(&client, &victim, &code, wall_ms)).await;
        let result = match &hostile {
            Err(_) => Err("the query does not end".to_owned()),
            Ok(view) => right_end(&attempt, view),
        };
        let took = began.elapsed();
        let mut result: Result<&str, String> = result.and(answers(&client, &neighbour, "the neighbour").await);
        let mut own = answers(&client, &victim, "the session").await;
        for _ in 0..SPOILT_MAX {
            if own.is_ok() {
                break;
            }
            // What was written into its interpreter's pipe may spoil an answer, on a slow machine another; then there is another interpreter.
            own = answers(&client, &victim, "the session").await;
        }
        // A sandbox that its own guest has broken may be over; it must say so.
        let must_answer = !attempt.directives.contains_key("own");
        if own.is_err() && must_answer && is_live(&client, &victim.id.to_string()).await {
            result = result.and(own);
        }
        let _ = client.session_end(&victim.id.to_string()).await;
        let harm = planted.harm(&mut ground, "");
        if !harm.is_empty() {
            result = Err(harm.join("; "));
        }
        let said = match &result {
            Ok(end) => end,
            Err(why) => why.as_str(),
        };
        println!("{:<28} {:>7}  {said}", attempt.name, took.as_millis());
        if let Err(why) = result {
            failed.push(format!("{}: {why}", attempt.name));
        }
    }
    client.session_end(&neighbour.id.to_string()).await.unwrap();
    assert!(failed.is_empty(), "{} queries did harm:\n{}", failed.len(), failed.join("\n"));
}

fn right_end(attempt: &Attempt, view: &RunView) -> Result<&'static str, String> {
    let end = verdict(view);
    match attempt.directives.get("ends") {
        Some(ends) if !ends.split(',').any(|right| right == end) => Err(format!("{end} {:?}", view.whole.detail)),
        _ if end == "unfinished" => Err("unfinished".to_owned()),
        _ => Ok(end),
    }
}

async fn answers<'a>(client: &Client, who: &madang_public_api::SessionView, name: &'a str) -> Result<&'a str, String> {
    let began = Instant::now();
    let mut request = madang_public_api::RunRequest {
        code: Some("6 * 7".to_owned()),
        wait: true,
        ..madang_public_api::RunRequest::default()
    };
    request.limits.wall_ms = Some(WALL_MS);
    let answer = tokio::time::timeout(ANSWER_MAX, client.session_run(&who.id.to_string(), &request)).await;
    match answer {
        Ok(Ok(view)) if stdout(&view).contains("42") => Ok(name),
        Ok(Ok(view)) => Err(format!("{name} says {:?} {:?} {:?}", stdout(&view), verdict(&view), view.whole.detail)),
        Ok(Err(error)) => Err(format!("{name}: {error}")),
        Err(_) => Err(format!("{name} is silent after {:?}", began.elapsed())),
    }
}

async fn is_live(client: &Client, id: &str) -> bool {
    client.session_get(id).await.is_ok_and(|seen| seen.state == madang_public_api::SessionState::Running)
}
