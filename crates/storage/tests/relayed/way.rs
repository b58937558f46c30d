//! The folders are on another machine, which answers on connections that somebody makes.

use std::sync::Arc;

use async_trait::async_trait;
use axum::Router;
use madang_ids::FolderId;
use madang_storage::{Clock, Elsewhere, Roots, Served, StorageError, Stream};
use madang_ticket::Verifier;

const BETWEEN_BYTES: usize = 64 << 10;

/// The other machine.
struct There(Served);

#[async_trait]
impl Elsewhere for There {
    async fn connect(&self, _: FolderId) -> Result<Option<Stream>, StorageError> {
        let (near, far) = tokio::io::duplex(BETWEEN_BYTES);
        self.0.serve(Box::new(far))?;
        Ok(Some(Box::new(near)))
    }
}

pub fn router(roots: Arc<dyn Roots>, verifier: Verifier, clock: Clock) -> Router {
    let there = madang_storage::router(Some(roots), None, verifier, Arc::clone(&clock)).unwrap();
    madang_storage::router(None, Some(Arc::new(There(Served::new(there)))), verifier, clock).unwrap()
}
