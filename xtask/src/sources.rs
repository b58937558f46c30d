//! What the source files themselves must keep: sizes, crate docs, names, where `unsafe` may stand.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use crate::tidy::Violations;

/// A file longer than this is two files.
const LINES_MAX: usize = 500;
/// Longer files, each with its reason.
const LONG_FILES: &[(&str, &str)] = &[];
/// Names that say nothing about what is inside.
const BANNED_NAMES: &[&str] =
    &["util", "utils", "common", "helper", "helpers", "misc", "manager", "data", "info", "base", "core"];
/// The only rooms that may talk to the kernel behind the compiler's back.
const UNSAFE_ROOMS: &[&str] = &["crates/sandbox/", "crates/slot/"];
/// Folders that hold nothing of ours.
const SKIPPED: &[&str] = &["target", "node_modules", "artifacts", "corpus"];

/// One source file: its path from the root, its text.
#[derive(Debug)]
pub struct Source {
    pub path: String,
    pub text: String,
}

/// Every Rust file below `root`.
pub fn read(root: &Path) -> io::Result<Vec<Source>> {
    let mut found = Vec::new();
    let mut folders: Vec<PathBuf> = vec![root.join("crates"), root.join("xtask")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder)? {
            let entry = entry?;
            let path = entry.path();
            let name = entry.file_name();
            if entry.file_type()?.is_dir() {
                if !SKIPPED.iter().any(|skipped| name == *skipped) {
                    folders.push(path);
                }
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let short = path.strip_prefix(root).unwrap_or(&path).display().to_string();
                found.push(Source { path: short, text: fs::read_to_string(&path)? });
            }
        }
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(found)
}

pub fn check(files: &[Source]) -> Violations {
    let mut violations = Violations::new();
    for file in files {
        violations.extend(length(file));
        violations.extend(name(file));
        violations.extend(docs(file));
        violations.extend(unsafety(file));
    }
    violations.extend(stale_exceptions(files));
    violations
}

fn length(file: &Source) -> Option<String> {
    let lines = file.text.lines().count();
    let excused = LONG_FILES.iter().any(|(path, _)| *path == file.path);
    (lines > LINES_MAX && !excused)
        .then(|| format!("{}: {lines} lines, at most {LINES_MAX}; split it by subject", file.path))
}

fn name(file: &Source) -> Option<String> {
    let path = Path::new(&file.path);
    let pieces = path.iter().filter_map(|piece| piece.to_str());
    let stems = pieces.map(|piece| piece.strip_suffix(".rs").unwrap_or(piece));
    let banned: Vec<&str> = stems.filter(|stem| BANNED_NAMES.contains(stem)).collect();
    (!banned.is_empty())
        .then(|| format!("{}: `{}` says nothing; name it after what is in it", file.path, banned.join("`, `")))
}

/// The first file of a crate says what the crate is for.
fn docs(file: &Source) -> Option<String> {
    let root = file.path.ends_with("/src/lib.rs") || file.path.ends_with("/src/main.rs");
    (root && !file.text.starts_with("//!")).then(|| format!("{}: starts with no crate docs (`//!`)", file.path))
}

fn unsafety(file: &Source) -> Option<String> {
    if UNSAFE_ROOMS.iter().any(|room| file.path.starts_with(room)) {
        return None;
    }
    let line = file.text.lines().position(|line| {
        let code = line.split("//").next().unwrap_or_default();
        ["unsafe {", "unsafe fn", "unsafe impl", "unsafe extern", "unsafe(", "unsafe trait"].iter().any(|form| {
            code.find(form).is_some_and(|at| {
                !code[..at].contains('"') && !code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_')
            })
        })
    })?;
    Some(format!("{}:{}: `unsafe` belongs in sandbox and slot only", file.path, line + 1))
}

fn stale_exceptions(files: &[Source]) -> Violations {
    let stale = LONG_FILES
        .iter()
        .filter(|(path, _)| !files.iter().any(|file| file.path == *path && file.text.lines().count() > LINES_MAX));
    stale.map(|(path, _)| format!("xtask/src/sources.rs: {path} needs no exception any more")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_one(path: &str, text: &str) -> Violations {
        check(&[Source { path: path.to_owned(), text: text.to_owned() }])
    }

    #[test]
    fn a_good_file_passes() {
        assert_eq!(check_one("crates/a/src/lib.rs", "//! What it is.\nfn f() {}\n"), Violations::new());
        assert_eq!(check_one("crates/sandbox/src/clone.rs", "unsafe { clone() }\n"), Violations::new());
    }

    #[test]
    fn each_rule_bites() {
        assert_eq!(check_one("crates/a/src/b.rs", &"\n".repeat(LINES_MAX + 1)).len(), 1);
        assert_eq!(check_one("crates/a/src/helpers.rs", "").len(), 1);
        assert_eq!(check_one("crates/a/src/util/b.rs", "").len(), 1);
        assert_eq!(check_one("crates/a/src/lib.rs", "fn f() {}").len(), 1);
        assert_eq!(check_one("crates/a/src/b.rs", "fn f() { unsafe { g() } }").len(), 1);
    }

    #[test]
    fn reading_finds_this_file() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        assert!(read(root).unwrap().iter().any(|file| file.path == "xtask/src/sources.rs"));
    }
}
