//! Ending batch work of lower priority for what does not fit: as little as does it, the least important first.

use std::{cmp::Reverse, collections::BTreeSet};

use madang_ids::{NodeId, SessionId};

use crate::{
    Group,
    node::Member,
    promise::Asks,
    want::{GangMode, Session},
};

/// Nodes that are looked at for one session.
const NODES_MAX: usize = 128;

/// Nodes and how many sandboxes each would take.
pub(crate) type Spots = Vec<(NodeId, u32)>;

/// What one node could give.
struct Offer {
    node: NodeId,
    fits: u32,
    victims: Vec<SessionId>,
    /// The most important of them.
    priority: i64,
}

impl Group {
    /// Whom to end so that the session fits, and where it then goes.
    pub(crate) fn victims(&self, session: &Session, now_ms: u64) -> Option<(Spots, BTreeSet<SessionId>)> {
        if self.preemptible.first().is_none_or(|(lowest, _)| *lowest >= session.priority) {
            return None;
        }
        let size = session.gang.size;
        let members = self.members.values().filter(|member| member.open() && member.suits(session));
        let worth = members.filter(|member| member.has_kinds(session) && has_victims(member, session)).take(NODES_MAX);
        let mut offers: Vec<_> = worth.filter_map(|member| offer(member, session, size, now_ms)).collect();
        offers.sort_by_key(|offer| (offer.priority, offer.victims.len(), Reverse(offer.fits), offer.node));
        if session.gang.mode == GangMode::SingleNode {
            let offer = offers.into_iter().find(|offer| offer.fits >= size)?;
            return Some((vec![(offer.node, size)], offer.victims.into_iter().collect()));
        }
        let (mut spots, mut victims, mut found) = (Spots::new(), BTreeSet::new(), 0);
        for offer in offers {
            let take = offer.fits.min(size - found);
            spots.push((offer.node, take));
            victims.extend(offer.victims);
            found += take;
            if found == size {
                return Some((spots, victims));
            }
        }
        None
    }
}

fn has_victims(member: &Member, session: &Session) -> bool {
    member.holdings.values().any(|holding| holding.preemptible && holding.priority < session.priority)
}

/// The shortest list of victims that makes room for as many sandboxes as can be.
fn offer(member: &Member, session: &Session, size: u32, now_ms: u64) -> Option<Offer> {
    let asks = Asks::of(session, None, now_ms);
    let lower = member.holdings.values().filter(|holding| holding.preemptible && holding.priority < session.priority);
    let mut order: Vec<_> =
        lower.map(|holding| (holding.priority, Reverse(holding.since_ms), Reverse(holding.session))).collect();
    order.sort_unstable();
    order.dedup_by_key(|(.., id)| *id);
    let fits = |gone: &[SessionId]| {
        let room = member.room_for_without(&asks, |holding| gone.contains(&holding.session));
        room.times(&session.want, size)
    };
    let all: Vec<_> = order.iter().map(|(.., Reverse(id))| *id).collect();
    let most = fits(&all);
    if most == 0 {
        return None;
    }
    // Ending more never makes less room.
    let enough = (1..=all.len()).collect::<Vec<_>>().partition_point(|count| fits(&all[..*count]) < most) + 1;
    let enough = enough.min(all.len());
    let priority = order[enough - 1].0;
    Some(Offer { node: member.id, fits: most, victims: all[..enough].to_vec(), priority })
}
