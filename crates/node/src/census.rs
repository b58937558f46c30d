//! The census: again and again, what the kernel has of our slots beside what we know of them. Control groups tell nobody when a process
//! is moved in by hand, so somebody has to look.

use std::{
    collections::{BTreeMap, BTreeSet},
    ffi::OsString,
    fs, io,
    sync::{Arc, PoisonError, Weak, atomic::Ordering},
    time::Duration,
};

use madang_ids::SandboxId;
use madang_sandbox::{Slot, cgroup::pid_namespace};

use crate::{agent::Agent, drift::Of, recover};

/// Between two looks. A group in one hierarchy of several is looked at at every so manieth, one in all of them at each.
const EVERY: Duration = Duration::from_secs(1);
/// After so many looks, what was known of processes is learnt anew: numbers come to mean other processes.
const ANEW: usize = 16;

/// Looks as long as there is an agent.
pub(crate) fn start(agent: Weak<Agent>) -> io::Result<()> {
    let look_on = move || {
        let mut census = Census::default();
        loop {
            std::thread::sleep(EVERY);
            match agent.upgrade() {
                Some(agent) if !agent.shop.closed.load(Ordering::Acquire) => census.look(&agent),
                _ => return,
            }
        }
    };
    std::thread::Builder::new().name("slot-census".to_owned()).spawn(look_on).map(drop)
}

#[derive(Debug, Default)]
struct Census {
    turn: usize,
    /// By slot.
    known: BTreeMap<String, Known>,
}

/// What was found out about a slot at the looks before.
#[derive(Debug, Default)]
struct Known {
    /// The PID namespace of its init. Whatever init starts is in it, and nobody leaves it: slots may make no further ones.
    namespace: Option<u64>,
    /// Processes in it, as the group lists them.
    own: Vec<i32>,
    /// Of these the log has told.
    told: BTreeSet<i32>,
}

/// A slot that somebody holds.
struct Member {
    slot: Arc<Slot>,
    sandbox: Option<SandboxId>,
}

impl Census {
    fn look(&mut self, agent: &Agent) {
        if let Err(error) = look_for_unknown(agent) {
            tracing::error!(%error, "slots cannot be listed");
        }
        let hierarchies = agent.shop.cgroups.hierarchies();
        if hierarchies == 0 {
            return;
        }
        self.turn += 1;
        let mut before = std::mem::take(&mut self.known);
        if self.turn.is_multiple_of(ANEW) {
            before.clear();
        }
        for member in members(agent) {
            let mut known = before.remove(&member.slot.name).unwrap_or_default();
            if look_at(agent, &member, self.turn % hierarchies, &mut known) == Found::Others && member.sandbox.is_none()
            {
                replace(agent, &member.slot.name);
            }
            self.known.insert(member.slot.name.clone(), known);
        }
    }
}

/// Groups and directories that nobody of us has made.
fn look_for_unknown(agent: &Agent) -> io::Result<()> {
    let shop = &agent.shop;
    let mut names: BTreeSet<OsString> = shop.cgroups.names()?;
    names.extend(fs::read_dir(&agent.slots)?.flatten().map(|entry| entry.file_name()));
    names.retain(|name| !shop.ledger.knows(name));
    for name in names {
        // Names come into the ledger before anything is made and leave it after all is gone, and never come back: what is still there
        // was never in it.
        if recover::is_there(&agent.slots, &shop.cgroups, &name) && shop.ledger.enlist(&name) {
            shop.drift.unknown_slot(&name);
            shop.retirement.clear(name, None);
        }
    }
    Ok(())
}

/// All slots that wait in pools or serve somebody. Those in the making and those on their way out are with whoever makes or removes them.
fn members(agent: &Agent) -> Vec<Member> {
    let sandboxes = agent.sandboxes.read().unwrap_or_else(PoisonError::into_inner);
    let sandboxes: Vec<_> = sandboxes.values().cloned().chain(agent.alone.all()).collect();
    let used = sandboxes.iter().map(|sandbox| (Arc::clone(&sandbox.slot), Some(sandbox.spec.id)));
    let waiting = agent.shop.pools.of_all(|ready| Arc::clone(&ready.slot)).into_iter().map(|slot| (slot, None));
    used.chain(waiting).map(|(slot, sandbox)| Member { slot, sandbox }).collect()
}

#[derive(Debug, PartialEq, Eq)]
enum Found {
    Itself,
    Others,
}

fn look_at(agent: &Agent, member: &Member, hierarchy: usize, known: &mut Known) -> Found {
    let (slot, of) = (&member.slot, Of { slot: &member.slot.name, sandbox: member.sandbox });
    let mut found = Found::Itself;
    for below in slot.cgroup.below(hierarchy) {
        agent.shop.drift.group_below(&of, &below);
        slot.cgroup.end_below(&below);
        found = Found::Others;
    }
    let now = slot.cgroup.processes_in(hierarchy);
    if now == known.own {
        return found;
    }
    let Some(home) = known.home(slot) else { return found };
    let before: BTreeSet<i32> = std::mem::take(&mut known.own).into_iter().collect();
    for pid in now {
        // What cannot be asked any more has ended.
        if before.contains(&pid) || pid_namespace(pid).is_none_or(|namespace| namespace == home) {
            known.own.push(pid);
        } else if let Some(stray) = slot.cgroup.hold(pid)
            && stray.namespace().is_some_and(|namespace| namespace != home)
        {
            if known.told.insert(pid) {
                agent.shop.drift.stray(&of, &stray);
            }
            stray.end();
            found = Found::Others;
        }
    }
    found
}

impl Known {
    fn home(&mut self, slot: &Slot) -> Option<u64> {
        if self.namespace.is_none() {
            let namespace = pid_namespace(slot.pid);
            // Its init is alive, so what has its number now is its init.
            self.namespace = namespace.filter(|_| matches!(slot.wait_ended(Duration::ZERO), Ok(false)));
        }
        self.namespace
    }
}

/// A slot that others have been in is given to nobody. If it was given out meanwhile, it is its holder's and stays.
fn replace(agent: &Agent, name: &str) {
    for ready in agent.shop.pools.take_if(|ready| ready.slot.name == name) {
        agent.shop.retirement.retire(ready.slot);
    }
    agent.shop.pools.wanted.notify_one();
}
