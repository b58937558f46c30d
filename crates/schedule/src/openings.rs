//! What did not fit, and which nodes have become emptier since: so that a full group is not searched again for each that waits.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use madang_ids::NodeId;

use crate::want::Shape;

/// With more nodes that became emptier all are looked at, in their order.
const NODES_MAX: usize = 32;

/// A shape that somebody who waits has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ShapeId(usize);

/// Where to look for room.
pub(crate) enum Since {
    /// Everywhere.
    Unknown,
    /// Only here; elsewhere it did not fit and nothing has become free.
    Nodes(Vec<NodeId>),
}

/// Up to when it is known that a shape fits nowhere.
#[derive(Debug, Clone, Copy)]
struct Failed {
    opened: u64,
    /// Promises as they were then; they bind whoever lasts at least so long.
    promises: u64,
    lasts_ms: u64,
}

#[derive(Debug, Clone)]
struct Known {
    shape: Arc<Shape>,
    users: usize,
    failed: Option<Failed>,
}

#[derive(Debug, Clone, Default)]
pub(crate) struct Openings {
    opened: u64,
    promises: u64,
    /// Nodes by when they last became emptier.
    nodes: BTreeMap<u64, NodeId>,
    ids: HashMap<Arc<Shape>, usize>,
    shapes: Vec<Option<Known>>,
    unused: Vec<usize>,
}

impl Openings {
    /// A node became emptier; returns when, for the next time.
    pub fn opened(&mut self, node: NodeId, before: u64) -> u64 {
        self.nodes.remove(&before);
        self.opened += 1;
        self.nodes.insert(self.opened, node);
        self.opened
    }

    pub fn remove(&mut self, opened: u64) {
        self.nodes.remove(&opened);
    }

    /// A promise was dropped: what it held back may fit now.
    pub fn promise_dropped(&mut self) {
        self.promises += 1;
    }

    pub fn shape_add(&mut self, shape: Shape) -> ShapeId {
        if let Some(id) = self.ids.get(&shape) {
            if let Some(Some(known)) = self.shapes.get_mut(*id) {
                known.users += 1;
            }
            return ShapeId(*id);
        }
        let shape = Arc::new(shape);
        let known = Some(Known { shape: Arc::clone(&shape), users: 1, failed: None });
        let id = self.unused.pop().unwrap_or(self.shapes.len());
        if id == self.shapes.len() {
            self.shapes.push(known);
        } else {
            self.shapes[id] = known;
        }
        self.ids.insert(shape, id);
        ShapeId(id)
    }

    pub fn shape_drop(&mut self, ShapeId(id): ShapeId) {
        let Some(Some(known)) = self.shapes.get_mut(id) else { return };
        known.users -= 1;
        if known.users == 0 {
            self.ids.remove(&known.shape);
            self.shapes[id] = None;
            self.unused.push(id);
        }
    }

    pub fn since(&self, ShapeId(id): ShapeId, lasts_ms: u64) -> Since {
        let Some(failed) = self.shapes[id].as_ref().and_then(|known| known.failed) else { return Since::Unknown };
        if failed.lasts_ms > 0 && (failed.promises != self.promises || lasts_ms < failed.lasts_ms) {
            return Since::Unknown;
        }
        if failed.opened == self.opened {
            return Since::Nodes(Vec::new());
        }
        let nodes: Vec<_> = self.nodes.range(failed.opened + 1..).take(NODES_MAX + 1).map(|(_, id)| *id).collect();
        if nodes.len() > NODES_MAX { Since::Unknown } else { Since::Nodes(nodes) }
    }

    /// It does not fit now: by free room alone if `lasts_ms` is 0, else because of promises if it lasts so long.
    pub fn failed(&mut self, ShapeId(id): ShapeId, lasts_ms: u64) {
        let (opened, promises) = (self.opened, self.promises);
        if let Some(Some(known)) = self.shapes.get_mut(id) {
            known.failed = Some(Failed { opened, promises, lasts_ms });
        }
    }

    /// It fits no better than before.
    pub fn failed_still(&mut self, ShapeId(id): ShapeId) {
        let opened = self.opened;
        if let Some(Some(Known { failed: Some(failed), .. })) = self.shapes.get_mut(id) {
            failed.opened = opened;
        }
    }
}
