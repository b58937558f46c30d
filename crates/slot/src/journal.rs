//! What runs have said and the node has not confirmed: kept over the death of a node, given again to the next one.
//!
//! Messages of a run are numbered from 0. A node that comes back says from which number on it wants them; what it confirms is dropped.

use std::collections::{BTreeMap, VecDeque};

use madang_slot_api::{RunKept, RunNumber};

/// Bytes kept of one run; past it its pipes are no longer read, and its program waits.
const RUN_BYTES_MAX: usize = 256 << 10;
/// Runs whose messages are kept at once; one more is refused.
pub const RUNS_MAX: usize = 512;

/// One run's messages.
#[derive(Default)]
struct Kept {
    packets: VecDeque<Vec<u8>>,
    /// The number of the first in `packets`.
    first: u64,
    /// The number of the next to send.
    next: u64,
    bytes: usize,
    /// The present node listens.
    followed: bool,
    ended: bool,
}

impl Kept {
    fn drop_before(&mut self, number: u64) {
        while self.first < number
            && let Some(packet) = self.packets.pop_front()
        {
            self.bytes -= packet.len();
            self.first += 1;
        }
        self.next = self.next.max(self.first);
    }

    fn end(&self) -> u64 {
        self.first + self.packets.len() as u64
    }
}

/// All runs of the slot that are kept.
#[derive(Default)]
pub struct Journal {
    runs: BTreeMap<RunNumber, Kept>,
    /// Who was sent to last: everybody has a turn.
    turn: RunNumber,
}

impl Journal {
    /// Begins to keep what the run will say; false when there are too many.
    pub fn open(&mut self, run: RunNumber) -> bool {
        if self.runs.len() >= RUNS_MAX {
            return false;
        }
        self.runs.insert(run, Kept { followed: true, ..Kept::default() });
        true
    }

    pub fn keeps(&self, run: RunNumber) -> bool {
        self.runs.contains_key(&run)
    }

    pub fn push(&mut self, run: RunNumber, packet: Vec<u8>, last: bool) {
        if let Some(kept) = self.runs.get_mut(&run) {
            kept.bytes += packet.len();
            kept.packets.push_back(packet);
            kept.ended |= last;
        }
    }

    /// Whether more of the run may be read.
    pub fn has_room(&self, run: RunNumber) -> bool {
        self.runs.get(&run).is_none_or(|kept| kept.bytes <= RUN_BYTES_MAX)
    }

    /// A new node: it hears of no run that it has not asked for.
    pub fn unfollow(&mut self) {
        self.runs.values_mut().for_each(|kept| kept.followed = false);
    }

    /// The node has everything before `after` and wants what follows.
    pub fn resume(&mut self, run: RunNumber, after: u64) {
        if let Some(kept) = self.runs.get_mut(&run) {
            kept.drop_before(after);
            kept.next = kept.first;
            kept.followed = true;
        }
    }

    /// The node has everything before `upto`; beyond all that was said it means that nobody wants to hear of the run any more.
    pub fn confirm(&mut self, run: RunNumber, upto: u64) {
        let Some(kept) = self.runs.get_mut(&run) else { return };
        let unwanted = upto > kept.end();
        kept.drop_before(upto);
        if unwanted || (kept.ended && kept.packets.is_empty()) {
            self.runs.remove(&run);
        }
    }

    /// The next packet to send, whose turn it is.
    pub fn front(&self) -> Option<(RunNumber, &[u8])> {
        let waiting = |(&run, kept): (&RunNumber, &Kept)| (kept.followed && kept.next < kept.end()).then_some(run);
        let after = self.runs.range(self.turn.saturating_add(1)..).find_map(waiting);
        let run = after.or_else(|| self.runs.iter().find_map(waiting))?;
        let kept = &self.runs[&run];
        Some((run, &kept.packets[(kept.next - kept.first) as usize]))
    }

    pub fn sent(&mut self, run: RunNumber) {
        self.turn = run;
        if let Some(kept) = self.runs.get_mut(&run) {
            kept.next += 1;
        }
    }

    pub fn list(&self) -> Vec<RunKept> {
        self.runs.iter().map(|(&run, kept)| RunKept { run, first: kept.first, next: kept.end() }).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(journal: &mut Journal) -> Vec<(RunNumber, Vec<u8>)> {
        let mut all = Vec::new();
        while let Some((run, packet)) = journal.front().map(|(run, packet)| (run, packet.to_vec())) {
            journal.sent(run);
            all.push((run, packet));
        }
        all
    }

    #[test]
    fn what_is_not_confirmed_is_said_again_to_the_next_node_and_nothing_twice() {
        let mut journal = Journal::default();
        assert!(journal.open(7));
        for packet in [b"a", b"b", b"c"] {
            journal.push(7, packet.to_vec(), false);
        }
        assert_eq!(said(&mut journal).len(), 3);
        journal.confirm(7, 1);
        journal.unfollow();
        assert_eq!(said(&mut journal), []);
        assert_eq!(journal.list(), [RunKept { run: 7, first: 1, next: 3 }]);
        journal.resume(7, 2);
        assert_eq!(said(&mut journal), [(7, b"c".to_vec())]);
        journal.push(7, b"d".to_vec(), true);
        assert_eq!(said(&mut journal), [(7, b"d".to_vec())]);
        journal.confirm(7, 4);
        assert!(!journal.keeps(7));
    }

    #[test]
    fn one_that_says_much_waits_and_lets_others_speak() {
        let mut journal = Journal::default();
        assert!(journal.open(1) && journal.open(2));
        while journal.has_room(1) {
            journal.push(1, vec![0; 32 << 10], false);
        }
        journal.push(2, b"x".to_vec(), false);
        let order: Vec<_> = said(&mut journal).into_iter().map(|(run, _)| run).take(3).collect();
        assert!(order.contains(&2), "{order:?}");
        assert!(journal.has_room(2) && !journal.has_room(1));
        journal.confirm(1, 9);
        assert!(journal.has_room(1));
    }

    #[test]
    fn a_run_that_nobody_wants_is_not_kept() {
        let mut journal = Journal::default();
        assert!(journal.open(1));
        journal.confirm(1, u64::MAX);
        assert!(!journal.keeps(1));
        journal.push(1, b"x".to_vec(), true);
        assert_eq!(journal.list(), []);
        assert!((0..RUNS_MAX as u32).all(|run| journal.open(run)));
        assert!(!journal.open(RUNS_MAX as u32));
    }
}
