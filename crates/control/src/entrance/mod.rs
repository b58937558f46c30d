//! Where nodes on other machines come in: the authority that signs for them, the hub of their links, the listener.
//!
//! A link stands at the process that leads; the others send nodes on. Which nodes there are is the store's to say ([`registry`]).

mod registry;

use std::{io, net::SocketAddr, sync::Arc};

use madang_ids::NodeId;
use madang_node_link::{
    Authority, Hub, HubConfig,
    authority::AuthorityError,
    hub::{HubError, Registry},
};
use madang_store::StoreError;
use tokio::net::TcpListener;

use crate::app::{App, Stage};

/// The secret of the store that is the authority, sealed with the server's key.
const SECRET: &str = "node-authority";

/// Why no nodes can be taken.
#[derive(Debug, thiserror::Error)]
pub enum EntranceError {
    #[error(transparent)]
    Authority(#[from] AuthorityError),
    /// Nodes believe one authority; another one would lock all of them out.
    #[error("the authority that nodes believe was sealed with another server's key")]
    Sealed,
    #[error("reading which nodes there are")]
    Store(#[from] StoreError),
    #[error(transparent)]
    Hub(#[from] HubError),
    #[error("listening for nodes on {address}")]
    Listen { address: SocketAddr, source: io::Error },
}

/// What lets nodes in.
#[derive(Debug)]
pub(crate) struct Entrance {
    pub hub: Arc<Hub>,
    /// Of the authority that nodes believe: what a token carries.
    pub authority: [u8; 32],
}

/// Takes the address, before anything is promised about it.
pub(crate) fn listen(address: SocketAddr) -> Result<TcpListener, EntranceError> {
    crate::listen(address).map_err(|source| EntranceError::Listen { address, source })
}

impl Entrance {
    pub async fn open(app: &Arc<App>) -> Result<Self, EntranceError> {
        let authority = authority(app).await?;
        let fingerprint = authority.fingerprint();
        let ticket_key = Some(app.signin.tickets.verifier().key());
        let (silent_ms, lost_ms) = (app.config.node_silent_ms, app.config.node_lease_ms);
        let config = HubConfig { silent_ms, lost_ms, ticket_key, ..HubConfig::default() };
        let registry: Arc<dyn Registry> = Arc::new(registry::StoreRegistry::new(app));
        Ok(Self { hub: Hub::new(authority, registry, config)?, authority: fingerprint })
    }

    /// Answers nodes until the server stops.
    pub async fn serve(&self, app: Arc<App>, listener: TcpListener) {
        let stopping = Arc::clone(&app);
        let stop = async move { stopping.reached(Stage::Stopping).await };
        // Links never end by themselves.
        tokio::select! {
            served = Arc::clone(&self.hub).serve(listener, stop) => {
                if let Err(error) = served {
                    tracing::error!(%error, "nodes are not served any more");
                }
            }
            () = app.reached(Stage::Stopping) => {}
        }
    }

    /// The node's link is cut, and the hub knows it no more.
    pub fn cut(&self, node: NodeId) {
        self.hub.remove(node);
    }
}

/// The one that this installation has, made by whoever needs it first.
async fn authority(app: &App) -> Result<Authority, EntranceError> {
    let key = &app.signin.key;
    let proposed = Authority::make()?;
    let sealed = key.seal(SECRET, proposed.to_pem().as_bytes());
    let kept = app.store.secret_ensure(SECRET, &sealed).await?;
    let opened = key.open(SECRET, &kept).and_then(|pem| String::from_utf8(pem).ok()).ok_or(EntranceError::Sealed)?;
    Ok(Authority::of_pem(&opened)?)
}
