//! Nodes in the order in which they are looked at: a lane for each thing that a session may look for, sorted by free processors.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use madang_ids::NodeId;
use serde::{Deserialize, Serialize};

use crate::hash::{IdMap, IdSet};
use crate::node::{Member, pool_key};
use crate::want::{Amount, Session};

/// Which of the nodes with room is taken.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Spreading {
    /// The fullest that has room: others stay empty for large sessions.
    #[default]
    Pack,
    /// The emptiest.
    Spread,
    /// One after another.
    RoundRobin,
}

/// Which nodes are asked first.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Prefer {
    Nothing,
    /// Those that have the image.
    Image,
    /// Those that have a slot waiting, then those that have the image.
    #[default]
    Warm,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Lane {
    /// Without accelerators: what needs none leaves the others alone.
    Plain,
    Accelerated,
    Kind(String),
    Image(String),
    Pool(String),
}

/// Open nodes only; a node is in every lane that it belongs to.
#[derive(Debug, Clone, Default)]
pub(crate) struct Index {
    /// With all that is free there: most nodes that are full are passed without a look at them.
    lanes: HashMap<Lane, BTreeMap<(u64, NodeId), Amount>>,
    /// Where each node stands.
    places: IdMap<NodeId, (u64, Vec<Lane>)>,
    /// The node that round robin took last.
    last: Option<NodeId>,
}

impl Index {
    /// A node has more or less room than before.
    pub fn set(&mut self, member: &Member) {
        let amount = member.free.amount;
        let free = amount.cpu_millis;
        if let Some((before, lanes)) = self.places.get_mut(&member.id) {
            let place = (std::mem::replace(before, free), member.id);
            for lane in lanes.iter() {
                let Some(nodes) = self.lanes.get_mut(lane) else { continue };
                nodes.remove(&place);
                nodes.insert((free, member.id), amount);
            }
        } else if member.open() {
            let lanes = lanes(member);
            for lane in &lanes {
                self.lanes.entry(lane.clone()).or_default().insert((free, member.id), amount);
            }
            self.places.insert(member.id, (free, lanes));
        }
    }

    /// The node is to be put into other lanes at the next [`Index::set`]: it was told anew, or a pool of it is empty now.
    pub fn relane(&mut self, id: NodeId) {
        self.remove(id);
    }

    pub fn remove(&mut self, id: NodeId) {
        let Some((free, lanes)) = self.places.remove(&id) else { return };
        for lane in lanes {
            if let Some(nodes) = self.lanes.get_mut(&lane) {
                nodes.remove(&(free, id));
                if nodes.is_empty() {
                    self.lanes.remove(&lane);
                }
            }
        }
    }

    pub fn took(&mut self, id: NodeId) {
        self.last = Some(id);
    }

    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// Nodes with so much free, best first, each once; whether they have the accelerators is not known.
    pub fn candidates<'a>(
        &'a self,
        session: &'a Session,
        spreading: Spreading,
        prefer: Prefer,
    ) -> impl Iterator<Item = NodeId> + 'a {
        let lanes = self.looked_at(session, prefer);
        let mut seen = IdSet::default();
        let nodes = lanes.into_iter().flat_map(move |lane| self.walk(&lane, spreading, session.want.amount));
        nodes.filter(move |id| seen.insert(*id))
    }

    fn looked_at(&self, session: &Session, prefer: Prefer) -> Vec<Lane> {
        let image = || Lane::Image(session.image.clone());
        let mut lanes = match prefer {
            Prefer::Nothing => vec![],
            Prefer::Image => vec![image()],
            Prefer::Warm => vec![Lane::Pool(pool_key(&session.image, &session.language)), image()],
        };
        match session.want.devices.first() {
            Some(device) => lanes.push(Lane::Kind(device.kind.clone())),
            None => lanes.extend([Lane::Plain, Lane::Accelerated]),
        }
        lanes
    }

    fn walk(&self, lane: &Lane, spreading: Spreading, want: Amount) -> Box<dyn Iterator<Item = NodeId> + '_> {
        let Some(nodes) = self.lanes.get(lane) else { return Box::new(std::iter::empty()) };
        let roomy = nodes.range((want.cpu_millis, NodeId::MIN)..).filter(move |(_, free)| free.holds(&want));
        let roomy = roomy.map(|((_, id), _)| *id);
        match (spreading, self.last) {
            (Spreading::Pack, _) => Box::new(roomy),
            (Spreading::Spread, _) => Box::new(roomy.rev()),
            (Spreading::RoundRobin, last) => {
                let mut ids: Vec<_> = roomy.collect();
                ids.sort_unstable();
                let from = last.map_or(0, |last| ids.partition_point(|id| *id <= last));
                ids.rotate_left(from);
                Box::new(ids.into_iter())
            }
        }
    }
}

fn lanes(member: &Member) -> Vec<Lane> {
    let node = &member.node;
    let kinds: BTreeSet<_> = node.devices.iter().map(|device| device.kind.clone()).collect();
    let mut lanes = vec![if kinds.is_empty() { Lane::Plain } else { Lane::Accelerated }];
    lanes.extend(node.images.iter().cloned().map(Lane::Image));
    let warm = node.pools.keys().filter(|key| member.pool_ready(key) > 0);
    lanes.extend(warm.cloned().map(Lane::Pool));
    lanes.extend(kinds.into_iter().map(Lane::Kind));
    lanes
}
