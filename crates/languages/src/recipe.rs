//! One recipe, and the rules it must keep.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path};

use madang_model::{Limits, LimitsAsked};
use serde::Deserialize;

/// Everything Madang knows about a language.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recipe {
    /// What requests call it; also the name of its file.
    pub id: String,
    /// What people call it.
    pub name: String,
    /// Endings of its source files, without the dot.
    pub extensions: Vec<String>,
    /// What a single `code` string is called as a file.
    pub main: String,
    /// A whole program that prints `Hello from NAME` and a line end.
    pub greeting: String,
    /// A command that prints the version.
    pub version: Vec<String>,
    /// Files that must exist in the image for the language to be available.
    pub requires: Vec<String>,
    /// Debian packages that bring it.
    pub packages: Vec<String>,
    /// Directories outside `/usr` and `/etc` that the host image must show, read-only.
    #[serde(default)]
    pub paths: Vec<String>,
    /// Entries of `/etc` it needs beyond the common ones.
    #[serde(default)]
    pub etc: Vec<String>,
    /// Environment of every program of this language.
    #[serde(default)]
    pub env: BTreeMap<String, String>,
    /// Bounds where the general defaults do not do. See [`Recipe::limits`].
    #[serde(default, rename = "limits")]
    pub limits_asked: LimitsAsked,
    /// Its console; none where it can only be run in batches.
    pub driver: Option<Driver>,
    pub batch: Batch,
    /// What tells an editor about its texts; none where nothing does.
    pub service: Option<Service>,
}

/// A language server, which speaks the Language Server Protocol over its standard streams.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Service {
    /// What people call it.
    pub name: String,
    /// Without its first word in the image there is none.
    pub argv: Vec<String>,
    /// Debian packages that bring it; none where Debian has none.
    pub packages: Vec<String>,
    /// Its environment, on top of the language's.
    #[serde(default)]
    pub env: BTreeMap<String, String>,
}

/// The program that keeps state between queries.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Driver {
    pub argv: Vec<String>,
    /// The requests it answers besides `env`.
    pub modes: BTreeSet<Mode>,
    /// Worth keeping started in the pool.
    pub warm: bool,
}

/// A request a driver answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// Code in the persistent state.
    Exec,
    /// A file as the main program, in the interpreter that already runs.
    Script,
    /// Candidates for a word.
    Complete,
}

/// Shell commands of a batch, run by `/bin/sh -c` in `/home/work` with `$MAIN` set.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Batch {
    pub clean: Option<String>,
    pub build: Option<String>,
    pub exec: String,
}

impl Recipe {
    /// The bounds of a run in this language when nobody asks for others.
    pub fn limits(&self) -> Limits {
        self.limits_asked.or(Limits::default())
    }

    /// Whether its driver answers `mode`.
    pub fn answers(&self, mode: Mode) -> bool {
        self.driver.as_ref().is_some_and(|driver| driver.modes.contains(&mode))
    }

    /// Every broken rule as (key, what is wrong).
    pub(crate) fn problems(&self, stem: &str) -> Vec<(&'static str, String)> {
        let mut found = Vec::new();
        let mut refuse = |broken: bool, key: &'static str, why: String| {
            if broken {
                found.push((key, why));
            }
        };
        refuse(!is_id(&self.id), "id", format!("{:?} is not of a-z and 0-9, a letter first", self.id));
        refuse(self.id != stem, "id", format!("{:?} differs from the file's name {stem:?}", self.id));
        refuse(self.name.trim().is_empty(), "name", "is empty".to_owned());
        refuse(self.extensions.is_empty(), "extensions", "are missing".to_owned());
        for ending in &self.extensions {
            refuse(
                ending.is_empty() || ending.contains(['.', '/']),
                "extensions",
                format!("{ending:?} is not an ending without its dot"),
            );
        }
        refuse(
            self.main.contains('/') || !self.owns(&self.main),
            "main",
            format!("{:?} is not a file name with one of the extensions", self.main),
        );
        refuse(self.greeting.trim().is_empty(), "greeting", "is empty".to_owned());
        refuse(!starts_absolute(&self.version), "version", "must start with an absolute path".to_owned());
        refuse(self.requires.is_empty(), "requires", "must name what the language cannot do without".to_owned());
        for path in self.requires.iter().chain(&self.paths) {
            refuse(!is_plain_absolute(path), "requires, paths", format!("{path:?} is not a plain absolute path"));
        }
        for path in &self.paths {
            refuse(
                path.starts_with("/usr") || path.starts_with("/etc"),
                "paths",
                format!("{path:?} is shown by every image already"),
            );
        }
        for entry in &self.etc {
            refuse(!is_plain_name(entry), "etc", format!("{entry:?} is not the name of an entry of /etc"));
        }
        for key in self.env.keys() {
            refuse(!is_variable(key), "env", format!("{key:?} is not a variable's name"));
        }
        refuse(self.batch.exec.trim().is_empty(), "batch.exec", "is empty".to_owned());
        if let Some(driver) = &self.driver {
            refuse(!starts_absolute(&driver.argv), "driver.argv", "must start with an absolute path".to_owned());
            refuse(!driver.modes.contains(&Mode::Exec), "driver.modes", "must contain \"exec\"".to_owned());
        }
        if let Some(service) = &self.service {
            refuse(service.name.trim().is_empty(), "service.name", "is empty".to_owned());
            refuse(!starts_absolute(&service.argv), "service.argv", "must start with an absolute path".to_owned());
            for key in service.env.keys() {
                refuse(!is_variable(key), "service.env", format!("{key:?} is not a variable's name"));
            }
        }
        found
    }

    /// Whether a file is one of its sources, by the ending of its name.
    pub fn owns(&self, file: &str) -> bool {
        let ending = Path::new(file).extension().and_then(|ending| ending.to_str());
        ending.is_some_and(|ending| self.extensions.iter().any(|own| own == ending))
    }
}

fn is_id(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_lowercase())
        && text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit())
}

pub(crate) fn is_variable(text: &str) -> bool {
    !text.starts_with(|c: char| c.is_ascii_digit())
        && !text.is_empty()
        && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

pub(crate) fn starts_absolute(argv: &[String]) -> bool {
    argv.first().is_some_and(|program| is_plain_absolute(program))
}

pub(crate) fn is_plain_absolute(path: &str) -> bool {
    let path = Path::new(path);
    path.is_absolute()
        && path.components().skip(1).count() > 0
        && path.components().skip(1).all(|part| matches!(part, Component::Normal(_)))
}

fn is_plain_name(text: &str) -> bool {
    !text.contains('/') && matches!(Path::new(text).components().next(), Some(Component::Normal(_)))
}
