//! The service on connections that come by some other way than a listener.

use std::sync::Arc;

use axum::Router;
use hyper_util::{rt::TokioIo, service::TowerToHyperService};
use tokio::sync::Semaphore;

use super::relay::Stream;
use crate::StorageError;

/// Connections that are served at once.
const CONNECTIONS_MAX: usize = 1_024;

/// A [`router`](super::router) that is handed its connections.
#[derive(Debug, Clone)]
pub struct Served {
    router: Router,
    places: Arc<Semaphore>,
}

impl Served {
    #[must_use]
    pub fn new(router: Router) -> Self {
        Self { router, places: Arc::new(Semaphore::new(CONNECTIONS_MAX)) }
    }

    /// Answers on this connection until either side ends it.
    pub fn serve(&self, stream: Stream) -> Result<(), StorageError> {
        let place = Arc::clone(&self.places).try_acquire_owned();
        let place =
            place.map_err(|_| StorageError::Limit(format!("{CONNECTIONS_MAX} connections are served already")))?;
        let service = TowerToHyperService::new(self.router.clone());
        tokio::spawn(async move {
            let served = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service);
            if let Err(error) = served.await {
                tracing::debug!(%error, "a connection to folders broke");
            }
            drop(place);
        });
        Ok(())
    }
}
