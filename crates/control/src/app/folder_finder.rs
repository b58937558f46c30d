//! Which node has a folder, for whoever moves bytes and asks nothing else.

use std::sync::Arc;

use madang_ids::FolderId;
use madang_node_api::{Node, NodeError};

use super::App;

/// Finds nodes by the folders that they have.
#[derive(Debug, Clone)]
pub struct FolderFinder {
    app: Arc<App>,
}

impl FolderFinder {
    pub(crate) fn new(app: &Arc<App>) -> Self {
        Self { app: Arc::clone(app) }
    }

    /// The node that has the folder, none of one that is not known; [`NodeError::Unavailable`] where the node is not heard here.
    pub async fn node(&self, folder: FolderId) -> Result<Option<Arc<dyn Node>>, NodeError> {
        if let Some(only) = self.app.fleet.only() {
            // It knows better than the database what it has.
            return Ok(Some(only.node));
        }
        let known = self.app.store.folder_get(folder).await;
        let known = known.map_err(|error| NodeError::Unavailable(error.to_string()))?;
        known.map(|record| self.app.folder_node(record.node)).transpose()
    }
}
