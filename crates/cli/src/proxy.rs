//! The proxy for apps: a listener of its own beside a server or a node, with connections that the node makes.

use std::{net::SocketAddr, sync::Arc};

use async_trait::async_trait;
use madang_control::listen;
use madang_ids::{AppId, SandboxId};
use madang_model::AppsAddress;
use madang_node_api::{Node, NodeError};
use madang_proxy::{BoxStream, ConnectError, Proxy, ProxyConfig, Upstream};
use madang_ticket::Verifier;
use tokio::{
    net::TcpListener,
    sync::{oneshot, watch},
    task::JoinHandle,
};

use crate::{args::AppsArgs, descriptors, exit::Failure, print};

/// How far beyond the API's port that of apps is, where none is named: between them is the one for nodes.
const PORT_BEYOND: u16 = 2;

/// Where apps are served, as far as that was said.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct AppsSettings {
    pub listen: Option<SocketAddr>,
    pub url: Option<AppsAddress>,
    pub domain: Option<String>,
}

impl AppsSettings {
    /// What the command line says counts more.
    pub fn over(self, args: AppsArgs) -> Self {
        Self {
            listen: args.apps_listen.or(self.listen),
            url: args.apps_url.or(self.url),
            domain: args.apps_domain.or(self.domain),
        }
    }

    /// Takes the address that was named or, beside the API, one that is free. None: nobody could say where people would reach it.
    pub fn bind(self, api: Option<SocketAddr>) -> Result<Option<Door>, Failure> {
        let listener = match (self.listen, api) {
            (Some(named), _) => listen(named).map_err(|error| taken(named, &error))?,
            (None, Some(api)) => match beside(api) {
                Some(listener) => listener,
                None => return Ok(None),
            },
            (None, None) if self.url.is_some() || self.domain.is_some() => {
                return Err(Failure::usage("where apps are: `--apps-listen` is missing"));
            }
            (None, None) => return Ok(None),
        };
        let bound = listener.local_addr().map_err(|error| Failure::internal(format!("listening for apps: {error}")))?;
        let Some(address) = self.address(bound)? else {
            tracing::warn!(%bound, "apps cannot be opened: name `apps_url`, where people reach this address");
            return Ok(None);
        };
        Ok(Some(Door { listener, address }))
    }

    fn address(&self, bound: SocketAddr) -> Result<Option<AppsAddress>, Failure> {
        let wrong = |error: &dyn std::error::Error| Failure::usage(format!("where apps are: {error}"));
        let base = match (&self.url, &self.domain) {
            (Some(url), _) => Some(url.clone()),
            (None, Some(domain)) => {
                Some(format!("http://{domain}:{}", bound.port()).parse().map_err(|error| wrong(&error))?)
            }
            (None, None) if bound.ip().is_unspecified() => None,
            (None, None) => Some(format!("http://{bound}").parse().map_err(|error| wrong(&error))?),
        };
        match (base, &self.domain) {
            (Some(base), Some(domain)) => base.with_domain(domain).map(Some).map_err(|error| wrong(&error)),
            (base, _) => Ok(base),
        }
    }
}

/// On the port beyond, or on any that is free: nobody has named it. None where there is none.
fn beside(api: SocketAddr) -> Option<TcpListener> {
    let port = if api.port() == 0 { 0 } else { api.port().checked_add(PORT_BEYOND).unwrap_or(0) };
    let usual = SocketAddr::new(api.ip(), port);
    if let Ok(listener) = listen(usual) {
        return Some(listener);
    }
    tracing::warn!(address = %usual, "the usual address of apps is taken: they are on another port until the next start");
    let any = SocketAddr::new(api.ip(), 0);
    let listened = listen(any);
    // The API has the same address and will say what is wrong with it.
    listened.inspect_err(|error| tracing::warn!(%error, "apps cannot be opened")).ok()
}

fn taken(address: SocketAddr, error: &std::io::Error) -> Failure {
    Failure::usage(format!("listening on {address} for apps: {error}"))
}

/// A listener for apps that answers nobody yet.
pub(crate) struct Door {
    listener: TcpListener,
    pub address: AppsAddress,
}

/// A proxy at work.
pub(crate) struct OpenDoor {
    pub proxy: Arc<Proxy>,
    stop: oneshot::Sender<()>,
    serving: JoinHandle<()>,
}

impl Door {
    /// Answers, as soon as the proxy is told whose tickets it may trust.
    pub fn open(self, node: Arc<dyn Node>) -> OpenDoor {
        let usual = ProxyConfig::new(self.address);
        let config = ProxyConfig { connections_max: descriptors::connections(usual.connections_max), ..usual };
        let proxy = Proxy::new(config, Arc::new(ByNode(node)));
        let (stop, stopped) = oneshot::channel();
        let serving = tokio::spawn(Arc::clone(&proxy).serve(self.listener, async { drop(stopped.await) }));
        OpenDoor { proxy, stop, serving }
    }
}

impl Door {
    /// Answers once control has said whose tickets are good, on a node of another machine.
    pub fn open_with(self, node: Arc<dyn Node>, mut key: watch::Receiver<Option<[u8; 32]>>) -> OpenDoor {
        print::greeting(&format!("apps of this node open at {}", self.address.base()));
        let open = self.open(node);
        let proxy = Arc::clone(&open.proxy);
        tokio::spawn(async move {
            loop {
                if let Some(key) = *key.borrow_and_update() {
                    proxy.trust(Verifier::of_key(key));
                }
                if key.changed().await.is_err() {
                    return;
                }
            }
        });
        open
    }
}

impl OpenDoor {
    /// Lets answers in progress end for a moment.
    pub async fn close(self) {
        drop(self.stop);
        if let Err(error) = self.serving.await {
            tracing::error!(%error, "the proxy for apps ended by itself");
        }
    }
}

/// Connections to apps, by whoever knows where their sandboxes are.
struct ByNode(Arc<dyn Node>);

#[async_trait]
impl Upstream for ByNode {
    async fn connect(&self, app: AppId, sandbox: SandboxId) -> Result<BoxStream, ConnectError> {
        let connection = self.0.app_connect(sandbox, app).await.map_err(|error| match error {
            NodeError::NotFound(_) | NodeError::Conflict(_) | NodeError::Invalid(_) => {
                ConnectError::Gone(error.to_string())
            }
            _ => ConnectError::Unavailable(error.to_string()),
        })?;
        Ok(Box::new(connection))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(url: Option<&str>, domain: Option<&str>) -> AppsSettings {
        AppsSettings { listen: None, url: url.map(|url| url.parse().unwrap()), domain: domain.map(str::to_owned) }
    }

    #[test]
    fn people_reach_apps_where_they_are_listened_for_unless_told_otherwise() {
        let app = AppId::fixed(1);
        let url = |settings: AppsSettings, bound: &str| {
            let address = settings.address(bound.parse().unwrap()).unwrap();
            address.map(|address| address.app_url(app, madang_model::AppPrefix::Strip))
        };
        let path = format!("/apps/{app}/");
        assert_eq!(url(settings(None, None), "127.0.0.1:8688"), Some(format!("http://127.0.0.1:8688{path}")));
        assert_eq!(url(settings(None, None), "[::1]:8688"), Some(format!("http://[::1]:8688{path}")));
        assert_eq!(url(settings(None, None), "0.0.0.0:8688"), None);
        assert_eq!(
            url(settings(Some("https://a.example"), None), "0.0.0.0:1"),
            Some(format!("https://a.example{path}"))
        );
        let label = app.to_string().replace('_', "-");
        assert_eq!(url(settings(None, Some("a.example")), "0.0.0.0:1"), Some(format!("http://{label}.a.example:1/")));
        assert!(settings(None, Some("a b")).address("0.0.0.0:1".parse().unwrap()).is_err());
    }
}
