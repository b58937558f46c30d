//! Chores of the workspace. Called by `make tidy` and by the tests' gate; it reads the sources and never changes them.
//!
//! `cargo run -p xtask -- tidy` checks the conventions that matter and that no lint of the compiler covers. Start at [`tidy::run`].

mod arrows;
mod dependencies;
mod licences;
mod sources;
mod tidy;
mod workspace;

use std::{env, path::Path, process::ExitCode};

fn main() -> ExitCode {
    match env::args().nth(1).as_deref() {
        Some("tidy") => tidy::run(Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap_or(Path::new("."))),
        _ => {
            eprintln!("usage: cargo run -p xtask -- tidy");
            ExitCode::from(2)
        }
    }
}
