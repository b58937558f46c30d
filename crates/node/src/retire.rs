//! The thread that takes slots apart: kill, wait, remove what they leave.

use std::{
    path::PathBuf,
    sync::{
        Arc,
        mpsc::{Receiver, Sender, channel},
    },
    time::Duration,
};

use madang_sandbox::{Cgroups, Slot};

use crate::ledger::Ledger;

/// A kernel that cannot end a slot's processes in this time has other troubles; we look again later.
const END_WAIT: Duration = Duration::from_secs(10);
const REMOVE_TRIES: u32 = 50;

/// A handle to the thread. Unbounded: what waits here are things that exist and must go, refusing them would leak them.
#[derive(Debug, Clone)]
pub struct Retirement {
    orders: Sender<Order>,
}

impl Retirement {
    pub fn start(cgroups: Arc<Cgroups>, directory: PathBuf, ledger: Arc<Ledger>) -> std::io::Result<Self> {
        let (orders, receive) = channel();
        let undertaker = Undertaker { cgroups, directory, ledger };
        std::thread::Builder::new().name("slot-retirement".to_owned()).spawn(move || undertaker.serve(receive))?;
        Ok(Self { orders })
    }

    /// The slot ends now; its remains go soon.
    pub fn retire(&self, slot: Arc<Slot>) {
        slot.kill();
        // The thread lives as long as the node does.
        let _ = self.orders.send(Order::Bury(slot));
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
    Bury(Arc<Slot>),
    Clear {
        name: String,
        uid_base: Option<u32>,
    },
    /// The node stops: say when you get here.
    Tell(Sender<()>),
}

struct Undertaker {
    cgroups: Arc<Cgroups>,
    directory: PathBuf,
    ledger: Arc<Ledger>,
}

impl Undertaker {
    fn serve(&self, orders: Receiver<Order>) {
        for order in orders {
            match order {
                Order::Bury(slot) => self.bury(slot),
                Order::Clear { name, uid_base } => self.clear(&name, uid_base),
                Order::Tell(done) => {
                    self.cgroups.leave();
                    // Whoever asked may have stopped waiting.
                    let _ = done.send(());
                }
            }
        }
    }

    fn clear(&self, name: &str, uid_base: Option<u32>) {
        match crate::recover::clear(&self.directory, &self.cgroups, name.as_ref(), true) {
            Ok(()) => self.ledger.free(uid_base),
            Err(error) => tracing::error!(slot = name, %error, "half a slot cannot be removed"),
        }
    }

    fn bury(&self, slot: Arc<Slot>) {
        let (name, uid_base) = (slot.name.clone(), slot.uid_base);
        if !matches!(slot.wait_ended(END_WAIT), Ok(true)) {
            tracing::error!(slot = name, "a slot's processes do not end");
        }
        slot.cgroup.kill();
        if let Err(error) = remove(&self.cgroups, &self.directory, &name) {
            tracing::error!(slot = name, %error, "a slot's remains cannot be removed");
            return;
        }
        self.ledger.free(uid_base);
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
