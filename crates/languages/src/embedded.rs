//! The recipes and drivers that are part of this binary.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::{fs, io, process};

use sha2::{Digest, Sha256};

use crate::Recipe;
use crate::app::{AppRecipe, parse_apps};
use crate::load::{LoadError, parse_all};

/// Path below `languages/`, or below the root for those of `apps/`, and content.
const FILES: &[(&str, &[u8])] = include!(concat!(env!("OUT_DIR"), "/files.rs"));

/// Enough of the hash that two versions never share a directory.
const HASH_DIGITS: usize = 16;

/// The recipes of this binary.
pub fn embedded() -> Result<Vec<Recipe>, LoadError> {
    let recipes = FILES.iter().filter(|(name, _)| !name.contains('/') && name.ends_with(".toml"));
    parse_all(recipes.map(|(name, content)| (*name, std::str::from_utf8(content).unwrap_or_default())))
}

/// The app recipes of this binary.
pub fn embedded_apps() -> Result<Vec<AppRecipe>, LoadError> {
    let below = FILES.iter().filter_map(|(name, content)| Some((name.strip_prefix("apps/")?, content)));
    let recipes = below.filter(|(name, _)| !name.contains('/') && name.ends_with(".toml"));
    parse_apps(recipes.map(|(name, content)| (name, std::str::from_utf8(content).unwrap_or_default())))
}

/// Whether a file of this name is part of this binary.
#[cfg(test)]
pub(crate) fn has(name: &str) -> bool {
    FILES.iter().any(|(file, _)| *file == name)
}

/// Puts the files of this binary below `dir` and answers where: a directory named by their content, so that an upgrade
/// never changes files under running sandboxes. It appears whole or not at all; one that is there already is used.
pub fn extract_to(dir: &Path) -> io::Result<PathBuf> {
    let home = dir.join(format!("languages-{}", content_hash()));
    if home.is_dir() {
        return Ok(home);
    }
    let draft = dir.join(format!(".languages-{}.{}", content_hash(), process::id()));
    for (name, content) in FILES {
        let path = draft.join(name);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent)?;
            fs::set_permissions(parent, fs::Permissions::from_mode(0o755))?;
        }
        fs::write(&path, content)?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o444))?;
    }
    fs::set_permissions(&draft, fs::Permissions::from_mode(0o755))?;
    match fs::rename(&draft, &home) {
        Ok(()) => Ok(home),
        // Somebody else was quicker with the same content.
        Err(_) if home.is_dir() => fs::remove_dir_all(&draft).map(|()| home),
        Err(error) => Err(error),
    }
}

fn content_hash() -> String {
    let mut hash = Sha256::new();
    for (name, content) in FILES {
        hash.update(name.len().to_le_bytes());
        hash.update(name);
        hash.update(content.len().to_le_bytes());
        hash.update(content);
    }
    let digits: String = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    digits[..HASH_DIGITS].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_recipe_of_this_binary_is_good() {
        let recipes = embedded().unwrap_or_else(|error| panic!("{error}"));
        let files = FILES.iter().filter(|(name, _)| name.ends_with(".toml") && !name.starts_with("apps/"));
        assert_eq!(recipes.len(), files.count());
    }

    #[test]
    fn drivers_and_helpers_named_by_recipes_are_embedded() {
        for recipe in embedded().unwrap() {
            let driver = recipe.driver.iter().flat_map(|driver| driver.argv.iter().map(String::as_str));
            let build = recipe.batch.build.as_deref().unwrap_or_default();
            for word in driver.chain(build.split(' ')).chain(recipe.batch.exec.split(' ')) {
                if let Some(name) = word.strip_prefix("/opt/madang/languages/") {
                    assert!(FILES.iter().any(|(file, _)| *file == name), "{}: {name} is not there", recipe.id);
                }
            }
        }
    }

    #[test]
    fn extraction_is_whole_and_repeatable() {
        let dir = tempfile::tempdir().unwrap();
        let home = extract_to(dir.path()).unwrap();
        assert_eq!(extract_to(dir.path()).unwrap(), home);
        for (name, content) in FILES {
            assert_eq!(fs::read(home.join(name)).unwrap(), *content);
            assert_eq!(fs::metadata(home.join(name)).unwrap().permissions().mode() & 0o777, 0o444);
        }
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }
}
