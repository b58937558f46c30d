//! The folders are here.

use std::sync::Arc;

use axum::Router;
use madang_storage::{Clock, Roots};
use madang_ticket::Verifier;

pub fn router(roots: Arc<dyn Roots>, verifier: Verifier, clock: Clock) -> Router {
    madang_storage::router(Some(roots), None, verifier, clock).unwrap()
}
