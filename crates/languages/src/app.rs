//! App recipes: services that a session can open, as data in `apps/*.toml`.

use std::collections::BTreeMap;
use std::path::Path;

use madang_model::{AppPrefix, AppProtocol};
use serde::Deserialize;

use crate::availability::exists_in;
use crate::load::{LoadError, Problem};
use crate::recipe::{is_plain_absolute, is_variable, starts_absolute};

/// Everything Madang knows about an app.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AppRecipe {
    /// What requests call it; also the name of its file.
    pub name: String,
    /// What people call it.
    pub title: String,
    /// Files that must exist in the image for the app to be available.
    pub requires: Vec<String>,
    /// What brings them, for a person.
    pub install: String,
    /// Directories outside `/usr` and `/etc` that the host image must show, read-only.
    #[serde(default)]
    pub paths: Vec<String>,
    /// Entries of `/etc` it needs beyond the common ones.
    #[serde(default)]
    pub etc: Vec<String>,
    /// Its command line. `{port}` is where it must listen, on the loopback; `{prefix}` what stands before its paths, `/apps/ID`, or nothing
    /// where that is stripped; `{home}` the work directory.
    pub argv: Vec<String>,
    #[serde(default)]
    pub env: BTreeMap<String, String>,
    #[serde(default)]
    pub protocol: AppProtocol,
    #[serde(default)]
    pub prefix: AppPrefix,
    /// Where a browser is to begin, beneath the prefix.
    #[serde(default)]
    pub path: String,
    /// A path beneath the prefix that is answered once the app is ready; none if it is as soon as it takes connections.
    pub ready: Option<String>,
    /// What it needs beside the programs of a session.
    pub memory_bytes: u64,
    /// Worth keeping started in a pool.
    #[serde(default)]
    pub warm: bool,
}

/// What placeholders stand for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AppPlace {
    pub port: u16,
    /// `/apps/ID`.
    pub prefix: String,
    pub home: String,
}

impl AppRecipe {
    /// What stands before its paths: empty where the app is not to know.
    pub fn prefix_in<'a>(&self, place: &'a AppPlace) -> &'a str {
        if self.prefix == AppPrefix::Keep { &place.prefix } else { "" }
    }

    /// Its command line there, and what a request adds.
    pub fn command(&self, place: &AppPlace, arguments: &[String]) -> Vec<String> {
        self.argv.iter().map(|word| self.fill(word, place)).chain(arguments.iter().cloned()).collect()
    }

    /// Its environment there.
    pub fn environment(&self, place: &AppPlace) -> BTreeMap<String, String> {
        self.env.iter().map(|(key, value)| (key.clone(), self.fill(value, place))).collect()
    }

    fn fill(&self, word: &str, place: &AppPlace) -> String {
        let port = place.port.to_string();
        word.replace("{port}", &port).replace("{prefix}", self.prefix_in(place)).replace("{home}", &place.home)
    }

    /// Why it cannot be started where `has` says which files there are; none if it can.
    pub fn lacks(&self, has: impl Fn(&str) -> bool) -> Option<String> {
        let missing: Vec<&str> = self.requires.iter().map(String::as_str).filter(|path| !has(path)).collect();
        (!missing.is_empty()).then(|| format!("{} not found ({})", missing.join(", "), self.install))
    }

    /// [`AppRecipe::lacks`] of what is below `root`.
    pub fn lacks_in(&self, root: &Path) -> Option<String> {
        self.lacks(|path| exists_in(root, Path::new(path)))
    }

    /// Every broken rule as (key, what is wrong).
    fn problems(&self, stem: &str) -> Vec<(&'static str, String)> {
        let mut found = Vec::new();
        let mut refuse = |broken: bool, key: &'static str, why: String| {
            if broken {
                found.push((key, why));
            }
        };
        refuse(!is_name(&self.name), "name", format!("{:?} is not of a-z, 0-9 and -, a letter first", self.name));
        refuse(self.name != stem, "name", format!("{:?} differs from the file's name {stem:?}", self.name));
        refuse(self.title.trim().is_empty(), "title", "is empty".to_owned());
        refuse(self.requires.is_empty(), "requires", "must name what the app cannot do without".to_owned());
        for path in self.requires.iter().chain(&self.paths) {
            refuse(!is_plain_absolute(path), "requires, paths", format!("{path:?} is not a plain absolute path"));
        }
        refuse(!starts_absolute(&self.argv), "argv", "must start with an absolute path".to_owned());
        let has_port = self.argv.iter().chain(self.env.values()).any(|word| word.contains("{port}"));
        refuse(!has_port, "argv, env", "must tell the app its {port}".to_owned());
        for key in self.env.keys() {
            refuse(!is_variable(key), "env", format!("{key:?} is not a variable's name"));
        }
        for path in self.ready.iter().chain([&self.path]) {
            refuse(!is_url_path(path), "path, ready", format!("{path:?} is not a path beneath the prefix"));
        }
        refuse(
            self.protocol == AppProtocol::Tcp && (self.ready.is_some() || !self.path.is_empty()),
            "path, ready",
            "only what speaks HTTP has paths".to_owned(),
        );
        refuse(self.memory_bytes == 0, "memory_bytes", "must say what the app needs".to_owned());
        found
    }
}

/// App recipes from (file name, text) pairs, by name; all problems of all files or none.
pub(crate) fn parse_apps<'a>(texts: impl IntoIterator<Item = (&'a str, &'a str)>) -> Result<Vec<AppRecipe>, LoadError> {
    let (mut problems, mut recipes) = (Vec::new(), Vec::new());
    for (file, text) in texts {
        let problem = |key: &str, why: String| Problem { file: file.to_owned(), key: key.to_owned(), why };
        match toml::from_str::<AppRecipe>(text) {
            Ok(recipe) => {
                let broken = recipe.problems(file.strip_suffix(".toml").unwrap_or(file));
                problems.extend(broken.into_iter().map(|(key, why)| problem(key, why)));
                recipes.push(recipe);
            }
            Err(error) => problems.push(problem("", error.to_string().trim_end().to_owned())),
        }
    }
    recipes.sort_by(|a, b| a.name.cmp(&b.name));
    if problems.is_empty() { Ok(recipes) } else { Err(LoadError::Recipes(problems)) }
}

fn is_name(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_lowercase())
        && text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
}

fn is_url_path(path: &str) -> bool {
    !path.starts_with('/') && path.chars().all(|c| c.is_ascii_alphanumeric() || "/._-?=&%".contains(c))
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"
        name = "toy"
        title = "Toy"
        requires = ["/usr/bin/toy"]
        install = "Debian: toy"
        argv = ["/usr/bin/toy", "--port={port}", "--base={prefix}/", "--root={home}"]
        prefix = "keep"
        ready = "api"
        memory_bytes = 1048576
    "#;

    fn place() -> AppPlace {
        AppPlace { port: 7, prefix: "/apps/app_x".to_owned(), home: "/home/work".to_owned() }
    }

    #[test]
    fn placeholders_are_filled() {
        let recipe = parse_apps([("toy.toml", GOOD)]).unwrap().remove(0);
        let command = recipe.command(&place(), &["--more".to_owned()]);
        assert_eq!(command, ["/usr/bin/toy", "--port=7", "--base=/apps/app_x/", "--root=/home/work", "--more"]);
        let stripped = GOOD.replace("\"keep\"", "\"strip\"");
        let recipe = parse_apps([("toy.toml", stripped.as_str())]).unwrap().remove(0);
        assert_eq!(recipe.command(&place(), &[])[2], "--base=/");
    }

    #[test]
    fn every_broken_rule_is_said() {
        let bad = GOOD.replace("{port}", "80").replace("\"api\"", "\"/api\"").replace("1048576", "0");
        let Err(LoadError::Recipes(problems)) = parse_apps([("toy.toml", bad.as_str()), ("other.toml", GOOD)]) else {
            panic!("it is taken")
        };
        let keys: Vec<&str> = problems.iter().map(|problem| problem.key.as_str()).collect();
        assert_eq!(keys, ["argv, env", "path, ready", "memory_bytes", "name"]);
    }

    #[test]
    fn every_app_of_this_binary_is_good_and_its_files_are_there() {
        let recipes = crate::embedded_apps().unwrap_or_else(|error| panic!("{error}"));
        assert!(recipes.iter().any(|recipe| recipe.name == "jupyterlab"));
        for word in recipes.iter().flat_map(|recipe| recipe.argv.iter().chain(recipe.env.values())) {
            for path in word.split(['=', ':']).filter(|path| path.starts_with("/opt/madang/languages/")) {
                assert!(crate::embedded::has(path.trim_start_matches("/opt/madang/languages/")), "{path} is not there");
            }
        }
    }
}
