//! Connections: dialled over TCP or a Unix socket, kept while the server keeps them.

use std::{
    fmt, io,
    sync::{Mutex, PoisonError},
};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::combinators::UnsyncBoxBody;
use hyper::{
    body::Incoming,
    client::conn::http1::{self, SendRequest},
};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpStream, UnixStream},
};

use crate::{ClientError, Endpoint};

/// Idle connections kept for reuse; more than this many are closed when their answer is read.
const IDLE_MAX: usize = 256;

/// A request's body.
pub(crate) type Body = UnsyncBoxBody<Bytes, io::Error>;
type Sender = SendRequest<Body>;

/// Bytes both ways, whatever carries them.
pub(crate) trait Carrier: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Carrier for T {}

/// A new connection to the server.
pub(crate) async fn dial(endpoint: &Endpoint) -> Result<Box<dyn Carrier>, ClientError> {
    let dialled: io::Result<Box<dyn Carrier>> = match endpoint {
        Endpoint::Unix(path) => UnixStream::connect(path).await.map(|stream| Box::new(stream) as _),
        Endpoint::Tcp { host, port } => {
            let host = host.trim_start_matches('[').trim_end_matches(']');
            match TcpStream::connect((host, *port)).await {
                // Small requests must not wait for each other's acknowledgements.
                Ok(stream) => stream.set_nodelay(true).map(|()| Box::new(stream) as _),
                Err(error) => Err(error),
            }
        }
    };
    dialled.map_err(|source| ClientError::Unreachable { endpoint: endpoint.clone(), source })
}

/// Connections to one server.
pub(crate) struct Pool {
    endpoint: Endpoint,
    idle: Mutex<Vec<Sender>>,
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool").field("endpoint", &self.endpoint).finish_non_exhaustive()
    }
}

/// A connection whose answer is still being read. Give it back with [`Pool::keep`] once it has been; dropped, it closes.
pub(crate) struct Lease(Sender);

impl Pool {
    pub(crate) fn new(endpoint: Endpoint) -> Self {
        Self { endpoint, idle: Mutex::new(Vec::new()) }
    }

    pub(crate) fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// Sends on an idle connection, or a new one. A request is sent again only where not a byte of it had left.
    pub(crate) async fn send(
        &self,
        doing: &str,
        mut request: Request<Body>,
    ) -> Result<(Response<Incoming>, Lease), ClientError> {
        while let Some(mut sender) = self.take() {
            match sender.try_send_request(request).await {
                Ok(response) => return Ok((response, Lease(sender))),
                Err(mut error) => match error.take_message() {
                    Some(unsent) => request = unsent,
                    None => return Err(ClientError::broken(doing, error.into_error())),
                },
            }
        }
        let mut sender = self.connect(doing).await?;
        let response = sender.send_request(request).await.map_err(|error| ClientError::broken(doing, error))?;
        Ok((response, Lease(sender)))
    }

    /// Keeps the connection for the next request.
    pub(crate) fn keep(&self, lease: Lease) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < IDLE_MAX && !lease.0.is_closed() {
            idle.push(lease.0);
        }
    }

    fn take(&self) -> Option<Sender> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        while let Some(sender) = idle.pop() {
            if !sender.is_closed() {
                return Some(sender);
            }
        }
        None
    }

    async fn connect(&self, doing: &str) -> Result<Sender, ClientError> {
        let stream = dial(&self.endpoint).await?;
        let (sender, connection) =
            http1::handshake(TokioIo::new(stream)).await.map_err(|error| ClientError::broken(doing, error))?;
        // Its errors surface at the sender.
        tokio::spawn(connection);
        Ok(sender)
    }
}

impl fmt::Debug for Lease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lease").finish_non_exhaustive()
    }
}

impl fmt::Debug for dyn Carrier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Carrier")
    }
}
