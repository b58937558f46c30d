//! After a restart: what is there, by looking. Sandboxes of sessions are taken up again, everything else goes.

use std::{collections::BTreeSet, fs, io, path::Path, sync::Arc};

use madang_node_api::SandboxSpec;
use madang_sandbox::{Cgroups, Slot};
use serde::{Deserialize, Serialize};

/// The file in a slot's directory that says whose it is. Only sandboxes that outlive a request have one.
const CLAIM: &str = "claim.json";

/// Who a slot was given to.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Claim {
    pub spec: SandboxSpec,
    pub pid: i32,
    pub uid_base: Option<u32>,
    pub cpus: u32,
}

/// Writes the claim down; the slot is a session's from here on.
pub fn write(slots: &Path, name: &str, claim: &Claim) -> io::Result<()> {
    let directory = slots.join(name);
    let partial = directory.join("claim.part");
    fs::write(&partial, serde_json::to_vec(claim)?)?;
    fs::rename(partial, directory.join(CLAIM))
}

/// A slot that lives and belongs to a session.
pub struct Found {
    pub slot: Arc<Slot>,
    pub claim: Claim,
}

/// Looks through `slots` and the cgroups: what is claimed and lives comes back, all else is killed and removed.
pub fn look(slots: &Path, cgroups: &Cgroups) -> io::Result<Vec<Found>> {
    let directories = fs::read_dir(slots)?.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned());
    let names: BTreeSet<String> = directories.chain(cgroups.names()?).collect();
    let mut found = Vec::new();
    for name in names {
        match find(slots, cgroups, &name) {
            Some(alive) => found.push(alive),
            None => clear(slots, cgroups, &name),
        }
    }
    Ok(found)
}

fn find(slots: &Path, cgroups: &Cgroups, name: &str) -> Option<Found> {
    let claim: Claim = serde_json::from_slice(&fs::read(slots.join(name).join(CLAIM)).ok()?).ok()?;
    let cgroup = cgroups.make(name).ok()?;
    // Pids are reused; only one in the slot's own group is its init.
    if !cgroup.processes().contains(&claim.pid) {
        return None;
    }
    let slot = Slot::found(name.to_owned(), claim.pid, cgroup, claim.uid_base).ok()?;
    Some(Found { slot: Arc::new(slot), claim })
}

fn clear(slots: &Path, cgroups: &Cgroups, name: &str) {
    let emptied = cgroups.make(name).map(|cgroup| {
        // A process may fork between listing and killing; init's death ends that.
        for _ in 0..100 {
            if cgroup.processes().is_empty() {
                break;
            }
            cgroup.kill();
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
    });
    if let Err(error) = emptied.and_then(|()| crate::retire::remove(cgroups, slots, name)) {
        tracing::error!(slot = name, %error, "an old slot cannot be removed");
    }
}
