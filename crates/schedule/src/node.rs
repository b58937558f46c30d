//! A node as the scheduler knows it: what it has, who holds what of it, what is promised of it.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use madang_ids::{NodeId, ReservationId, SessionId};
use serde::{Deserialize, Serialize};

use crate::{
    promise::Promise,
    room::{Device, Grant, Room},
    want::{Amount, Session},
};

/// Whether something may be placed on a node.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NodeState {
    #[default]
    Schedulable,
    /// What is there stays, nothing comes.
    Cordoned,
    /// Nothing comes, and what is there is to go.
    Draining,
    /// Says nothing; nothing comes.
    Silent,
}

/// A node.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Node {
    pub state: NodeState,
    pub capacity: Amount,
    pub devices: Vec<Device>,
    pub labels: BTreeMap<String, String>,
    pub images: BTreeSet<String>,
    /// Empty: not known, any may run.
    pub languages: BTreeSet<String>,
    /// Slots that wait, by [`pool_key`].
    pub pools: BTreeMap<String, u64>,
}

/// The name of a warm pool.
#[must_use]
pub fn pool_key(image: &str, language: &str) -> String {
    format!("{image}/{language}")
}

/// What one sandbox of a session holds of a node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holding {
    pub session: SessionId,
    pub owner: String,
    pub priority: i64,
    pub preemptible: bool,
    pub amount: Amount,
    pub grants: Vec<Grant>,
    pub reservation: Option<ReservationId>,
    pub since_ms: u64,
    /// It is gone by then at the latest.
    pub ends_ms: u64,
}

impl Holding {
    pub(crate) fn new(session: &Session, grants: Vec<Grant>, now_ms: u64) -> Self {
        Self {
            session: session.id,
            owner: session.owner.clone(),
            priority: session.priority,
            preemptible: session.preemptible,
            amount: session.want.amount,
            grants,
            reservation: session.reservation,
            since_ms: now_ms,
            ends_ms: session.ends_ms(now_ms),
        }
    }
}

/// A node with all that concerns it.
#[derive(Debug, Clone)]
pub(crate) struct Member {
    pub id: NodeId,
    pub node: Node,
    devices: Vec<Arc<Device>>,
    /// By session and number of the sandbox in its gang.
    pub holdings: BTreeMap<(SessionId, u32), Holding>,
    pub promises: Vec<Promise>,
    /// Slots of its pools that were given away since it last told.
    pub pools_used: BTreeMap<String, u64>,
    /// Derived from `holdings` at each change of them.
    pub free: Room,
    /// When something there last became free, as a count of such events.
    pub opened: u64,
}

impl Member {
    pub fn new(id: NodeId, node: Node) -> Self {
        let (holdings, promises, pools_used, free, opened, devices) = Default::default();
        let mut member = Self { id, node: Node::default(), devices, holdings, promises, pools_used, free, opened };
        member.node_set(node);
        member
    }

    pub fn node_set(&mut self, node: Node) {
        self.devices = node.devices.iter().cloned().map(Arc::new).collect();
        self.node = node;
        self.pools_used.clear();
        self.sum_up();
    }

    /// All of it.
    pub fn whole(&self) -> Room {
        Room::whole(self.node.capacity, &self.devices)
    }

    /// Sums up anew what is free.
    pub fn sum_up(&mut self) {
        self.free = self.room_without(|_| false);
    }

    /// The room there would be without some of the holdings.
    pub fn room_without(&self, gone: impl Fn(&Holding) -> bool) -> Room {
        let mut room = self.whole();
        for holding in self.holdings.values().filter(|holding| !gone(holding)) {
            room.hold(&holding.amount, &holding.grants);
        }
        room
    }

    /// Whether the session could ever be here, for all but room.
    pub fn suits(&self, session: &Session) -> bool {
        let labels = session.labels.iter().all(|(name, value)| self.node.labels.get(name) == Some(value));
        let languages = &self.node.languages;
        labels && (session.language.is_empty() || languages.is_empty() || languages.contains(&session.language))
    }

    pub fn open(&self) -> bool {
        self.node.state == NodeState::Schedulable
    }

    pub fn pool_ready(&self, key: &str) -> u64 {
        let used = self.pools_used.get(key).copied().unwrap_or(0);
        self.node.pools.get(key).copied().unwrap_or(0).saturating_sub(used)
    }

    /// How many devices or shares of them are of a kind at all.
    pub fn has_kinds(&self, session: &Session) -> bool {
        let kinds = session.want.devices.iter();
        kinds.into_iter().all(|want| self.node.devices.iter().any(|device| device.kind == want.kind))
    }
}
