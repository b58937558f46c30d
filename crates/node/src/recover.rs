//! After a restart: what is there, by looking. Sandboxes of sessions are taken up again, everything else goes.

use std::{
    collections::BTreeSet,
    ffi::{OsStr, OsString},
    fs, io,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use madang_model::Reading;
use madang_node_api::SandboxSpec;
use madang_sandbox::{Cgroup, Cgroups, Slot};
use serde::{Deserialize, Serialize};

use crate::{
    meter::Began,
    metering::{Counted, SandboxMeter, Spool, Tally, up_us},
    sandbox::Sandbox,
};

/// The file in a slot's directory that says whose it is. Only sandboxes that outlive a request have one.
const CLAIM: &str = "claim.json";
/// A spawner that has lost its server ends as soon as it has made what it was making.
const SPAWNER_WAIT: Duration = Duration::from_secs(30);
/// Killed processes are gone by then, unless the kernel itself is stuck.
const EMPTY_WAIT: Duration = Duration::from_secs(5);
const LOOK_AGAIN: Duration = Duration::from_millis(5);

/// Who a slot was given to.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Claim {
    pub spec: SandboxSpec,
    pub pid: i32,
    pub uid_base: Option<u32>,
    pub cpus: u32,
    /// Where its network is, if it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network: Option<u32>,
    /// Where counting began; none in claims of servers before this one, which have `began`.
    #[serde(default)]
    pub tally: Option<Tally>,
    #[serde(default, skip_serializing)]
    pub began: Option<Began>,
    /// What it was made of.
    #[serde(default)]
    pub template: Option<String>,
}

/// Writes the claim down; the slot is a session's from here on.
pub fn write(slots: &Path, name: &str, claim: &Claim) -> io::Result<()> {
    let directory = slots.join(name);
    let partial = directory.join("claim.part");
    fs::write(&partial, serde_json::to_vec(claim)?)?;
    fs::rename(partial, directory.join(CLAIM))
}

impl Claim {
    pub fn of(sandbox: &Sandbox) -> Self {
        Self {
            spec: sandbox.spec.clone(),
            pid: sandbox.slot.pid,
            uid_base: sandbox.slot.uid_base,
            cpus: sandbox.cpus,
            network: None,
            tally: sandbox.meter.as_ref().map(|meter| meter.tally()),
            began: None,
            template: Some(sandbox.template.clone()),
        }
    }

    fn meter(&self, name: &str, cgroup: Cgroup, slots: &Path) -> Arc<SandboxMeter> {
        let tally = self.tally.or_else(|| Some(Tally::since(&self.began?, up_us())));
        Arc::new(SandboxMeter::resume(&self.spec, name, cgroup, slots, tally))
    }
}

/// A slot that lives and belongs to a session.
pub struct Found {
    pub slot: Arc<Slot>,
    pub claim: Claim,
    pub meter: Arc<SandboxMeter>,
}

/// What a former server left.
#[derive(Default)]
pub struct Looked {
    pub found: Vec<Found>,
    /// What could not be removed: its processes would not go, or there is no room to keep its last reading.
    pub stuck: Vec<Stuck>,
}

/// A slot that has ended and is there still.
#[derive(Debug)]
pub struct Stuck {
    pub name: OsString,
    grouped: bool,
    /// The first of its ids, which must not be given to anybody else.
    pub uid_base: Option<u32>,
}

/// Looks through `slots` and the cgroups: what is claimed and lives comes back, all else is killed and removed. What was claimed and
/// has ended meanwhile leaves its last reading in `spool`.
pub fn look(slots: &Path, cgroups: &Cgroups, spool: &Spool) -> io::Result<Looked> {
    wait_for_spawner(slots)?;
    let groups = cgroups.names()?;
    let entries = fs::read_dir(slots)?.flatten().map(|entry| entry.file_name());
    let names: BTreeSet<OsString> = entries.chain(groups.iter().cloned()).collect();
    let mut looked = Looked::default();
    for name in names {
        let grouped = groups.contains(&name);
        let alive = name.to_str().filter(|_| grouped).and_then(|name| find(slots, cgroups, name));
        if let Some(alive) = alive {
            looked.found.push(alive);
            continue;
        }
        let uid_base = name.to_str().and_then(|name| read_claim(slots, name)?.uid_base);
        if let Err(error) = end(slots, cgroups, spool, (&name, grouped)) {
            tracing::error!(slot = ?name, %error, "an old slot cannot be removed yet");
            let uid_base = uid_base.or_else(|| id_range(cgroups, name.to_str()?));
            looked.stuck.push(Stuck { name, grouped, uid_base });
        }
    }
    Ok(looked)
}

fn end(slots: &Path, cgroups: &Cgroups, spool: &Spool, (name, grouped): (&OsStr, bool)) -> io::Result<()> {
    if let Some(last) = read_last(slots, cgroups, name, grouped)? {
        spool.end(last)?;
    }
    clear(slots, cgroups, name, grouped)
}

/// Tries once more; does not wait for processes. Whether it is gone.
pub fn end_stuck(slots: &Path, cgroups: &Cgroups, spool: &Spool, stuck: &Stuck) -> bool {
    let empty = !stuck.grouped || cgroups.kill(&stuck.name);
    empty && end(slots, cgroups, spool, (&stuck.name, stuck.grouped)).is_ok()
}

/// The spawner of a server that was killed finishes the slot it is making, and holds the directory until then.
fn wait_for_spawner(slots: &Path) -> io::Result<()> {
    let directory = fs::File::open(slots)?;
    let until = Instant::now() + SPAWNER_WAIT;
    loop {
        match directory.try_lock() {
            Ok(()) => return Ok(()),
            Err(fs::TryLockError::WouldBlock) if Instant::now() < until => std::thread::sleep(LOOK_AGAIN),
            Err(fs::TryLockError::WouldBlock) => {
                let why = format!("a spawner of the last server holds {} and does not end", slots.display());
                return Err(io::Error::new(io::ErrorKind::TimedOut, why));
            }
            Err(fs::TryLockError::Error(error)) => return Err(error),
        }
    }
}

fn read_claim(slots: &Path, name: &str) -> Option<Claim> {
    serde_json::from_slice(&fs::read(slots.join(name).join(CLAIM)).ok()?).ok()
}

/// A session's slot that has ended while nobody looked: what it used is still to be told.
fn read_last(slots: &Path, cgroups: &Cgroups, name: &OsStr, grouped: bool) -> io::Result<Option<Reading>> {
    let Some((name, claim)) = name.to_str().and_then(|name| Some((name, read_claim(slots, name)?))) else {
        return Ok(None);
    };
    if !grouped {
        // The machine was started anew: what was read last is what is known.
        let nothing = Cgroups::none().make(name)?;
        return Ok(Some(claim.meter(name, nothing, slots).end(Counted::Gone)));
    }
    empty(cgroups, name.as_ref());
    Ok(Some(claim.meter(name, cgroups.make(name)?, slots).end(Counted::Yes)))
}

fn find(slots: &Path, cgroups: &Cgroups, name: &str) -> Option<Found> {
    let claim = read_claim(slots, name)?;
    let cgroup = cgroups.make(name).ok()?;
    let slot = Slot::found(name.to_owned(), claim.pid, cgroup, claim.uid_base).ok()?;
    // Pids are reused; only one in the slot's own group is its init. Looked at after it was opened: what is there now is what we hold.
    if !slot.cgroup.processes().contains(&claim.pid) {
        return None;
    }
    let meter = claim.meter(name, slot.cgroup.clone(), slots);
    Some(Found { slot: Arc::new(slot), claim, meter })
}

/// Ends and removes what there is under a slot's name, whatever it is; `grouped` if it has a cgroup.
pub fn clear(slots: &Path, cgroups: &Cgroups, name: &OsStr, grouped: bool) -> io::Result<()> {
    if grouped {
        empty(cgroups, name);
        crate::retire::remove_group(cgroups, name)?;
    }
    clear_directory(slots, name)
}

/// As [`clear`], without waiting for processes. Whether all is gone.
pub fn clear_now(slots: &Path, cgroups: &Cgroups, name: &OsStr) -> io::Result<bool> {
    if !cgroups.kill(name) {
        return Ok(false);
    }
    match cgroups.remove(name) {
        Err(error) if error.kind() == io::ErrorKind::ResourceBusy => return Ok(false),
        removed => removed?,
    }
    clear_directory(slots, name).map(|()| true)
}

/// Whether anything of this name is there.
pub fn is_there(slots: &Path, cgroups: &Cgroups, name: &OsStr) -> bool {
    cgroups.has(name) || fs::symlink_metadata(slots.join(name)).is_ok()
}

fn clear_directory(slots: &Path, name: &OsStr) -> io::Result<()> {
    let path = slots.join(name);
    if holds_mounts(&path) {
        // What is mounted there is somebody's, and would be emptied with it.
        return Err(io::Error::new(io::ErrorKind::ResourceBusy, "something is mounted in its directory"));
    }
    let removed = match fs::symlink_metadata(&path) {
        Ok(seen) if seen.is_dir() => fs::remove_dir_all(&path),
        Ok(_) => fs::remove_file(&path),
        Err(error) => Err(error),
    };
    match removed {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// We mount nothing there that this process sees.
fn holds_mounts(path: &Path) -> bool {
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let points = mounts.lines().filter_map(|line| line.split(' ').nth(4));
    { points }.any(|point| Path::new(&point.replace("\\040", " ")).starts_with(path))
}

/// A process may fork between listing and killing; init's death ends that.
fn empty(cgroups: &Cgroups, name: &OsStr) {
    let until = Instant::now() + EMPTY_WAIT;
    while !cgroups.kill(name) && Instant::now() < until {
        std::thread::sleep(LOOK_AGAIN);
    }
}

/// The first id of the range that processes in the group run under (user_namespaces(7)).
fn id_range(cgroups: &Cgroups, name: &str) -> Option<u32> {
    let pid = *cgroups.make(name).ok()?.processes().first()?;
    let map = fs::read_to_string(format!("/proc/{pid}/uid_map")).ok()?;
    map.split_ascii_whitespace().nth(1)?.parse().ok()
}
