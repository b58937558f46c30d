//! What happens by itself: the world is kept as it is wanted, old records are forgotten.

mod plan;
mod prune;
mod reconcile;

pub(crate) use prune::prune;
pub(crate) use reconcile::{reconcile, recover};
