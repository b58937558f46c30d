//! Images that nobody can use any more: rows that a crash has cut, and what nodes keep of rows that are gone.

use std::time::Duration;

use madang_ids::ImageId;
use madang_node_api::COMMITTED;

use super::{App, Failure, fleet::Member, image::node_name};
use crate::clock::now_ms;

/// No image is made for so long: the row of one that was begun before and has no digest was cut.
pub(crate) const MAKING: Duration = Duration::from_secs(3_600);

/// What was taken away.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Collected {
    pub cut: u64,
    pub unknown: u64,
}

impl App {
    pub(crate) async fn images_collect(&self) -> Result<Collected, Failure> {
        let making_ms = u64::try_from(MAKING.as_millis()).unwrap_or(u64::MAX);
        let cut = self.store.image_prune(now_ms().saturating_sub(making_ms)).await?;
        let mut unknown = 0;
        for member in self.fleet.members().into_iter().filter(Member::is_here) {
            unknown += self.images_unknown(&member).await?;
        }
        Ok(Collected { cut, unknown })
    }

    /// A row is there before its image is on any node, so what is on a node now and has none was given up.
    async fn images_unknown(&self, member: &Member) -> Result<u64, Failure> {
        let mut gone = 0;
        for image in member.node.images().await? {
            let id = image.name.strip_prefix(COMMITTED).and_then(|id| id.parse::<ImageId>().ok());
            if let Some(id) = id
                && self.store.image_get(id).await?.is_none()
            {
                member.node.image_remove(&node_name(id)).await?;
                gone += 1;
            }
        }
        Ok(gone)
    }
}
