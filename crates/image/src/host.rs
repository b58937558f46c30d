//! The image `host`: this machine's own software, read-only, with nothing private in it.
//!
//! `/usr` is shown as it is; `/etc` is a directory made here from generated files and an allow-list of public ones.
//! Nothing of `/root`, `/home` or `/var` is shown but what a recipe names. Start at [`root_plan`].

mod etc;

use std::{
    collections::BTreeMap,
    fs, io,
    os::unix::fs::MetadataExt,
    path::{Component, Path, PathBuf},
};

pub use etc::{prepare_etc, prune_etc};

use crate::root::{Bind, Link, MOUNT_POINTS, RootPlan};

/// The name under which this image is known.
pub const HOST_IMAGE: &str = "host";

/// Directories beneath which a recipe may ask for more to be shown. Never one of these itself.
const EXTRA_ROOTS: [&str; 3] = ["/var/lib", "/opt", "/srv"];

/// Top-level names that are links into `/usr` on merged-usr machines and directories elsewhere.
const USR_MERGED: [&str; 6] = ["bin", "sbin", "lib", "lib32", "lib64", "libx32"];

const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// What the recipes together need beyond `/usr` and the common `/etc`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HostNeeds {
    /// Absolute directories beneath `/var/lib`, `/opt` or `/srv`; those that do not exist are left out.
    pub paths: Vec<PathBuf>,
    /// Entries of `/etc` by name; those that do not exist are left out.
    pub etc: Vec<String>,
}

/// Why the host image cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum HostError {
    /// A recipe asks for what must never be shown.
    #[error("{0} must not be shown in a sandbox: {1}")]
    Forbidden(String, &'static str),
    #[error("{action} {}: {source}", path.display())]
    Io { action: &'static str, path: PathBuf, source: io::Error },
}

impl HostError {
    fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> HostError {
        let path = path.to_owned();
        move |source| HostError::Io { action, path, source }
    }
}

/// Prepares `/etc` below `state` and says what the root of image `host` consists of. Blocking; run it at start.
pub fn root_plan(state: &Path, needs: &HostNeeds) -> Result<RootPlan, HostError> {
    let etc = prepare_etc(state, &needs.etc)?;
    let mut plan = RootPlan {
        directories: MOUNT_POINTS.iter().map(|(path, _)| (*path).to_owned()).collect(),
        env: environment(),
        ..RootPlan::default()
    };
    bind(&mut plan, "/usr".into(), "/usr");
    bind(&mut plan, etc, "/etc");
    for name in USR_MERGED {
        merged_usr(&mut plan, name)?;
    }
    for path in &needs.paths {
        if let Some(path) = extra_path(path)? {
            let target = path.to_string_lossy().into_owned();
            bind(&mut plan, path, &target);
        }
    }
    Ok(plan)
}

fn environment() -> BTreeMap<String, String> {
    [("PATH", PATH), ("HOME", "/home/work"), ("USER", "work"), ("LOGNAME", "work"), ("LANG", "C.UTF-8")]
        .into_iter()
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .collect()
}

/// Adds a bind and every directory above its target that is not planned yet.
fn bind(plan: &mut RootPlan, source: PathBuf, target: &str) {
    if plan.binds.iter().any(|bind| bind.target == target) {
        return;
    }
    let mut above: Vec<&Path> = Path::new(target).ancestors().filter(|path| path.parent().is_some()).collect();
    above.reverse();
    for directory in above {
        let directory = directory.to_string_lossy().into_owned();
        if !plan.directories.contains(&directory) {
            plan.directories.push(directory);
        }
    }
    plan.binds.push(Bind { source, target: target.to_owned() });
}

fn merged_usr(plan: &mut RootPlan, name: &str) -> Result<(), HostError> {
    let path = Path::new("/").join(name);
    let target = format!("/{name}");
    match fs::symlink_metadata(&path) {
        Ok(seen) if seen.is_symlink() => {
            let leads_to = fs::read_link(&path).map_err(HostError::io("read link", &path))?;
            plan.links.push(Link { path: target, target: leads_to.to_string_lossy().into_owned() });
        }
        Ok(seen) if seen.is_dir() => bind(plan, path, &target),
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(HostError::io("look at", &path)(error)),
    }
    Ok(())
}

/// Checks a directory that a recipe asks for; none if this machine does not have it.
fn extra_path(path: &Path) -> Result<Option<PathBuf>, HostError> {
    let forbidden = |why| HostError::Forbidden(path.display().to_string(), why);
    let plain = path.components().skip(1).all(|part| matches!(part, Component::Normal(_)));
    if !path.is_absolute() || !plain || path.to_str().is_none() {
        return Err(forbidden("it is not an absolute path without `.` and `..`"));
    }
    if !EXTRA_ROOTS.iter().any(|root| path.starts_with(root) && path != Path::new(root)) {
        return Err(forbidden("recipes may ask for directories beneath /var/lib, /opt and /srv only"));
    }
    if path.starts_with("/opt/madang") {
        return Err(forbidden("/opt/madang is the sandbox's own"));
    }
    match fs::canonicalize(path) {
        Ok(real) if real != path => return Err(forbidden("a symbolic link is part of it")),
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(HostError::io("resolve", path)(error)),
    }
    let seen = fs::symlink_metadata(path).map_err(HostError::io("look at", path))?;
    if !seen.is_dir() || seen.mode() & 0o005 != 0o005 {
        return Err(forbidden("it is not a directory that everybody may read"));
    }
    Ok(Some(path.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::root::has_file;

    #[test]
    fn plan_shows_usr_and_a_curated_etc_and_nothing_private() {
        let state = tempfile::tempdir().unwrap();
        let plan = root_plan(state.path(), &HostNeeds::default()).unwrap();
        assert!(plan.layers.is_empty() && plan.digest.is_none());
        assert!(plan.binds.contains(&Bind { source: "/usr".into(), target: "/usr".into() }));
        let etc = plan.binds.iter().find(|bind| bind.target == "/etc").unwrap();
        assert!(etc.source.starts_with(state.path()));
        for bind in &plan.binds {
            assert!(plan.directories.contains(&bind.target), "{} is no planned directory", bind.target);
            for private in ["/root", "/home", "/var/log", "/proc", "/run"] {
                assert!(!bind.source.starts_with(private), "{} is shown", bind.source.display());
            }
            assert_ne!(bind.source, Path::new("/"));
            assert_ne!(bind.source, Path::new("/etc"));
        }
    }

    #[test]
    fn directories_come_after_their_parents() {
        let state = tempfile::tempdir().unwrap();
        let needs = HostNeeds { paths: vec!["/var/lib/dpkg/info".into()], etc: vec![] };
        let plan = root_plan(state.path(), &needs).unwrap();
        assert!(plan.binds.iter().any(|bind| bind.target == "/var/lib/dpkg/info"));
        for (at, path) in plan.directories.iter().enumerate() {
            let parent = Path::new(path).parent().unwrap().to_string_lossy().into_owned();
            assert!(parent == "/" || plan.directories[..at].contains(&parent), "{path} comes before {parent}");
        }
    }

    #[test]
    fn missing_paths_are_left_out_and_private_ones_refused() {
        assert!(extra_path(Path::new("/var/lib/no-such-language")).unwrap().is_none());
        for bad in [
            "/root",
            "/home",
            "/etc",
            "/",
            "/var/lib",
            "/var/log",
            "/var/lib/../../root",
            "var/lib/x",
            "/opt/madang/x",
            "/proc/1",
        ] {
            assert!(matches!(extra_path(Path::new(bad)), Err(HostError::Forbidden(..))), "{bad} was accepted");
        }
    }

    #[test]
    fn programs_of_this_machine_are_found_and_private_files_are_not() {
        let state = tempfile::tempdir().unwrap();
        let plan = root_plan(state.path(), &HostNeeds::default()).unwrap();
        for found in ["/bin/sh", "/usr/bin/env", "/etc/passwd", "/etc/localtime"] {
            // `/bin/sh` leads through `/bin` and `dash`.
            assert!(has_file(&plan, found) || !std::path::Path::new(found).exists(), "{found} was not found");
        }
        for missing in ["/etc/shadow", "/root/.bashrc", "/proc/self/exe", "/usr/bin/../../etc/shadow"] {
            assert!(!has_file(&plan, missing), "{missing} was found");
        }
    }

    #[test]
    fn plan_survives_json() {
        let state = tempfile::tempdir().unwrap();
        let plan = root_plan(state.path(), &HostNeeds::default()).unwrap();
        let text = serde_json::to_string(&plan).unwrap();
        assert_eq!(serde_json::from_str::<RootPlan>(&text).unwrap(), plan);
    }
}
