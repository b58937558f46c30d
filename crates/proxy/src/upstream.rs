//! Who reaches apps: the proxy asks for a connection and does not know where it goes.

use async_trait::async_trait;
use madang_ids::{AppId, SandboxId};
use tokio::io::{AsyncRead, AsyncWrite};

/// Bytes to and from an app.
pub trait AppStream: AsyncRead + AsyncWrite + Send + Unpin + 'static {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin + 'static> AppStream for S {}

/// An app's end of a connection, whatever it is made of.
pub type BoxStream = Box<dyn AppStream>;

/// Why there is no connection to an app.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConnectError {
    /// There is no such app, or no such sandbox: it has ended.
    #[error("{0}")]
    Gone(String),
    /// The app or its node does not answer; it may soon.
    #[error("{0}")]
    Unavailable(String),
}

/// Makes connections to apps.
#[async_trait]
pub trait Upstream: Send + Sync + 'static {
    async fn connect(&self, app: AppId, sandbox: SandboxId) -> Result<BoxStream, ConnectError>;
}
