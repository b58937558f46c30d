//! Who may join and whose certificates are whose, from the store.

use std::sync::{Arc, Weak};

use async_trait::async_trait;
use madang_ids::NodeId;
use madang_node_link::{
    RemoteNode,
    hub::{JoinAsked, Refusal, Registry, Seat},
};
use madang_store::{CertificateTimes, NodeJoin, StoreError};

use crate::{
    app::{App, GROUP_DEFAULT, LOCAL, fleet::MemberState},
    clock::now_ms,
};

const NAME_CHARS_MAX: usize = 64;

pub(super) struct StoreRegistry {
    app: Weak<App>,
}

impl StoreRegistry {
    pub fn new(app: &Arc<App>) -> Self {
        Self { app: Arc::downgrade(app) }
    }

    fn app(&self) -> Result<Arc<App>, Refusal> {
        self.app.upgrade().ok_or_else(|| Refusal::Unavailable("the server has ended".to_owned()))
    }
}

fn unavailable(error: StoreError) -> Refusal {
    Refusal::Unavailable(error.to_string())
}

/// A name that can stand in a table and in a command, and is not the one of a server's own node.
fn is_name(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    (1..=NAME_CHARS_MAX).contains(&name.len()) && name.chars().all(plain) && name != LOCAL
}

#[async_trait]
impl Registry for StoreRegistry {
    async fn join(&self, asked: JoinAsked) -> Result<NodeId, Refusal> {
        let app = self.app()?;
        let JoinAsked { secret_hash, key, name } = asked;
        if !is_name(&name) {
            let rule = "1 to 64 letters, digits, dots, dashes and underscores, and not `local`";
            return Err(Refusal::Name(format!("a node's name is {rule}")));
        }
        let state = MemberState::default().name().to_owned();
        match app.store.node_join(&NodeJoin { secret_hash, key, name, state }, now_ms()).await {
            Ok(Some(record)) => {
                tracing::info!(node = %record.id, name = record.name, group = record.resource_group, "a node may join");
                Ok(record.id)
            }
            Ok(None) => Err(Refusal::Token),
            Err(StoreError::Exists { subject }) => {
                Err(Refusal::Name(format!("there is {subject} already: choose another name, or remove that one")))
            }
            Err(error) => Err(unavailable(error)),
        }
    }

    async fn certificate_put(&self, node: NodeId, fingerprint: &str, ends_ms: u64) -> Result<(), Refusal> {
        let times = CertificateTimes { now_ms: now_ms(), ends_ms };
        self.app()?.store.node_certificate_put(node, fingerprint, times).await.map_err(unavailable)
    }

    async fn certificate_of(&self, fingerprint: &str) -> Result<Option<NodeId>, Refusal> {
        self.app()?.store.node_certificate_find(fingerprint).await.map_err(unavailable)
    }

    async fn certificates_of(&self, fingerprints: &[String]) -> Result<Vec<Option<NodeId>>, Refusal> {
        let known = self.app()?.store.node_certificates_find(fingerprints).await.map_err(unavailable)?;
        Ok(fingerprints.iter().map(|fingerprint| known.get(fingerprint).copied()).collect())
    }

    async fn seat(&self, node: NodeId) -> Seat {
        let Some(app) = self.app.upgrade() else { return Seat::Elsewhere(None) };
        let known = app.fleet.of(node).map(|member| member.group);
        let group = match known {
            Some(group) => group,
            None => match app.store.node_get_joined(node).await {
                Ok(record) => record.map_or_else(|| GROUP_DEFAULT.to_owned(), |record| record.resource_group),
                Err(error) => {
                    tracing::warn!(%node, %error, "where a node belongs cannot be read");
                    return Seat::Elsewhere(None);
                }
            },
        };
        if app.takes_nodes_of(&group) {
            return Seat::Here;
        }
        Seat::Elsewhere(app.leadership.nodes_address(&group))
    }

    async fn arrived(&self, node: Arc<RemoteNode>) {
        let Some(app) = self.app.upgrade() else { return };
        match app.store.node_get_joined(node.id()).await {
            Ok(Some(record)) if app.takes_nodes_of(&record.resource_group) => app.node_take_in(record, node),
            // One that was removed while it came, or whose group another process leads since.
            Ok(_) => app.node_cut(node.id()),
            Err(error) => tracing::error!(%error, "a node's record cannot be read"),
        }
    }
}
