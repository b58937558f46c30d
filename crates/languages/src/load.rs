//! From files to recipes, with every problem in one report.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::{fmt, fs, io};

use crate::Recipe;

/// Something wrong in a recipe file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    pub file: String,
    /// Dotted key; empty where the text is no TOML or lacks a key.
    pub key: String,
    pub why: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let separator = if self.key.is_empty() { "" } else { ": " };
        write!(f, "{}{separator}{}: {}", self.file, self.key, self.why)
    }
}

/// Why recipes cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    #[error("reading recipes from {}", path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("recipes with problems:\n{}", .0.iter().map(Problem::to_string).collect::<Vec<_>>().join("\n"))]
    Recipes(Vec<Problem>),
}

/// The recipes in the `*.toml` files of a directory, by id.
pub fn load_dir(dir: &Path) -> Result<Vec<Recipe>, LoadError> {
    let failed = |source| LoadError::Read { path: dir.to_owned(), source };
    let mut texts = Vec::new();
    for entry in fs::read_dir(dir).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if name.ends_with(".toml") {
            let text = fs::read_to_string(&path).map_err(|source| LoadError::Read { path: path.clone(), source })?;
            texts.push((name.to_owned(), text));
        }
    }
    parse_all(texts.iter().map(|(name, text)| (name.as_str(), text.as_str())))
}

/// Recipes from (file name, text) pairs, by id; all problems of all files or none.
pub(crate) fn parse_all<'a>(texts: impl IntoIterator<Item = (&'a str, &'a str)>) -> Result<Vec<Recipe>, LoadError> {
    let mut problems = Vec::new();
    let mut recipes = Vec::new();
    for (file, text) in texts {
        let stem = file.strip_suffix(".toml").unwrap_or(file);
        match toml::from_str::<Recipe>(text) {
            Ok(recipe) => {
                let broken = recipe.problems(stem).into_iter();
                problems.extend(broken.map(|(key, why)| Problem { file: file.to_owned(), key: key.to_owned(), why }));
                recipes.push(recipe);
            }
            Err(error) => problems.push(Problem {
                file: file.to_owned(),
                key: String::new(),
                why: error.to_string().trim_end().to_owned(),
            }),
        }
    }
    recipes.sort_by(|a, b| a.id.cmp(&b.id));
    problems.extend(clashes(&recipes));
    if problems.is_empty() { Ok(recipes) } else { Err(LoadError::Recipes(problems)) }
}

/// Two languages must not claim the same ending: a file alone would not say which it is.
fn clashes(recipes: &[Recipe]) -> Vec<Problem> {
    let mut owners: BTreeMap<&str, &str> = BTreeMap::new();
    let mut problems = Vec::new();
    for recipe in recipes {
        for ending in &recipe.extensions {
            if let Some(owner) = owners.insert(ending, &recipe.id) {
                let why = format!("{ending:?} belongs to {owner:?} already");
                problems.push(Problem { file: format!("{}.toml", recipe.id), key: "extensions".to_owned(), why });
            }
        }
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"
        id = "toy"
        name = "Toy"
        extensions = ["toy"]
        main = "main.toy"
        greeting = "hello"
        version = ["/usr/bin/toy", "-v"]
        requires = ["/usr/bin/toy"]
        packages = ["toy"]
        [limits]
        pids = 9
        [service]
        name = "toyls"
        argv = ["/usr/bin/toyls"]
        packages = []
        env = { TOY = "1" }
        [batch]
        exec = 'exec toy "$MAIN"'
    "#;

    fn problems(texts: &[(&str, &str)]) -> Vec<String> {
        match parse_all(texts.iter().copied()) {
            Err(LoadError::Recipes(problems)) => problems.iter().map(Problem::to_string).collect(),
            other => panic!("expected problems, got {other:?}"),
        }
    }

    #[test]
    fn limits_complete_the_defaults() {
        let recipes = parse_all([("toy.toml", GOOD)]).unwrap();
        assert_eq!(recipes[0].limits(), madang_model::Limits { pids: 9, ..madang_model::Limits::default() });
    }

    #[test]
    fn every_problem_is_reported_with_file_and_key() {
        let bad = GOOD.replace("main.toy", "../main.txt").replace("/usr/bin/toy\"]", "bin/../toy\"]");
        let unknown = GOOD.replace("packages", "packagse");
        let found = problems(&[("toy.toml", &bad), ("odd.toml", &unknown)]);
        assert!(found.iter().any(|line| line.starts_with("toy.toml: main: ")), "{found:?}");
        assert!(found.iter().any(|line| line.starts_with("toy.toml: requires, paths: ")), "{found:?}");
        assert!(found.iter().any(|line| line.starts_with("odd.toml: ") && line.contains("packagse")), "{found:?}");
    }

    #[test]
    fn unknown_limits_are_refused() {
        let found = problems(&[("toy.toml", &GOOD.replace("pids", "pidz"))]);
        assert!(found[0].contains("pidz"), "{found:?}");
    }

    #[test]
    fn a_language_server_is_named_as_programs_are() {
        let bad =
            GOOD.replace("/usr/bin/toyls", "toyls").replace("TOY =", "\"T OY\" =").replace("\"toyls\"\n", "\" \"\n");
        let found = problems(&[("toy.toml", &bad)]);
        for key in ["service.name", "service.argv", "service.env"] {
            assert!(found.iter().any(|line| line.starts_with(&format!("toy.toml: {key}: "))), "{key} in {found:?}");
        }
    }

    #[test]
    fn an_ending_has_one_owner() {
        let twin = GOOD.replace("id = \"toy\"", "id = \"twin\"");
        assert_eq!(
            problems(&[("toy.toml", GOOD), ("twin.toml", &twin)]),
            ["twin.toml: extensions: \"toy\" belongs to \"toy\" already"]
        );
    }

    proptest::proptest! {
        #[test]
        fn no_text_panics(text in ".{0,400}") {
            let _ = parse_all([("any.toml", text.as_str())]);
        }
    }
}
