//! What a queued session waits for, and when it may start.

use std::{
    collections::{BTreeSet, BinaryHeap},
    fmt,
    ops::Range,
};

use madang_ids::{NodeId, SessionId};
use serde::{Deserialize, Serialize};

use crate::{
    Group,
    node::Member,
    preempt::Spots,
    room::Room,
    want::{Amount, GangMode, Session},
};

/// Nodes looked at to say when there will be room.
const NODES_MAX: usize = 256;
/// Sandboxes of one gang that one node is asked about.
const GANG_MAX: u32 = 64;

/// How a queued session stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wait {
    /// 1: it is next. None while it waits for other sessions.
    pub position: Option<usize>,
    pub reason: Reason,
    /// When it may start if everything that runs ends as late as it may; earlier if something ends earlier. None: not known.
    pub may_start_ms: Option<u64>,
}

/// What a session waits for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum Reason {
    /// For these to end well.
    Dependency { sessions: BTreeSet<SessionId> },
    /// The group has no node that takes anything.
    NoNode,
    /// No node has so much free: what is short, and the most that a node has.
    Room { short: Vec<String> },
    /// There is room, but it is promised: to a reservation or to the head of the queue.
    Promised,
    /// It is being made room for: lower work is ending.
    Preempting,
    /// Somebody who was there before.
    Turn,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dependency { sessions } => {
                let names: Vec<_> = sessions.iter().map(ToString::to_string).collect();
                write!(f, "it waits for the end of {}", names.join(", "))
            }
            Self::NoNode => f.write_str("no node of the resource group takes anything now"),
            Self::Room { short } => write!(f, "no node has enough free: {}", short.join("; ")),
            Self::Promised => f.write_str("the room there is has been promised to others"),
            Self::Preempting => f.write_str("work of lower priority is ending to make room for it"),
            Self::Turn => f.write_str("others are before it"),
        }
    }
}

impl Group {
    /// How a queued session stands; none for one that is not queued.
    pub fn wait(&self, id: SessionId, now_ms: u64) -> Option<Wait> {
        let session = self.waiting(id)?;
        if !session.depends_on.is_empty() {
            let reason = Reason::Dependency { sessions: session.depends_on.clone() };
            return Some(Wait { position: None, reason, may_start_ms: None });
        }
        let position = self.forecast().iter().position(|other| *other == id).map(|index| index + 1);
        let head = self.head.as_ref().filter(|head| head.session == id);
        let promised = head.and_then(|head| head.promised_ms);
        let may_start_ms = promised.or_else(|| self.earliest(session, now_ms).map(|(at, _)| at));
        Some(Wait { position, reason: self.reason(session, now_ms), may_start_ms })
    }

    /// Everybody who waits for nobody but the queue, in order.
    pub fn forecast(&self) -> Vec<SessionId> {
        self.queue.forecast(&self.shares, |id| self.waiting(id))
    }

    /// Why a session that is not queued yet would wait; none if it could start at once.
    pub fn why_not(&self, session: &Session, now_ms: u64) -> Option<Reason> {
        (self.find(session, now_ms).is_none() || self.head.is_some()).then(|| self.reason(session, now_ms))
    }

    /// Why a session could not start here even if nothing else were there; none as long as no node takes anything: some may come.
    pub fn why_never(&self, session: &Session) -> Option<String> {
        if self.index.is_empty() || self.could_ever_fit(session) {
            return None;
        }
        let members = self.members.values().filter(|member| member.suits(session));
        let short = short(session, members.map(Member::whole));
        Some(format!("no node of the resource group is large enough, or has what it asks for: {}", short.join("; ")))
    }

    fn reason(&self, session: &Session, now_ms: u64) -> Reason {
        let head = self.head.as_ref().is_some_and(|head| head.session == session.id);
        if head && !self.leaving.is_empty() {
            return Reason::Preempting;
        }
        if self.index.is_empty() {
            return Reason::NoNode;
        }
        if self.find(session, now_ms).is_some() {
            return Reason::Turn;
        }
        let members = self.members.values().filter(|member| member.open() && member.suits(session));
        let short = short(session, members.map(|member| member.free.clone()));
        if short.is_empty() { Reason::Promised } else { Reason::Room { short } }
    }

    /// When and where there is room at the latest, as far as is known.
    pub(crate) fn earliest(&self, session: &Session, now_ms: u64) -> Option<(u64, Spots)> {
        let members = self.members.values().filter(|member| member.open() && member.suits(session));
        let members =
            members.filter(|member| member.has_kinds(session) && member.node.capacity.holds(&session.want.amount));
        let members = members.take(NODES_MAX);
        let size = session.gang.size;
        if size == 1 || session.gang.mode == GangMode::SingleNode {
            let mut best: Option<(u64, NodeId)> = None;
            for member in members {
                let before_ms = best.map_or(u64::MAX, |(at, _)| at);
                let at = earliest_on(member, session, size, now_ms..before_ms);
                best = at.map(|at| (at, member.id)).or(best);
            }
            return best.map(|(at, node)| (at, vec![(node, size)]));
        }
        // The first so many of all nodes, the last of them on top.
        let mut first: BinaryHeap<(u64, NodeId)> = BinaryHeap::new();
        for member in members {
            for need in 1..=size.min(GANG_MAX) {
                let full = first.len() == size as usize;
                let before_ms = first.peek().filter(|_| full).map_or(u64::MAX, |(at, _)| *at);
                let Some(at) = earliest_on(member, session, need, now_ms..before_ms) else { break };
                first.push((at, member.id));
                if full {
                    first.pop();
                }
            }
        }
        let times = first.into_sorted_vec();
        let last = times.last().filter(|_| times.len() == size as usize)?.0;
        let mut spots = Spots::new();
        for (_, node) in times {
            match spots.iter_mut().find(|(known, _)| *known == node) {
                Some((_, count)) => *count += 1,
                None => spots.push((node, 1)),
            }
        }
        Some((last, spots))
    }
}

/// When there is room for so many on the node, if that is within the time.
fn earliest_on(member: &Member, session: &Session, need: u32, within_ms: Range<u64>) -> Option<u64> {
    let ends = member.holdings.values().map(|holding| holding.ends_ms);
    let own = crate::promise::PromisedTo::Session(session.id);
    let promises = member.promises.iter().filter(|promise| promise.to != own).map(|promise| promise.ends_ms);
    let now_ms = within_ms.start;
    let fits = |at: u64| {
        let asks = crate::promise::Asks {
            session: Some(session.id),
            reservation: None,
            size: need,
            from_ms: at,
            until_ms: session.ends_ms(at),
        };
        member.room_for_without(&asks, |holding| holding.ends_ms <= at).times(&session.want, need) >= need
    };
    if within_ms.is_empty() || member.promises.is_empty() && !fits(within_ms.end - 1) {
        // Where nothing is promised room only grows.
        return None;
    }
    let mut times: Vec<_> = ends.chain(promises).filter(|at| within_ms.contains(at)).collect();
    times.push(now_ms);
    times.sort_unstable();
    times.dedup();
    if member.promises.is_empty() {
        // Room only grows, so it can be halved for.
        let first = times.partition_point(|at| !fits(*at));
        return times.get(first).copied();
    }
    times.into_iter().find(|at| fits(*at))
}

/// What is short on every node that would suit, with the most that one has.
fn short(session: &Session, rooms: impl Iterator<Item = Room>) -> Vec<String> {
    let mut most = Amount::default();
    let (mut nodes, mut fits) = (0_u32, false);
    let mut devices: Vec<u64> = vec![0; session.want.devices.len()];
    let want = &session.want;
    for free in rooms {
        nodes += 1;
        most.cpu_millis = most.cpu_millis.max(free.amount.cpu_millis);
        most.memory_bytes = most.memory_bytes.max(free.amount.memory_bytes);
        most.disk_bytes = most.disk_bytes.max(free.amount.disk_bytes);
        for (most, want) in devices.iter_mut().zip(&want.devices) {
            *most = (*most).max(free.most_of(want));
        }
        fits |= free.times(want, session.gang.size) >= session.gang.size;
    }
    if nodes == 0 {
        return vec!["no node has the labels or the language it asks for".into()];
    }
    if fits {
        return Vec::new();
    }
    let mut short = Vec::new();
    let mut say = |name: &str, wanted: u64, most: u64| {
        if most < wanted {
            short.push(format!("{name}: {wanted} wanted, {most} at most"));
        }
    };
    say("cpu_millis", want.amount.cpu_millis, most.cpu_millis);
    say("memory_bytes", want.amount.memory_bytes, most.memory_bytes);
    say("disk_bytes", want.amount.disk_bytes, most.disk_bytes);
    for (most, want) in devices.iter().zip(&want.devices) {
        say(&format!("{} (thousandths)", want.kind), want.millis, *most);
    }
    if short.is_empty() {
        let size = session.gang.size;
        short.push(if size > 1 { format!("{size} sandboxes at once") } else { "all of it on one node".into() });
    }
    short
}
