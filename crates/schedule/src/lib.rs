//! Who may start where, and when: a pure function of what is wanted, what is seen, and now.
//!
//! `control` calls it, one [`Group`] for each resource group that it leads: changes go in ([`Group::session_queue`],
//! [`Group::node_set`], …), [`Group::decide`] says what follows, [`Group::wait`] what a queued session waits for. It reads no clock, does no
//! IO and draws no lots: the same calls give the same decisions. Free room is never counted up and down; it is summed up
//! from what is held. Start at [`Group`].

mod cursor;
mod decide;
mod explain;
mod group;
mod hash;
mod index;
mod node;
mod now;
mod openings;
mod order;
mod place;
mod preempt;
mod promise;
mod reserve;
mod room;
mod share;
mod want;

pub use decide::{Decision, Place, Placement};
pub use explain::{Reason, Wait};
pub use group::{Ended, Group, GroupRules, HeadRule, Snapshot};
pub use index::{Prefer, Spreading};
pub use node::{Holding, Node, NodeState, pool_key};
pub use order::QueueOrder;
pub use reserve::{Refusal, Reservation, ReservationState};
pub use room::{Device, Grant, Room};
pub use share::{HALF_LIFE_MS, HeldBefore};
pub use want::{Amount, DeviceWant, Gang, GangMode, Session, Want};
