//! Connections: dialled over TCP or a Unix socket, kept while the server keeps them.

use std::{
    fmt, io,
    pin::Pin,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
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
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpStream, UnixStream},
};

use crate::{ClientError, Endpoint};

/// Idle connections kept for reuse; more than this many are closed when their answer is read.
const IDLE_MAX: usize = 256;

/// A request's body.
pub(crate) type Body = UnsyncBoxBody<Bytes, io::Error>;

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
    idle: Mutex<Vec<Line>>,
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool").field("endpoint", &self.endpoint).finish_non_exhaustive()
    }
}

/// An open connection.
struct Line {
    sender: SendRequest<Body>,
    /// The server takes no more.
    deaf: Arc<AtomicBool>,
}

impl Line {
    fn is_good(&self) -> bool {
        !self.sender.is_closed() && !self.deaf.load(Ordering::Acquire)
    }
}

/// A connection whose answer is still being read. Give it back with [`Pool::keep`] once it has been; dropped, it closes.
pub(crate) struct Lease(Line);

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
        while let Some(mut line) = self.take() {
            match line.sender.try_send_request(request).await {
                Ok(response) => return Ok((response, Lease(line))),
                Err(mut error) => match error.take_message() {
                    Some(unsent) => request = unsent,
                    None => return Err(ClientError::broken(doing, error.into_error())),
                },
            }
        }
        let mut line = self.connect(doing).await?;
        let response = line.sender.send_request(request).await.map_err(|error| ClientError::broken(doing, error))?;
        Ok((response, Lease(line)))
    }

    /// Keeps the connection for the next request.
    pub(crate) fn keep(&self, lease: Lease) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < IDLE_MAX && lease.0.is_good() {
            idle.push(lease.0);
        }
    }

    fn take(&self) -> Option<Line> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        while let Some(line) = idle.pop() {
            if line.is_good() {
                return Some(line);
            }
        }
        None
    }

    async fn connect(&self, doing: &str) -> Result<Line, ClientError> {
        let stream = dial(&self.endpoint).await?;
        let deaf = Arc::new(AtomicBool::new(false));
        let stream = Listening { stream, deaf: Arc::clone(&deaf) };
        let (sender, connection) =
            http1::handshake(TokioIo::new(stream)).await.map_err(|error| ClientError::broken(doing, error))?;
        // Its errors surface at the sender.
        tokio::spawn(connection);
        Ok(Line { sender, deaf })
    }
}

/// A stream of which we read the answer although the server takes no more: it may have refused what we still send, and said why.
struct Listening {
    stream: Box<dyn Carrier>,
    deaf: Arc<AtomicBool>,
}

impl Listening {
    /// What writing gave, with what the server does not take counted as sent: what it says, or that it says nothing, ends the request.
    fn heard<T>(&mut self, written: Poll<io::Result<T>>, sent: T) -> Poll<io::Result<T>> {
        match written {
            Poll::Ready(Err(error))
                if matches!(error.kind(), io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset) =>
            {
                self.deaf.store(true, Ordering::Release);
                Poll::Ready(Ok(sent))
            }
            other => other,
        }
    }
}

impl AsyncRead for Listening {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Listening {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        if self.deaf.load(Ordering::Acquire) {
            return Poll::Ready(Ok(buf.len()));
        }
        let written = Pin::new(&mut self.stream).poll_write(cx, buf);
        self.heard(written, buf.len())
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let all = bufs.iter().map(|buf| buf.len()).sum();
        if self.deaf.load(Ordering::Acquire) {
            return Poll::Ready(Ok(all));
        }
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, bufs);
        self.heard(written, all)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.stream).poll_flush(cx);
        self.heard(flushed, ())
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
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
