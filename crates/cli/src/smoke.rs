//! `madang smoke`: a greeting from every available language through the public API, as `make run` shows it.

use std::time::{Duration, Instant};

use madang_client::{Client, ClientError, data_home};
use madang_model::Verdict;
use madang_public_api::{LanguageView, OneShotRequest, RunView};
use serde_json::json;
use tokio::time::sleep;

use crate::{args::SmokeArgs, exit, exit::Failure, print, print::Cell};

/// Between two looks at a server that is starting.
const LOOK_INTERVAL: Duration = Duration::from_millis(50);
/// How much of an output the table shows.
const OUTPUT_CHARS_MAX: usize = 60;

struct Greeting {
    language: LanguageView,
    result: Result<RunView, ClientError>,
}

impl Greeting {
    /// The verdict is ok and the output is the one greeting.
    fn ok(&self) -> bool {
        let expected = format!("Hello from {}", self.language.name);
        match &self.result {
            Ok(run) => run.whole.verdict == Some(Verdict::Ok) && run.whole.stdout.lossy().trim_end() == expected,
            Err(_) => false,
        }
    }
}

pub async fn run(args: SmokeArgs) -> Result<u8, Failure> {
    let client = Client::discover()?;
    let languages = wait(&client, Duration::from_millis(args.wait.0)).await?;
    let mut greetings = Vec::new();
    for language in languages.iter().filter(|language| language.available) {
        let request = OneShotRequest {
            language: Some(language.id.clone()),
            code: Some(language.greeting.clone()),
            ..OneShotRequest::default()
        };
        greetings.push(Greeting { language: language.clone(), result: client.run(&request).await });
    }
    let failed = greetings.iter().filter(|greeting| !greeting.ok()).count();
    let missing: Vec<&LanguageView> = languages.iter().filter(|language| !language.available).collect();
    match args.json {
        true => print::json(&as_json(&greetings, &missing))?,
        false => show(&client, &greetings, &missing)?,
    }
    Ok(u8::from(failed > 0 || greetings.is_empty()))
}

/// The languages, once the server is ready to say them.
async fn wait(client: &Client, patience: Duration) -> Result<Vec<LanguageView>, Failure> {
    let until = Instant::now() + patience;
    loop {
        let late = Instant::now() >= until;
        match client.ready().await {
            Ok(health) if health.status == "ok" => return Ok(client.languages().await?),
            Ok(health) if late => {
                let line = format!("the server is {}: {}", health.status, health.notes.join("; "));
                return Err(Failure { code: exit::UNREACHABLE, line });
            }
            // It takes no program and may stay so for days.
            Ok(health) if health.status == "frozen" => {
                let line = format!("the service is frozen: {}", health.notes.join("; "));
                return Err(Failure { code: exit::REFUSED, line });
            }
            Err(error) if late => return Err(error.into()),
            _ => sleep(LOOK_INTERVAL).await,
        }
    }
}

fn row(greeting: &Greeting) -> Vec<Cell> {
    let language = &greeting.language;
    let (verdict, output, wall) = match &greeting.result {
        Ok(run) => {
            let shown = if run.whole.stdout.0.is_empty() { &run.whole.stderr } else { &run.whole.stdout };
            let verdict = run.whole.verdict.map_or("unfinished", Verdict::name);
            (verdict, print::first_line(&shown.lossy(), OUTPUT_CHARS_MAX), print::millis(run.whole.usage.wall_us))
        }
        Err(error) => ("refused", print::first_line(&error.to_string(), OUTPUT_CHARS_MAX), String::new()),
    };
    vec![
        language.name.clone().into(),
        language.version.clone().unwrap_or_default().into(),
        print::judged(verdict, greeting.ok()),
        output.into(),
        wall.into(),
    ]
}

fn show(client: &Client, greetings: &[Greeting], missing: &[&LanguageView]) -> Result<(), Failure> {
    let rows: Vec<Vec<Cell>> = greetings.iter().map(row).collect();
    print::say("\n")?;
    print::table(&["LANGUAGE", "VERSION", "VERDICT", "OUTPUT", "WALL ms"], &rows)?;
    for language in missing {
        print::say(&format!("{} is unavailable: {}\n", language.name, language.unavailable.as_deref().unwrap_or("")))?;
    }
    let failed = greetings.iter().filter(|greeting| !greeting.ok()).count();
    let token = data_home().join("admin.token");
    print::say(&format!(
        "\n{} languages greeted, {failed} failed, {} unavailable\nThe server listens at {} too; sign in with the token in {}. Ctrl-C stops it.\n",
        greetings.len() - failed,
        missing.len(),
        client.endpoint(),
        token.display()
    ))
}

fn as_json(greetings: &[Greeting], missing: &[&LanguageView]) -> serde_json::Value {
    let greeted: Vec<_> = greetings
        .iter()
        .map(|greeting| {
            json!({
                "language": greeting.language.id,
                "version": greeting.language.version,
                "ok": greeting.ok(),
                "result": greeting.result.as_ref().ok(),
                "error": greeting.result.as_ref().err().map(ToString::to_string),
            })
        })
        .collect();
    json!({ "greeted": greeted, "unavailable": missing })
}
