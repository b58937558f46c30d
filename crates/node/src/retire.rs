//! The thread that takes slots apart: kill, wait, remove what they leave.

use std::{
    cell::{Cell, RefCell},
    ffi::{OsStr, OsString},
    path::PathBuf,
    sync::{
        Arc,
        mpsc::{Receiver, RecvTimeoutError, Sender, channel},
    },
    time::{Duration, Instant},
};

use madang_sandbox::{Cgroups, Slot};

use crate::{
    drift::{Drift, Of},
    ledger::Ledger,
    metering::{Counted, SandboxMeter, Spool},
    network::NodeNetwork,
    recover::Stuck,
};

/// A kernel that cannot end a slot's processes in this time has other troubles; we look again later.
const END_WAIT: Duration = Duration::from_secs(10);
/// Most slots are gone by then.
const QUICK_WAIT: Duration = Duration::from_millis(50);
/// The others are looked at again this often.
const SLOW_AGAIN: Duration = Duration::from_millis(200);
/// The same where somebody waits for it.
const CLEAR_AGAIN: Duration = Duration::from_millis(10);
const REMOVE_TRIES: u32 = 50;

/// Where slots are, and who has to know that one is gone.
#[derive(Debug)]
pub struct Grounds {
    pub cgroups: Arc<Cgroups>,
    pub directory: PathBuf,
    pub ledger: Arc<Ledger>,
    pub spool: Arc<Spool>,
    pub drift: Arc<Drift>,
    pub network: Arc<NodeNetwork>,
}

/// A handle to the thread. Unbounded: what waits here are things that exist and must go, refusing them would leak them.
#[derive(Debug, Clone)]
pub struct Retirement {
    orders: Sender<Order>,
}

impl Retirement {
    pub fn start(grounds: Grounds) -> std::io::Result<Self> {
        let (orders, receive) = channel();
        let undertaker = Undertaker { grounds, remains: RefCell::default() };
        std::thread::Builder::new().name("slot-retirement".to_owned()).spawn(move || undertaker.serve(receive))?;
        Ok(Self { orders })
    }

    /// The slot ends now; its remains go soon.
    pub fn retire(&self, slot: Arc<Slot>) {
        self.retire_metered(slot, None);
    }

    /// As [`Retirement::retire`]; once nothing runs in it, `meter` is read for the last time.
    pub fn retire_metered(&self, slot: Arc<Slot>, meter: Option<Arc<SandboxMeter>>) {
        slot.kill();
        // The thread lives as long as the node does.
        let _ =
            self.orders.send(Order::Bury(Dead { slot, meter, told: Cell::default(), strays_until: Cell::default() }));
    }

    /// What a former server has left and could not be removed goes when it can.
    pub fn retire_stuck(&self, stuck: Stuck) {
        let _ = self.orders.send(Order::End(stuck));
    }

    /// Whatever there is under this name goes, and its ids are free after that.
    pub fn clear(&self, name: OsString, uid_base: Option<u32>) {
        let _ = self.orders.send(Order::Clear(Remains::new(name, uid_base)));
    }

    /// Waits until all that was retired before is gone, and our cgroups too unless sessions live in them. False when that takes longer than `wait`. Blocking.
    pub fn finish(&self, wait: Duration) -> bool {
        let (done, is_done) = channel();
        self.orders.send(Order::Tell(done)).is_ok() && is_done.recv_timeout(wait).is_ok()
    }
}

enum Order {
    Bury(Dead),
    End(Stuck),
    Clear(Remains),
    /// The node stops: say when you get here.
    Tell(Sender<()>),
}

struct Dead {
    slot: Arc<Slot>,
    meter: Option<Arc<SandboxMeter>>,
    /// That its last reading cannot be kept is in the log.
    told: Cell<bool>,
    /// Until then it is waited for processes that are none of it.
    strays_until: Cell<Option<Instant>>,
}

/// What is there and nobody can use any more.
struct Remains {
    name: OsString,
    uid_base: Option<u32>,
    /// That it cannot be removed is in the log.
    told: Cell<bool>,
}

impl Remains {
    fn new(name: OsString, uid_base: Option<u32>) -> Self {
        Self { name, uid_base, told: Cell::new(false) }
    }
}

struct Undertaker {
    grounds: Grounds,
    remains: RefCell<Vec<Remains>>,
}

impl Undertaker {
    fn serve(&self, orders: Receiver<Order>) {
        let (mut slow, mut stuck): (Vec<Dead>, Vec<Stuck>) = Default::default();
        loop {
            // One slot whose processes are slow to end must not keep the others waiting.
            slow.retain(|dead| !self.bury(dead, Duration::ZERO));
            stuck.retain(|stuck| !self.end(stuck));
            self.remains.borrow_mut().retain(|remains| !self.clear(remains));
            let nothing_waits = slow.is_empty() && stuck.is_empty() && self.remains.borrow().is_empty();
            let order = match nothing_waits {
                true => orders.recv().map_err(|_| RecvTimeoutError::Disconnected),
                false => orders.recv_timeout(SLOW_AGAIN),
            };
            match order {
                Ok(Order::Bury(dead)) if self.bury(&dead, QUICK_WAIT) => {}
                Ok(Order::Bury(dead)) => slow.push(dead),
                Ok(Order::End(left)) => stuck.push(left),
                Ok(Order::Clear(remains)) => self.remains.borrow_mut().push(remains),
                Ok(Order::Tell(done)) => {
                    slow.drain(..).for_each(|dead| self.bury_at_last(&dead));
                    self.clear_at_last();
                    self.grounds.cgroups.leave();
                    // Whoever asked may have stopped waiting.
                    let _ = done.send(());
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    fn bury_at_last(&self, dead: &Dead) {
        let until = Instant::now() + END_WAIT;
        while !self.bury(dead, END_WAIT) {
            if Instant::now() >= until {
                let slot = &dead.slot.name;
                tracing::error!(slot, "a slot's processes do not end, or its last reading cannot be kept");
                return;
            }
            std::thread::sleep(CLEAR_AGAIN);
        }
    }

    fn clear_at_last(&self) {
        let until = Instant::now() + END_WAIT;
        let mut remains = self.remains.take();
        while !remains.is_empty() && Instant::now() < until {
            remains.retain(|remains| !self.clear(remains));
            std::thread::sleep(CLEAR_AGAIN);
        }
    }

    fn end(&self, stuck: &Stuck) -> bool {
        let ended =
            crate::recover::end_stuck(&self.grounds.directory, &self.grounds.cgroups, &self.grounds.spool, stuck);
        if ended {
            self.grounds.ledger.free(&stuck.name, stuck.uid_base);
        }
        ended
    }

    fn clear(&self, remains: &Remains) -> bool {
        match crate::recover::clear_now(&self.grounds.directory, &self.grounds.cgroups, &remains.name) {
            Ok(true) => {
                self.grounds.ledger.free(&remains.name, remains.uid_base);
                return true;
            }
            Ok(false) => {}
            Err(error) if remains.told.replace(true) => drop(error),
            Err(error) => tracing::error!(slot = ?remains.name, %error, "what is left of a slot cannot be removed yet"),
        }
        false
    }

    /// Removes what is left of a slot, if its processes end within `wait`. Its ids are free only then.
    fn bury(&self, dead: &Dead, wait: Duration) -> bool {
        let slot = &dead.slot;
        if !matches!(slot.wait_ended(wait), Ok(true)) || self.waits_for_strays(dead) {
            return false;
        }
        // While its group is still there to say what the last of them used.
        if let Some(meter) = &dead.meter
            && let Err(error) = self.grounds.spool.end(meter.end(Counted::Yes))
        {
            // The slot stays: without the file it is the only trace of what was used, should this process end now.
            if !dead.told.replace(true) {
                tracing::error!(sandbox = %meter.sandbox, %error, "a sandbox's last reading cannot be kept; it is tried again");
            }
            return false;
        }
        self.grounds.network.detach(&slot.name);
        match remove(&self.grounds.cgroups, &self.grounds.directory, &slot.name) {
            Ok(()) => self.grounds.ledger.free(slot.name.as_ref(), slot.uid_base),
            Err(error) => {
                tracing::error!(slot = slot.name, %error, "a slot's remains cannot be removed yet");
                self.remains.borrow_mut().push(Remains::new(slot.name.clone().into(), slot.uid_base));
            }
        }
        true
    }

    /// Init has ended, and the kernel has ended with it all that it ever started: whoever is in the group now came from elsewhere. What
    /// they use counts as the slot's, so they are ended before that is read.
    fn waits_for_strays(&self, dead: &Dead) -> bool {
        let cgroup = &dead.slot.cgroup;
        let strays: Vec<_> = cgroup.processes().into_iter().filter_map(|pid| cgroup.hold(pid)).collect();
        if strays.is_empty() || dead.strays_until.get().is_some_and(|until| Instant::now() >= until) {
            return false;
        }
        if dead.strays_until.get().is_none() {
            dead.strays_until.set(Some(Instant::now() + END_WAIT));
            let of = Of { slot: &dead.slot.name, sandbox: dead.meter.as_ref().map(|meter| meter.sandbox) };
            strays.iter().for_each(|stray| self.grounds.drift.stray(&of, stray));
        }
        strays.iter().for_each(|stray| stray.end());
        true
    }
}

/// Removes the cgroup and the directory of a slot that has no processes.
pub fn remove(cgroups: &Cgroups, slots: &std::path::Path, name: &str) -> std::io::Result<()> {
    remove_group(cgroups, name.as_ref())?;
    match std::fs::remove_dir_all(slots.join(name)) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Removes the cgroup of a slot that has no processes.
pub fn remove_group(cgroups: &Cgroups, name: &OsStr) -> std::io::Result<()> {
    let mut tries = 0;
    while let Err(error) = cgroups.remove(name) {
        // The kernel lets go of a dead process's group a moment after the process.
        tries += 1;
        if tries > REMOVE_TRIES || error.kind() != std::io::ErrorKind::ResourceBusy {
            return Err(error);
        }
        std::thread::sleep(Duration::from_millis(u64::from(tries)));
    }
    Ok(())
}
