//! Images that were made of sessions, on more nodes than the one where they were made.

use std::sync::Arc;

use madang_ids::NodeId;
use madang_model::SessionSpec;
use madang_node_api::NodeError;
use madang_public_api::{ImagePlaced, ImagePrefetch, ImagePrefetched};
use madang_store::ImageRecord;

use super::{App, Asker, Failure, fleet::Member, image::node_name};

impl App {
    /// Brings an image to nodes ahead of the sessions that will be made of it: one after the other, each from a node that has it.
    pub async fn image_prefetch(
        self: &Arc<Self>,
        asker: &Asker,
        text: &str,
        request: ImagePrefetch,
    ) -> Result<ImagePrefetched, Failure> {
        let record = self.image_find(asker, text).await?;
        let Some(digest) = record.digest.clone() else {
            return Err(Failure::conflict("the image is still being made"));
        };
        let members = self.prefetch_members(&request.nodes)?;
        let app = Arc::clone(self);
        // In a task of its own: whoever asked may go away.
        let brought = tokio::spawn(async move {
            let mut nodes = Vec::new();
            for member in members {
                let problem = app.image_bring(&record, &digest, &member).await.err().map(|failure| failure.detail);
                nodes.push(ImagePlaced { node: member.id, name: member.name, problem });
            }
            nodes
        });
        let nodes = brought.await.map_err(|error| Failure::internal("bringing an image to nodes", error))?;
        Ok(ImagePrefetched { nodes })
    }

    fn prefetch_members(&self, asked: &[String]) -> Result<Vec<Member>, Failure> {
        let members = self.fleet.members();
        if asked.is_empty() {
            return Ok(members.into_iter().filter(Member::is_open).collect());
        }
        let named = |text: &String| {
            let member = members.iter().find(|member| member.name == *text || member.id.to_string() == *text);
            member.cloned().ok_or_else(|| Failure::invalid("nodes", format!("there is no node {text}")))
        };
        asked.iter().map(named).collect()
    }

    async fn image_bring(&self, record: &ImageRecord, digest: &str, member: &Member) -> Result<(), Failure> {
        if image_nodes(record).any(|node| node == member.id) {
            return Ok(());
        }
        if !member.is_here() {
            return Err(NodeError::Unavailable("the node is not heard".to_owned()).into());
        }
        let name = node_name(record.id);
        let archive = self.node.image_export(&name, &record.name).await?;
        member.node.image_import(&name, digest, archive.bytes).await?;
        if !self.store.image_copied(record.id, member.id).await? {
            member.node.image_remove(&name).await?;
            return Err(Failure::conflict("the image was removed meanwhile"));
        }
        Ok(())
    }

    /// A session of it is where its folders are, if the image is there too; else where least is going on of those that have it.
    pub(super) fn image_place(&self, record: &ImageRecord, spec: &mut SessionSpec) -> Result<(), Failure> {
        match spec.queueing.node {
            Some(folders) if image_nodes(record).all(|node| node != folders) => {
                let detail = format!(
                    "the image is not on the node {folders}, where the folders are: an administrator can bring it there \
                     (POST /images/{{id}}/prefetch)"
                );
                return Err(Failure::invalid("image", detail));
            }
            Some(_) => {}
            None => {
                let (group, place) = (&spec.queueing.resource_group, spec.queueing.place);
                spec.queueing.node = Some(self.image_node_at(record, group, place)?);
            }
        }
        spec.image = node_name(record.id);
        Ok(())
    }

    /// As [`App::image_node`], of the nodes that share a place for folders.
    fn image_node_at(&self, record: &ImageRecord, group: &str, place: Option<NodeId>) -> Result<NodeId, Failure> {
        let Some(place) = place else { return Ok(self.image_node(record, Some(group))) };
        let has = |member: &Member| image_nodes(record).any(|node| node == member.id);
        let mut at = self.fleet.at_place(place);
        at.retain(|member| has(member) && member.group == *group);
        // One that takes something, if any does: else the session waits.
        let best = at.iter().min_by_key(|member| (!member.is_open(), member.node.sandboxes().len(), member.id));
        best.map(|member| member.id).ok_or_else(|| {
            let detail = "the image is on no node that has the place of the folders: an administrator can bring it there \
                          (POST /images/{id}/prefetch)";
            Failure::invalid("image", detail)
        })
    }

    /// Where its own node takes nothing and no other has it, that one all the same: whoever waits says for what.
    pub(super) fn image_node(&self, record: &ImageRecord, group: Option<&str>) -> NodeId {
        let members = image_nodes(record).filter_map(|node| self.fleet.of(node));
        let open = members.filter(|member| member.is_open() && group.is_none_or(|group| member.group == *group));
        let best = open.min_by_key(|member| (member.node.sandboxes().len(), member.id));
        best.map_or(record.node, |member| member.id)
    }
}

/// Every node that has it.
pub(super) fn image_nodes(record: &ImageRecord) -> impl Iterator<Item = NodeId> {
    std::iter::once(record.node).chain(record.copies.iter().copied())
}
