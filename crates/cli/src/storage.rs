//! Bytes of folders, for whoever carries a ticket: beside the public API where control is, and on connections of control's where it is not.

use std::{
    convert::Infallible,
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use async_trait::async_trait;
use madang_control::{FolderFinder, Server};
use madang_ids::FolderId;
use madang_node::Agent;
use madang_node_api::{Node, NodeError};
use madang_storage::{Elsewhere, Roots, Served, StorageError, Stream};
use madang_ticket::Verifier;
use tokio::sync::watch;

use crate::{exit::Failure, up::chain};

/// Where tickets lead, below the server's address.
const PATH: &str = "/storage/v1";

/// What this process has answers on the server's own addresses; what other nodes have is asked of them.
pub(crate) fn beside(server: Server, agent: Option<&Arc<Agent>>) -> Result<Server, Failure> {
    let here = agent.map(|agent| Arc::clone(agent) as Arc<dyn Node>);
    let elsewhere = Arc::new(Fleet { finder: server.folder_finder(), here });
    let roots = agent.map(|agent| agent.volumes() as Arc<dyn Roots>);
    let router = madang_storage::router(roots, Some(elsewhere), server.ticket_verifier(), server.clock());
    let router = router.map_err(|error| Failure::internal(format!("serving folders: {}", chain(&error))))?;
    Ok(server.beside(PATH, router))
}

/// A node serves its folders to whom control lets in, as soon as it knows by which key.
pub(crate) async fn serve(agent: Arc<Agent>, mut key: watch::Receiver<Option<[u8; 32]>>) -> Infallible {
    loop {
        let known = *key.borrow_and_update();
        if let Some(key) = known {
            match madang_storage::router(Some(agent.volumes()), None, Verifier::of_key(key), Arc::new(now_ms)) {
                Ok(router) => agent.folders_serve(Served::new(router)),
                Err(error) => tracing::error!(error = chain(&error), "folders of this node are not served"),
            }
        }
        if key.changed().await.is_err() {
            // The link is over, and nobody comes by it any more.
            std::future::pending::<()>().await;
        }
    }
}

/// Unix time in milliseconds.
fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// The nodes that control knows, without the one in this process.
struct Fleet {
    finder: FolderFinder,
    here: Option<Arc<dyn Node>>,
}

#[async_trait]
impl Elsewhere for Fleet {
    async fn connect(&self, folder: FolderId) -> Result<Option<Stream>, StorageError> {
        let node = self.finder.node(folder).await.map_err(storage_error)?;
        let Some(node) = node.filter(|node| self.here.as_ref().is_none_or(|here| !Arc::ptr_eq(here, node))) else {
            return Ok(None);
        };
        let connection = node.folder_connect().await.map_err(storage_error)?;
        Ok(Some(Box::new(connection)))
    }
}

fn storage_error(error: NodeError) -> StorageError {
    match error {
        NodeError::NotFound(what) => StorageError::NotFound(what),
        NodeError::Limit(_) | NodeError::Capacity(_) => StorageError::Limit(error.to_string()),
        _ => StorageError::Unavailable(error.to_string()),
    }
}
