//! Whether an image has what a language needs, and in which version.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::io::Read;
use std::os::unix::process::CommandExt;
use std::path::{Component, Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;
use std::{fs, thread};

use crate::{Recipe, Service};

/// A tool that takes longer to tell its version is broken.
const VERSION_WAIT_MAX: Duration = Duration::from_secs(20);
/// As much of its answer as is looked at.
const VERSION_BYTES_MAX: u64 = 64 << 10;
/// As many symbolic links as one path may lead through, like the kernel's own bound.
const LINKS_MAX: usize = 40;

/// What an image can do with a recipe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Availability {
    /// Known for the machine's own software only: nothing of another image is run to ask.
    pub version: Option<String>,
    /// Why it cannot be used; none where it can.
    pub unavailable: Option<String>,
    /// Why its language server cannot be used; none where it can, and where it has none.
    pub service_unavailable: Option<String>,
}

/// Looks whether `root` has what the recipe requires and, where `root` is `/`, asks for the version.
pub fn check(recipe: &Recipe, root: &Path) -> Availability {
    let (version, unavailable) = language(recipe, root);
    let service_unavailable = recipe.service.as_ref().and_then(|service| service_missing(service, root));
    Availability { version, unavailable, service_unavailable }
}

fn service_missing(service: &Service, root: &Path) -> Option<String> {
    let program = service.argv.first().filter(|program| !exists_in(root, Path::new(program)))?;
    Some(match service.packages.as_slice() {
        [] => format!("{program} not found"),
        packages => format!("{program} not found (Debian: {})", packages.join(", ")),
    })
}

/// Its version, and why it cannot be used.
fn language(recipe: &Recipe, root: &Path) -> (Option<String>, Option<String>) {
    let missing: Vec<&str> =
        recipe.requires.iter().filter(|path| !exists_in(root, Path::new(path))).map(String::as_str).collect();
    if !missing.is_empty() {
        let packages = recipe.packages.join(", ");
        let why = format!("{} not found (Debian: {packages})", missing.join(", "));
        return (None, Some(why));
    }
    if root != Path::new("/") {
        return (None, None);
    }
    match ask(&recipe.version) {
        Ok(said) => (version_in(&said), None),
        Err(why) => (None, Some(why)),
    }
}

/// [`check`] of many recipes at once, in their order.
pub fn check_all(recipes: &[Recipe], root: &Path) -> Vec<Availability> {
    thread::scope(|scope| {
        let checks: Vec<_> = recipes.iter().map(|recipe| scope.spawn(move || check(recipe, root))).collect();
        checks.into_iter().map(|check| check.join().expect("check does not panic")).collect()
    })
}

/// Follows symbolic links as a program inside `root` would.
pub(crate) fn exists_in(root: &Path, path: &Path) -> bool {
    let mut left: VecDeque<OsString> = parts(path);
    let mut inside = PathBuf::new();
    let mut links = 0;
    while let Some(part) = left.pop_front() {
        if part == ".." {
            inside.pop();
            continue;
        }
        let here = root.join(&inside).join(&part);
        match fs::read_link(&here) {
            Ok(target) => {
                links += 1;
                if links > LINKS_MAX {
                    return false;
                }
                if target.is_absolute() {
                    inside = PathBuf::new();
                }
                for part in parts(&target).into_iter().rev() {
                    left.push_front(part);
                }
            }
            Err(_) if here.symlink_metadata().is_ok() => inside.push(part),
            Err(_) => return false,
        }
    }
    true
}

fn parts(path: &Path) -> VecDeque<OsString> {
    let part = |part| match part {
        Component::Normal(name) => Some(name.to_owned()),
        Component::ParentDir => Some("..".into()),
        _ => None,
    };
    path.components().filter_map(part).collect()
}

/// What a command prints, standard output first.
fn ask(argv: &[String]) -> Result<String, String> {
    let [program, arguments @ ..] = argv else { return Err("no version command".to_owned()) };
    let mut child = Command::new(program)
        .args(arguments)
        .env_clear()
        .envs([("PATH", "/usr/local/bin:/usr/bin:/bin"), ("LANG", "C.UTF-8"), ("HOME", "/nonexistent")])
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .spawn()
        .map_err(|error| format!("{program} does not start: {error}"))?;
    let said = read_with_deadline(&mut child);
    // Nothing of it is wanted any more, and a wait must not hang on it.
    let _ = child.kill();
    let _ = child.wait();
    said.ok_or_else(|| format!("{program} did not tell its version within {} s", VERSION_WAIT_MAX.as_secs()))
}

fn read_with_deadline(child: &mut Child) -> Option<String> {
    let (stdout, stderr) = (child.stdout.take()?, child.stderr.take()?);
    let (send, receive) = mpsc::channel();
    thread::spawn(move || {
        let mut said = Vec::new();
        let _ = stdout.take(VERSION_BYTES_MAX).read_to_end(&mut said);
        let _ = stderr.take(VERSION_BYTES_MAX).read_to_end(&mut said);
        let _ = send.send(String::from_utf8_lossy(&said).into_owned());
    });
    receive.recv_timeout(VERSION_WAIT_MAX).ok()
}

/// The first number with dots.
fn version_in(said: &str) -> Option<String> {
    let mut words = said.split(|c: char| !(c.is_ascii_digit() || c == '.')).map(|word| word.trim_matches('.'));
    words.find(|word| word.contains('.')).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_found_in_what_tools_say() {
        let cases = [
            ("Python 3.11.2", "3.11.2"),
            ("v20.20.2\n", "20.20.2"),
            ("This is perl 5, version 36, subversion 0 (v5.36.0) built for", "5.36.0"),
            ("go version go1.19.8 linux/amd64", "1.19.8"),
            ("ruby 3.1.2p20 (2022-04-12)", "3.1.2"),
        ];
        for (said, version) in cases {
            assert_eq!(version_in(said).as_deref(), Some(version));
        }
        assert_eq!(version_in("no number 7"), None);
    }

    #[test]
    fn links_are_followed_inside_the_root() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir_all(root.path().join("usr/bin")).unwrap();
        fs::write(root.path().join("usr/bin/real"), "").unwrap();
        std::os::unix::fs::symlink("/usr/bin/real", root.path().join("usr/bin/absolute")).unwrap();
        std::os::unix::fs::symlink("../../../../usr/bin/real", root.path().join("usr/bin/relative")).unwrap();
        std::os::unix::fs::symlink("loop", root.path().join("usr/bin/loop")).unwrap();
        std::os::unix::fs::symlink("/bin/sh", root.path().join("usr/bin/outside")).unwrap();
        let there = |name: &str| exists_in(root.path(), Path::new(name));
        assert!(there("/usr/bin/real") && there("/usr/bin/absolute") && there("/usr/bin/relative"));
        assert!(!there("/usr/bin/loop") && !there("/usr/bin/outside") && !there("/usr/bin/nothing"));
    }

    #[test]
    fn what_is_missing_is_named() {
        let recipe = crate::embedded().unwrap().into_iter().find(|recipe| recipe.id == "lua").unwrap();
        let root = tempfile::tempdir().unwrap();
        let unavailable = check(&recipe, root.path()).unavailable.unwrap();
        assert_eq!(unavailable, "/usr/bin/lua5.4 not found (Debian: lua5.4)");
    }

    #[test]
    fn a_language_does_without_its_server() {
        let recipe = crate::embedded().unwrap().into_iter().find(|recipe| recipe.id == "go").unwrap();
        let root = tempfile::tempdir().unwrap();
        fs::create_dir_all(root.path().join("usr/bin")).unwrap();
        fs::write(root.path().join("usr/bin/go"), "").unwrap();
        let seen = check(&recipe, root.path());
        assert_eq!(seen.unavailable, None);
        assert_eq!(seen.service_unavailable.as_deref(), Some("/usr/bin/gopls not found (Debian: gopls)"));
        fs::write(root.path().join("usr/bin/gopls"), "").unwrap();
        assert_eq!(check(&recipe, root.path()).service_unavailable, None);
    }
}
