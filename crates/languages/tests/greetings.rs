//! Every recipe's batch prints its greeting, outside any sandbox but with the environment of one.
//!
//! A language that is not installed is named on stdout; with MADANG_REQUIRE_LANGUAGES=1 its absence is a failure.

#![allow(clippy::unwrap_used, reason = "all of it is test code, also what no test attribute marks")]

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use madang_languages::{Recipe, check, embedded, extract_to, plan_batch};
use madang_model::Steps;

#[test]
fn every_installed_language_greets() {
    let required = std::env::var_os("MADANG_REQUIRE_LANGUAGES").is_some_and(|value| value == "1");
    let mut greeted = 0;
    for recipe in embedded().unwrap() {
        match check(&recipe, Path::new("/")) {
            madang_languages::Availability { unavailable: Some(why), .. } => {
                // No package of Debian 12 brings Julia.
                assert!(!required || recipe.id == "julia", "{}: {why}", recipe.id);
                println!("{}: not tried, {why}", recipe.id);
            }
            madang_languages::Availability { version, .. } => {
                assert!(version.is_some(), "{} tells no version", recipe.id);
                greet(&recipe);
                greeted += 1;
            }
        }
    }
    assert!(greeted > 0, "no language is installed");
}

fn greet(recipe: &Recipe) {
    let home = tempfile::tempdir().unwrap();
    let extracted = extract_to(home.path()).unwrap();
    let work = home.path().join("work");
    fs::create_dir(&work).unwrap();
    fs::write(work.join(&recipe.main), &recipe.greeting).unwrap();
    let plan = plan_batch(recipe, &[&recipe.main], &Steps::default(), None);
    for step in [plan.steps.clean, plan.steps.build].into_iter().flatten() {
        let output = run(recipe, &step, &work, &extracted);
        assert!(output.status.success(), "{}: {step}: {output:?}", recipe.id);
    }
    let output = run(recipe, &plan.steps.exec.unwrap(), &work, &extracted);
    assert_eq!(String::from_utf8_lossy(&output.stdout), format!("Hello from {}\n", recipe.name), "{output:?}");
    assert!(output.status.success() && output.stderr.is_empty(), "{}: {output:?}", recipe.id);
}

fn run(recipe: &Recipe, command: &str, work: &Path, extracted: &Path) -> Output {
    Command::new("/bin/sh")
        .args(["-c", &command.replace("/opt/madang/languages", extracted.to_str().unwrap()), "sh"])
        .env_clear()
        .envs([("PATH", "/usr/local/bin:/usr/bin:/bin"), ("LANG", "C.UTF-8"), ("TMPDIR", "/tmp"), ("USER", "work")])
        .env("HOME", work)
        .env("MAIN", &recipe.main)
        .env("MADANG_MEMORY_BYTES", recipe.limits().memory_bytes.to_string())
        .envs(&recipe.env)
        .current_dir(work)
        .output()
        .unwrap()
}
