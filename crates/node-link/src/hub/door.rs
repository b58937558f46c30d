//! The doors of the hub: one for each connection. Whoever has not shown who he is has a place among few, for a short time, and may send
//! little; a node has a few connections, which end with its membership.

use std::{
    collections::{BTreeMap, HashMap},
    net::IpAddr,
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicU8, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use futures_util::task::AtomicWaker;
use madang_ids::NodeId;
use tokio::time::Instant;

/// Connections of strangers: each could be anybody's. One more, and one of the address that has the most goes.
const STRANGERS_MAX: usize = 256;
/// A stranger younger than this does not make way for another of its own address: a crowd that dials at once gets on.
const YOUNG: Duration = Duration::from_secs(1);
/// Connections of one node: its link, one that takes its place, and those that it has not noticed to be dead. One more, and the oldest goes.
const NODE_CONNECTIONS_MAX: usize = 4;

/// Where a connection comes from, as far as it tells who it may be: whoever has an IPv6 address has 2^64 of them.
pub(super) type Origin = Option<IpAddr>;

pub(super) fn origin(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6((address.to_bits() >> 64 << 64).into()),
        address @ IpAddr::V4(_) => address,
    }
}

/// How far a connection has come. It only ever goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(super) enum Stage {
    /// It has asked for nothing yet.
    Silent,
    Asked,
    /// A node's.
    Known,
    Shut,
}

/// One connection's.
#[derive(Debug)]
pub(super) struct Door {
    number: u64,
    pub from: Origin,
    since: Instant,
    stage: AtomicU8,
    waker: AtomicWaker,
    node: OnceLock<NodeId>,
}

impl Door {
    pub fn stage(&self) -> Stage {
        match self.stage.load(Ordering::Acquire) {
            0 => Stage::Silent,
            1 => Stage::Asked,
            2 => Stage::Known,
            _ => Stage::Shut,
        }
    }

    pub fn is(&self, stage: Stage) {
        self.stage.fetch_max(stage as u8, Ordering::AcqRel);
        self.waker.wake();
    }

    /// Whose connection it is, once it was let in.
    pub fn node(&self) -> Option<NodeId> {
        self.node.get().copied()
    }

    pub fn is_of(&self, node: NodeId) {
        // A certificate has one owner.
        let _ = self.node.set(node);
        self.is(Stage::Known);
    }

    /// The stage, and that the task is woken when it changes.
    pub fn poll_stage(&self, cx: &Context<'_>) -> Stage {
        self.waker.register(cx.waker());
        self.stage()
    }

    pub async fn shut(&self) {
        std::future::poll_fn(|cx| if self.poll_stage(cx) == Stage::Shut { Poll::Ready(()) } else { Poll::Pending })
            .await;
    }
}

/// A place at the doors, until it is dropped.
#[derive(Debug)]
pub(super) struct Pass {
    doors: Arc<Doors>,
    pub door: Arc<Door>,
}

impl Drop for Pass {
    fn drop(&mut self) {
        self.doors.lock().forget(self.door.number);
    }
}

#[derive(Debug, Default)]
pub(super) struct Doors(Mutex<Table>);

#[derive(Debug, Default)]
struct Table {
    last: u64,
    /// In the order of their coming.
    strangers: BTreeMap<u64, Arc<Door>>,
    nodes: BTreeMap<u64, Guest>,
}

#[derive(Debug)]
struct Guest {
    node: NodeId,
    print: String,
    door: Arc<Door>,
}

impl Doors {
    /// A place for a stranger; none while there are too many like it.
    pub fn enter(self: &Arc<Self>, from: Origin) -> Option<Pass> {
        let mut table = self.lock();
        if table.strangers.len() >= STRANGERS_MAX {
            table.make_way(from)?;
        }
        table.last += 1;
        let (number, since) = (table.last, Instant::now());
        let (stage, waker) = (AtomicU8::new(Stage::Silent as u8), AtomicWaker::new());
        let door = Arc::new(Door { number, from, since, stage, waker, node: OnceLock::new() });
        table.strangers.insert(number, Arc::clone(&door));
        Some(Pass { doors: Arc::clone(self), door })
    }

    /// A node has shown this certificate. From now on [`Doors::shut_of`] finds the connection.
    pub fn known(&self, door: &Arc<Door>, node: NodeId, print: &str) {
        let mut table = self.lock();
        // It may have gone meanwhile.
        if table.strangers.remove(&door.number).is_none() {
            return;
        }
        let guest = Guest { node, print: print.to_owned(), door: Arc::clone(door) };
        table.nodes.insert(door.number, guest);
        let of: Vec<_> = table.nodes.iter().filter(|(_, guest)| guest.node == node).map(|(n, _)| *n).collect();
        for number in of.iter().take(of.len().saturating_sub(NODE_CONNECTIONS_MAX)) {
            if let Some(oldest) = table.nodes.remove(number) {
                oldest.door.is(Stage::Shut);
            }
        }
    }

    pub fn shut_of(&self, node: NodeId) {
        self.lock().nodes.values().filter(|guest| guest.node == node).for_each(|guest| guest.door.is(Stage::Shut));
    }

    /// Every node that is in, by the certificate that it has shown.
    pub fn guests(&self) -> HashMap<String, NodeId> {
        self.lock().nodes.values().map(|guest| (guest.print.clone(), guest.node)).collect()
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Table {
    fn forget(&mut self, number: u64) {
        self.strangers.remove(&number);
        self.nodes.remove(&number);
    }

    /// Shuts the oldest of the largest crowd.
    fn make_way(&mut self, from: Origin) -> Option<()> {
        let mut crowds: HashMap<Origin, usize> = HashMap::new();
        self.strangers.values().for_each(|door| *crowds.entry(door.from).or_default() += 1);
        let most = crowds.values().copied().max()?;
        // Of two crowds of one size the newcomer's own makes way.
        let own = crowds.get(&from).is_some_and(|count| *count == most);
        let crowd = if own { from } else { *crowds.iter().find(|(_, count)| **count == most)?.0 };
        let oldest = self.strangers.values().find(|door| door.from == crowd).cloned()?;
        if own && oldest.since.elapsed() < YOUNG {
            return None;
        }
        oldest.is(Stage::Shut);
        self.strangers.remove(&oldest.number);
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(last: u8) -> Origin {
        Some(IpAddr::from([192, 0, 2, last]))
    }

    fn fill(doors: &Arc<Doors>, from: Origin) -> Vec<Pass> {
        (0..STRANGERS_MAX).map(|_| doors.enter(from).unwrap()).collect()
    }

    #[test]
    fn a_crowd_of_one_address_keeps_nobody_else_out() {
        // Once more where the crowd grew old while the machine stood still.
        let first = Instant::now();
        let (doors, crowd) = loop {
            assert!(first.elapsed() < 100 * YOUNG, "the machine stands still again and again");
            let (doors, began) = (Arc::new(Doors::default()), Instant::now());
            let crowd = fill(&doors, address(1));
            let is_out = doors.enter(address(1)).is_none();
            if began.elapsed() < YOUNG {
                assert!(is_out, "of the crowd itself no more come in");
                break (doors, crowd);
            }
        };
        let others: Vec<_> = (2..200).map(|last| doors.enter(address(last)).expect("another gets in")).collect();
        let shut = crowd.iter().filter(|pass| pass.door.stage() == Stage::Shut).count();
        assert_eq!(shut, others.len());
        assert!(others.iter().all(|pass| pass.door.stage() == Stage::Silent));
        drop(crowd);
        assert_eq!(doors.lock().strangers.len(), others.len());
    }

    #[test]
    fn nodes_take_no_strangers_place_and_have_few_connections() {
        let (doors, node) = (Arc::new(Doors::default()), NodeId::new());
        let mut passes = Vec::new();
        for _ in 0..NODE_CONNECTIONS_MAX + 2 {
            let pass = doors.enter(address(1)).unwrap();
            doors.known(&pass.door, node, "print");
            pass.door.is_of(node);
            passes.push(pass);
        }
        let stages: Vec<_> = passes.iter().map(|pass| pass.door.stage()).collect();
        assert_eq!(stages[..2], [Stage::Shut; 2]);
        assert_eq!(stages[2..], [Stage::Known; NODE_CONNECTIONS_MAX]);
        assert!(doors.lock().strangers.is_empty());
        doors.shut_of(node);
        assert!(passes.iter().all(|pass| pass.door.stage() == Stage::Shut));
    }

    #[test]
    fn a_network_of_one_owner_is_one_origin() {
        let [one, other, foreign] =
            ["2001:db8::1", "2001:db8::2:3", "2001:db8:0:1::1"].map(|text| origin(text.parse().unwrap()));
        assert_eq!(one, other);
        assert_ne!(one, foreign);
        assert_eq!(origin("::ffff:192.0.2.1".parse().unwrap()), IpAddr::from([192, 0, 2, 1]));
    }
}
