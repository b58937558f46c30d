//! What a recipe of an image says: a small TOML, read whole before anything is done.

use std::{
    collections::BTreeMap,
    fmt::Display,
    path::{Component, Path, PathBuf},
    str::FromStr,
};

use madang_ids::{ByteSize, Millis};
use madang_public_api::{NetworkAsked, Resources, SessionCreate};
use serde::{Deserialize, Deserializer, de::Error as _};

use crate::exit::Failure;

/// A step may take so long where the recipe says nothing.
const STEP_MS: u64 = 10 * 60_000;
/// A build that nobody goes on with is over after that.
const IDLE_MS: u64 = 5 * 60_000;
pub const STEPS_MAX: usize = 100;

/// A base, files, commands, a name.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recipe {
    /// What the image is called.
    pub name: String,
    /// What it is made over; this machine's own software where left out.
    base: Option<String>,
    language: Option<String>,
    /// While it is built: `"internet"`, `{allow = ["pypi.org"]}`; nothing where left out.
    network: Option<NetworkAsked>,
    cpu: Option<f64>,
    memory: Option<Text<ByteSize>>,
    disk: Option<Text<ByteSize>>,
    pids: Option<u64>,
    #[serde(default)]
    env: BTreeMap<String, String>,
    #[serde(default)]
    pub allow_secrets: bool,
    #[serde(default, rename = "file")]
    pub files: Vec<RecipeFile>,
    #[serde(default, rename = "step")]
    pub steps: Vec<RecipeStep>,
}

/// What is put into the work directory before the first step.
#[derive(Debug, Deserialize)]
#[serde(try_from = "RawFile")]
pub struct RecipeFile {
    /// Below the work directory.
    pub to: String,
    pub content: Content,
}

#[derive(Debug)]
pub enum Content {
    /// A file beside the recipe or below.
    From(PathBuf),
    Text(String),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawFile {
    to: String,
    from: Option<PathBuf>,
    text: Option<String>,
}

impl TryFrom<RawFile> for RecipeFile {
    type Error = String;

    /// A recipe that somebody else wrote reads what is beside it and nothing else of whoever builds it.
    fn try_from(raw: RawFile) -> Result<Self, String> {
        let beneath = |part| matches!(part, Component::Normal(_) | Component::CurDir);
        let content = match (raw.from, raw.text) {
            (Some(path), None) if path.components().all(beneath) => Content::From(path),
            (Some(path), None) => return Err(format!("`from = {path:?}` is not beside the recipe")),
            (None, Some(text)) => Content::Text(text),
            _ => return Err(format!("{:?} has either `from` or `text`", raw.to)),
        };
        Ok(Self { to: raw.to, content })
    }
}

/// A command of the shell in the work directory.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecipeStep {
    pub run: String,
    time: Option<Text<Millis>>,
}

impl RecipeStep {
    pub fn wall_ms(&self) -> u64 {
        self.time.as_ref().map_or(STEP_MS, |time| time.0.0)
    }
}

impl Recipe {
    pub fn read(path: &Path) -> Result<Recipe, Failure> {
        let wrong = |why: String| Failure::usage(format!("{}: {why}", path.display()));
        let text = std::fs::read_to_string(path).map_err(|error| wrong(error.to_string()))?;
        let recipe: Recipe = toml::from_str(&text).map_err(|error| wrong(error.to_string()))?;
        if recipe.steps.is_empty() && recipe.files.is_empty() {
            return Err(wrong("it has neither a `[[file]]` nor a `[[step]]`".to_owned()));
        }
        if recipe.steps.len() > STEPS_MAX {
            return Err(wrong(format!("it has more than {STEPS_MAX} steps")));
        }
        Ok(recipe)
    }

    /// Where it is built.
    pub fn session(&self) -> SessionCreate {
        SessionCreate {
            image: self.base.clone(),
            language: self.language.clone(),
            network: self.network.clone(),
            env: self.env.clone(),
            resources: Resources {
                cpu: self.cpu,
                memory_bytes: self.memory.as_ref().map(|size| size.0.0),
                disk_bytes: self.disk.as_ref().map(|size| size.0.0),
                pids: self.pids,
                ..Resources::default()
            },
            tags: BTreeMap::from([("image-build".to_owned(), self.name.clone())]),
            idle_timeout_ms: Some(IDLE_MS),
            ..SessionCreate::default()
        }
    }

    /// Of all its processors for as long as the step may take.
    pub fn cpu_ms(&self, wall_ms: u64) -> u64 {
        (wall_ms as f64 * self.cpu.unwrap_or(1.0).max(1.0)) as u64
    }
}

/// Written as text: `512MiB`, `10m`.
#[derive(Debug)]
struct Text<T>(T);

impl<'de, T: FromStr<Err: Display>> Deserialize<'de> for Text<T> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        text.parse().map(Self).map_err(|error: T::Err| D::Error::custom(format!("{text:?}: {error}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Recipe, String> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        Recipe::read(file.path()).map_err(|failure| failure.line)
    }

    #[test]
    fn a_recipe_says_where_it_is_built_and_how() {
        let recipe = read(
            "name = 'x'\nnetwork = {allow = ['pypi.org']}\nmemory = '1GiB'\ncpu = 2.0\n\
             [[file]]\nto = 'a'\ntext = 'b'\n[[step]]\nrun = 'true'\n[[step]]\nrun = 'make'\ntime = '1m'",
        )
        .unwrap();
        let session = recipe.session();
        assert_eq!((session.resources.memory_bytes, session.resources.cpu), (Some(1 << 30), Some(2.0)));
        assert!(matches!(session.network, Some(NetworkAsked::Allow(_))));
        let walls: Vec<u64> = recipe.steps.iter().map(RecipeStep::wall_ms).collect();
        assert_eq!((walls, recipe.cpu_ms(60_000)), (vec![STEP_MS, 60_000], 120_000));
    }

    #[test]
    fn what_makes_no_sense_is_refused_before_anything_is_done() {
        let file = "name = 'x'\n[[file]]\nto = 'a'\n";
        for (text, why) in [
            ("name = 'x'".to_owned(), "neither"),
            ("[[step]]\nrun = 'true'".to_owned(), "name"),
            ("name = 'x'\nextra = 1\n[[step]]\nrun = 'true'".to_owned(), "extra"),
            ("name = 'x'\nmemory = 'much'\n[[step]]\nrun = 'true'".to_owned(), "much"),
            (file.to_owned(), "either `from`"),
            (format!("{file}from = '/etc/passwd'"), "not beside"),
            (format!("{file}from = 'a/../../b'"), "not beside"),
            (format!("{file}text = 'a'\nother = 'b'"), "other"),
            ("name = 'x'\n".to_owned() + &"[[step]]\nrun = 'true'\n".repeat(STEPS_MAX + 1), "more than"),
        ] {
            let refused = read(&text).unwrap_err();
            assert!(refused.contains(why), "{text:?}: {refused}");
        }
    }
}
