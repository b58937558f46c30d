//! Whom we compare with: the bare process and other sandboxes, all over this machine's `/usr`, read-only.

use std::{
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{BenchError, report::Report};

/// The interpreter that everybody starts.
pub const PYTHON: &str = "/usr/bin/python3";
/// The program that everybody runs, and what it prints.
pub const PROGRAM: &str = "print(1)";
pub const OUTPUT: &[u8] = b"1\n";
/// Where a command's container id goes.
const ID: &str = "{id}";
/// What the container engines call the empty root that `/usr` is mounted into.
const ENGINE_IMAGE: &str = "madang-bench-root";
/// An engine's daemon that has not answered by then is not there.
const ENGINE_WAIT: Duration = Duration::from_secs(10);
/// Container engines take so long that they run in one round of this many.
const ENGINE_EVERY: usize = 10;

/// Somebody who can start a Python in some kind of sandbox, by command line.
#[derive(Debug)]
pub struct Peer {
    pub name: &'static str,
    argv: Vec<String>,
    /// It takes part in one round of this many.
    pub every: usize,
    runs: usize,
}

impl Peer {
    fn new(name: &'static str, argv: &[&str]) -> Self {
        let python = [PYTHON, "-c", PROGRAM];
        let argv = argv.iter().chain(&python).map(|word| (*word).to_owned()).collect();
        Self { name, argv, every: 1, runs: 0 }
    }

    /// Starts it once, to its output and end.
    pub fn run(&mut self) -> Result<Duration, BenchError> {
        self.runs += 1;
        let id = format!("madang-bench-{}-{}", std::process::id(), self.runs);
        let argv: Vec<String> = self.argv.iter().map(|word| word.replace(ID, &id)).collect();
        timed(self.name, &argv, |_| {})
    }
}

/// Runs a command that must print [`OUTPUT`]; from before its start to after its end.
pub fn timed(name: &str, argv: &[String], set_up: impl FnOnce(&mut Command)) -> Result<Duration, BenchError> {
    let Some((program, arguments)) = argv.split_first() else {
        return Err(BenchError::Wrong(format!("{name}: no command")));
    };
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null());
    set_up(&mut command);
    let started = Instant::now();
    let output = command.output().map_err(BenchError::io(format!("starting {name}")))?;
    let took = started.elapsed();
    if !output.status.success() || output.stdout != OUTPUT {
        let said = String::from_utf8_lossy(&output.stderr);
        let last = said.trim().lines().last().unwrap_or("no reason given").to_owned();
        return Err(BenchError::Wrong(format!("{name} ended with {}: {last}", output.status)));
    }
    Ok(took)
}

/// Every peer that works here; of the others the report says why not. The folder holds what they need and must outlive them.
pub fn present(report: &mut Report) -> Result<(Vec<Peer>, TempDir), BenchError> {
    let folder = TempDir::with_prefix("madang-peers-").map_err(BenchError::io("making a folder for peers"))?;
    let mut peers = vec![Peer::new("bare", &[]), bwrap()];
    let bundle = bundle(folder.path()).map_err(BenchError::io("writing a bundle for runc and crun"))?;
    for runtime in ["runc", "crun"] {
        peers.push(oci(runtime, &bundle, folder.path()));
    }
    for engine in ["docker", "podman"] {
        match engine_ready(engine, &bundle) {
            Ok(()) => peers.push(container_engine(engine)),
            Err(why) => report.note(format!("{engine} is absent: {why}")),
        }
    }
    peers.retain_mut(|peer| match peer.run() {
        Ok(_) => true,
        Err(error) => {
            report.note(format!("{} is absent: {error}", peer.name));
            false
        }
    });
    Ok((peers, folder))
}

fn bwrap() -> Peer {
    let flags = "bwrap --unshare-all --die-with-parent --ro-bind /usr /usr --symlink usr/bin /bin --symlink usr/lib /lib \
                 --symlink usr/lib64 /lib64 --proc /proc --dev /dev --tmpfs /tmp --clearenv";
    Peer::new("bwrap", &flags.split_whitespace().collect::<Vec<_>>())
}

/// `runc` and `crun` take the same bundle; the program is in its `config.json`.
fn oci(runtime: &'static str, bundle: &Path, folder: &Path) -> Peer {
    let state = folder.join(format!("{runtime}-state"));
    let words = [runtime, "--root", &state.display().to_string(), "run", "--bundle", &bundle.display().to_string(), ID];
    Peer { name: runtime, argv: words.map(str::to_owned).to_vec(), every: 1, runs: 0 }
}

/// An OCI bundle: an empty root with `/usr` mounted read-only, namespaces of its own, no network.
fn bundle(folder: &Path) -> std::io::Result<PathBuf> {
    let bundle = folder.join("bundle");
    let root = bundle.join("rootfs");
    for directory in ["usr", "proc", "dev", "tmp", "sys"] {
        fs::create_dir_all(root.join(directory))?;
    }
    for name in ["bin", "lib", "lib64"] {
        symlink(format!("usr/{name}"), root.join(name))?;
    }
    fs::write(bundle.join("config.json"), config().to_string())?;
    Ok(bundle)
}

fn config() -> Value {
    let namespaces = ["pid", "network", "ipc", "uts", "mount"].map(|kind| json!({ "type": kind }));
    let mount = |target: &str, kind: &str, source: &str, options: &[&str]| json!({ "destination": target, "type": kind, "source": source, "options": options });
    json!({
        "ociVersion": "1.0.2",
        "root": { "path": "rootfs", "readonly": true },
        "process": {
            "terminal": false, "user": { "uid": 0, "gid": 0 }, "cwd": "/", "noNewPrivileges": true,
            "args": [PYTHON, "-c", PROGRAM], "env": ["PATH=/usr/bin:/bin"],
        },
        "mounts": [
            mount("/usr", "bind", "/usr", &["rbind", "ro"]),
            mount("/proc", "proc", "proc", &[]),
            mount("/dev", "tmpfs", "tmpfs", &["nosuid", "mode=755", "size=65536k"]),
            mount("/tmp", "tmpfs", "tmpfs", &["nosuid", "nodev", "size=65536k"]),
        ],
        "linux": {
            "namespaces": namespaces,
        },
    })
}

fn container_engine(engine: &'static str) -> Peer {
    let flags = "run --rm --network none --volume /usr:/usr:ro";
    let words: Vec<&str> = [engine].into_iter().chain(flags.split_whitespace()).chain([ENGINE_IMAGE]).collect();
    Peer { every: ENGINE_EVERY, ..Peer::new(engine, &words) }
}

/// Whether the engine answers; gives it the empty root.
fn engine_ready(engine: &str, bundle: &Path) -> Result<(), String> {
    within(ENGINE_WAIT, Command::new(engine).arg("info"))?;
    let script = format!("tar -C \"$1\" -c . | {engine} import - {ENGINE_IMAGE}");
    within(ENGINE_WAIT, Command::new("/bin/sh").args(["-c", &script, "sh"]).arg(bundle.join("rootfs")))
}

fn within(wait: Duration, command: &mut Command) -> Result<(), String> {
    let quiet = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = quiet.spawn().map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => "not installed".to_owned(),
        _ => error.to_string(),
    })?;
    let until = Instant::now() + wait;
    loop {
        match child.try_wait() {
            Ok(Some(status)) if status.success() => return Ok(()),
            Ok(Some(status)) => return Err(format!("no daemon answers ({status})")),
            Ok(None) if Instant::now() < until => thread::sleep(Duration::from_millis(10)),
            _ => {
                let _ = child.kill().and_then(|()| child.wait());
                return Err(format!("nothing within {} s", wait.as_secs()));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_peer_takes_part_or_is_said_to_be_absent() {
        let mut report = Report::new(crate::Bench::Start);
        let (mut peers, _folder) = present(&mut report).unwrap();
        assert_eq!(peers.len() + report.notes.len(), 6, "{peers:?} {:?}", report.notes);
        let bare = peers.iter_mut().find(|peer| peer.name == "bare").expect("the bare process needs nothing");
        assert!(bare.run().unwrap() > Duration::ZERO);
    }

    #[test]
    fn a_wrong_answer_is_no_measurement() {
        let argv = |code: &str| vec!["/bin/sh".to_owned(), "-c".to_owned(), code.to_owned()];
        assert!(timed("right", &argv("echo 1"), |_| {}).is_ok());
        let wrong = timed("wrong", &argv("echo 2"), |_| {}).unwrap_err();
        assert!(wrong.to_string().contains("wrong ended with"), "{wrong}");
        let failed = timed("failed", &argv("echo 1; echo no room >&2; exit 3"), |_| {}).unwrap_err();
        assert!(failed.to_string().contains("no room"), "{failed}");
    }

    #[test]
    fn a_peer_that_is_not_installed_is_said_to_be_absent() {
        assert_eq!(within(ENGINE_WAIT, &mut Command::new("no-such-engine")), Err("not installed".to_owned()));
        assert!(within(12 * ENGINE_WAIT, &mut Command::new("false")).unwrap_err().contains("no daemon"));
        assert!(
            within(Duration::from_millis(1), Command::new("sleep").arg("60")).unwrap_err().contains("nothing within")
        );
    }
}
