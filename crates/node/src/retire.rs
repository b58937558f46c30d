//! The thread that takes slots apart: kill, wait, remove what they leave.

use std::{
    cell::Cell,
    path::PathBuf,
    sync::{
        Arc,
        mpsc::{Receiver, RecvTimeoutError, Sender, channel},
    },
    time::Duration,
};

use madang_sandbox::{Cgroups, Slot};

use crate::{
    ledger::Ledger,
    metering::{Counted, SandboxMeter, Spool},
    recover::Stuck,
};

/// A kernel that cannot end a slot's processes in this time has other troubles; we look again later.
const END_WAIT: Duration = Duration::from_secs(10);
/// Most slots are gone by then.
const QUICK_WAIT: Duration = Duration::from_millis(50);
/// The others are looked at again this often.
const SLOW_AGAIN: Duration = Duration::from_millis(200);
const REMOVE_TRIES: u32 = 50;

/// A handle to the thread. Unbounded: what waits here are things that exist and must go, refusing them would leak them.
#[derive(Debug, Clone)]
pub struct Retirement {
    orders: Sender<Order>,
}

impl Retirement {
    pub fn start(
        cgroups: Arc<Cgroups>,
        directory: PathBuf,
        ledger: Arc<Ledger>,
        spool: Arc<Spool>,
    ) -> std::io::Result<Self> {
        let (orders, receive) = channel();
        let undertaker = Undertaker { cgroups, directory, ledger, spool };
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
        let _ = self.orders.send(Order::Bury(Dead { slot, meter, told: Cell::new(false) }));
    }

    /// What a former server has left and could not be removed goes when it can.
    pub fn retire_stuck(&self, stuck: Stuck) {
        let _ = self.orders.send(Order::End(stuck));
    }

    /// Whatever there is of a slot that was not made to its end goes, and its ids are free after that.
    pub fn clear(&self, name: String, uid_base: Option<u32>) {
        let _ = self.orders.send(Order::Clear { name, uid_base });
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
    Clear {
        name: String,
        uid_base: Option<u32>,
    },
    /// The node stops: say when you get here.
    Tell(Sender<()>),
}

struct Dead {
    slot: Arc<Slot>,
    meter: Option<Arc<SandboxMeter>>,
    /// That its last reading cannot be kept is in the log.
    told: Cell<bool>,
}

struct Undertaker {
    cgroups: Arc<Cgroups>,
    directory: PathBuf,
    ledger: Arc<Ledger>,
    spool: Arc<Spool>,
}

impl Undertaker {
    fn serve(&self, orders: Receiver<Order>) {
        let (mut slow, mut stuck): (Vec<Dead>, Vec<Stuck>) = Default::default();
        loop {
            // One slot whose processes are slow to end must not keep the others waiting.
            slow.retain(|dead| !self.bury(dead, Duration::ZERO));
            stuck.retain(|stuck| !self.end(stuck));
            let order = match slow.is_empty() && stuck.is_empty() {
                true => orders.recv().map_err(|_| RecvTimeoutError::Disconnected),
                false => orders.recv_timeout(SLOW_AGAIN),
            };
            match order {
                Ok(Order::Bury(dead)) if self.bury(&dead, QUICK_WAIT) => {}
                Ok(Order::Bury(dead)) => slow.push(dead),
                Ok(Order::End(left)) => stuck.push(left),
                Ok(Order::Clear { name, uid_base }) => self.clear(&name, uid_base),
                Ok(Order::Tell(done)) => {
                    slow.drain(..).for_each(|dead| self.bury_at_last(&dead));
                    self.cgroups.leave();
                    // Whoever asked may have stopped waiting.
                    let _ = done.send(());
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    fn bury_at_last(&self, dead: &Dead) {
        if !self.bury(dead, END_WAIT) {
            tracing::error!(slot = dead.slot.name, "a slot's processes do not end, or its last reading cannot be kept");
        }
    }

    fn end(&self, stuck: &Stuck) -> bool {
        let ended = crate::recover::end_stuck(&self.directory, &self.cgroups, &self.spool, stuck);
        if ended {
            self.ledger.free(stuck.uid_base);
        }
        ended
    }

    fn clear(&self, name: &str, uid_base: Option<u32>) {
        match crate::recover::clear(&self.directory, &self.cgroups, name.as_ref(), true) {
            Ok(()) => self.ledger.free(uid_base),
            Err(error) => tracing::error!(slot = name, %error, "half a slot cannot be removed"),
        }
    }

    /// Removes what is left of a slot, if its processes end within `wait`. Its ids are free only then.
    fn bury(&self, dead: &Dead, wait: Duration) -> bool {
        let slot = &dead.slot;
        if !matches!(slot.wait_ended(wait), Ok(true)) {
            return false;
        }
        slot.cgroup.kill();
        // While its group is still there to say what the last of them used.
        if let Some(meter) = &dead.meter
            && let Err(error) = self.spool.end(meter.end(Counted::Yes))
        {
            // The slot stays: without the file it is the only trace of what was used, should this process end now.
            if !dead.told.replace(true) {
                tracing::error!(sandbox = %meter.sandbox, %error, "a sandbox's last reading cannot be kept; it is tried again");
            }
            return false;
        }
        match remove(&self.cgroups, &self.directory, &slot.name) {
            Ok(()) => self.ledger.free(slot.uid_base),
            Err(error) => tracing::error!(slot = slot.name, %error, "a slot's remains cannot be removed"),
        }
        true
    }
}

/// Removes the cgroup and the directory of a slot that has no processes.
pub fn remove(cgroups: &Cgroups, slots: &std::path::Path, name: &str) -> std::io::Result<()> {
    remove_group(cgroups, name)?;
    match std::fs::remove_dir_all(slots.join(name)) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Removes the cgroup of a slot that has no processes.
pub fn remove_group(cgroups: &Cgroups, name: &str) -> std::io::Result<()> {
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
