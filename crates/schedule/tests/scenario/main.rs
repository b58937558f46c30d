//! Scripts and what the scheduler says to them: `tests/scenarios/NAME.txt` and its golden transcript `NAME.out`.
//! `MADANG_UPDATE=1` writes the transcripts anew.

#![allow(clippy::unwrap_used, reason = "tests may; the lint knows only functions marked as tests")]

mod stage;

use std::{fs, path::Path};

#[test]
fn scenarios_go_as_written() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scenarios");
    let scripts = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut scripts: Vec<_> = scripts.filter(|path| path.extension().is_some_and(|end| end == "txt")).collect();
    scripts.sort();
    assert!(scripts.len() >= 8, "{scripts:?}");
    let mut wrong = Vec::new();
    for script in scripts {
        let transcript = stage::play(&fs::read_to_string(&script).unwrap());
        let golden = script.with_extension("out");
        if std::env::var_os("MADANG_UPDATE").is_some() {
            fs::write(&golden, &transcript).unwrap();
        }
        let written = fs::read_to_string(&golden).unwrap_or_default();
        if written != transcript {
            wrong.push(format!("{}:\n{transcript}", golden.display()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
