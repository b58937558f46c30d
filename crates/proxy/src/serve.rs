//! Connections of clients: taken, served, ended.

use std::{
    convert::Infallible,
    net::SocketAddr,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use hyper::{
    Request, Response,
    body::Incoming,
    header::HeaderValue,
    server::conn::{http1, http2},
    service::service_fn,
};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore, watch},
};

use crate::{
    Proxy,
    body::ProxyBody,
    crew::{Crew, Worker},
    limits::{HEAD_BYTES_MAX, LINGER_BYTES_MAX, LINGER_WAIT, STREAMS_MAX},
    prefixed::{ClientStream, Speaks},
};

/// After a connection could not be taken: there may be too many files open.
const ACCEPT_AGAIN: Duration = Duration::from_millis(50);
/// A client of whom nothing was heard for so long is asked whether it is still there.
const KEEPALIVE_IDLE: Duration = Duration::from_secs(60);
/// A connection of the second version on which nothing was asked for so long is ended, as one of the first is after its last answer.
const HTTP2_IDLE: Duration = Duration::from_secs(300);
/// What is read of a client before it goes on.
const BUFFER_BYTES_MAX: usize = 256 << 10;

impl Proxy {
    /// Serves whoever connects until `stop` comes to its end, and then lets answers in progress end for a moment.
    pub async fn serve(self: Arc<Self>, listener: TcpListener, stop: impl Future<Output = ()>) {
        let crew = match Crew::start(&self) {
            Ok(crew) => crew,
            Err(error) => return tracing::error!(%error, "apps cannot be served: no thread can be made"),
        };
        let turns = Arc::new(Semaphore::new(self.config.connections_max));
        let mut stop = pin!(stop);
        loop {
            let next = async {
                // Nobody closes the semaphore.
                let turn = Arc::clone(&turns).acquire_owned().await.ok()?;
                Some((turn, listener.accept().await))
            };
            tokio::select! {
                () = &mut stop => break,
                Some((turn, accepted)) = next => match accepted {
                    Ok((stream, address)) => crew.give(stream, address, turn),
                    Err(_) => tokio::time::sleep(ACCEPT_AGAIN).await,
                },
            }
        }
        drop(listener);
        self.stop();
        crew.end().await;
    }
}

impl Worker {
    /// One connection, from its first request to its last.
    pub(crate) async fn converse(self: Arc<Self>, stream: TcpStream, address: SocketAddr, turn: OwnedSemaphorePermit) {
        // Failure of either only costs time.
        let _ = stream.set_nodelay(true);
        let _ = rustix::net::sockopt::set_socket_keepalive(&stream, true);
        let _ = rustix::net::sockopt::set_tcp_keepidle(&stream, KEEPALIVE_IDLE);
        let mut stopping = self.proxy.stopping();
        let listening = tokio::time::timeout(self.proxy.config.head_wait, ClientStream::listen(stream, turn));
        let listened = tokio::select! {
            listened = listening => listened,
            () = stopped(&mut stopping) => return,
        };
        match listened {
            Ok(Ok((stream, Speaks::Http1))) => self.converse_http1(stream, address, stopping).await,
            Ok(Ok((stream, Speaks::Http2))) => self.converse_http2(stream, address, stopping).await,
            // Clients break off as they like, and too slow ones have said nothing.
            _ => {}
        }
    }

    async fn converse_http1(self: Arc<Self>, stream: ClientStream, address: SocketAddr, mut stopping: Stopping) {
        let head_wait = self.proxy.config.head_wait;
        let address = written(address);
        let service = service_fn(move |request| Arc::clone(&self).serve_one(request, address.clone()));
        let mut builder = http1::Builder::new();
        builder.timer(TokioTimer::new()).header_read_timeout(head_wait);
        builder.max_header_size(HEAD_BYTES_MAX).max_buf_size(BUFFER_BYTES_MAX);
        let mut connection = Box::pin(builder.serve_connection(TokioIo::new(stream), service).with_upgrades());
        tokio::select! {
            _ = connection.as_mut() => {}
            () = stopped(&mut stopping) => {
                connection.as_mut().graceful_shutdown();
                let _ = connection.as_mut().await;
            }
        }
        // A tunnel has its own task, and takes the stream with it.
        let connection = *std::pin::Pin::into_inner(connection);
        if let Some(parts) = connection.into_parts() {
            linger(parts.io.into_inner()).await;
        }
    }

    async fn converse_http2(self: Arc<Self>, stream: ClientStream, address: SocketAddr, mut stopping: Stopping) {
        let address = written(address);
        let streams = Arc::new(Streams::default());
        let (worker, counted) = (self, Arc::clone(&streams));
        let service = service_fn(move |request| {
            let stream = Streams::one_more(&counted);
            let answer = Arc::clone(&worker).serve_one(request, address.clone());
            async move {
                let _ends_with_its_head = stream;
                answer.await
            }
        });
        let mut builder = http2::Builder::new(TokioExecutor::new());
        builder
            .timer(TokioTimer::new())
            .max_concurrent_streams(STREAMS_MAX)
            .max_header_list_size(HEAD_BYTES_MAX as u32);
        builder.keep_alive_interval(KEEPALIVE_IDLE);
        let mut connection = Box::pin(builder.serve_connection(TokioIo::new(stream), service));
        tokio::select! {
            _ = connection.as_mut() => {}
            // What is still answered goes on to its end.
            () = streams.none_for(HTTP2_IDLE) => {
                connection.as_mut().graceful_shutdown();
                let _ = connection.as_mut().await;
            }
            () = stopped(&mut stopping) => {
                connection.as_mut().graceful_shutdown();
                let _ = connection.as_mut().await;
            }
        }
    }

    async fn serve_one(
        self: Arc<Self>,
        request: Request<Incoming>,
        address: HeaderValue,
    ) -> Result<Response<ProxyBody>, Infallible> {
        Ok(self.answer(request, &address).await)
    }
}

/// Requests of one connection.
#[derive(Default)]
struct Streams {
    begun: AtomicUsize,
    open: AtomicUsize,
}

impl Streams {
    fn one_more(streams: &Arc<Self>) -> OpenStream {
        streams.begun.fetch_add(1, Ordering::Relaxed);
        streams.open.fetch_add(1, Ordering::Relaxed);
        OpenStream(Arc::clone(streams))
    }

    /// Waits until nothing was asked, and nothing waited for its answer, for so long.
    async fn none_for(&self, idle: Duration) {
        loop {
            let begun = self.begun.load(Ordering::Relaxed);
            tokio::time::sleep(idle).await;
            if self.begun.load(Ordering::Relaxed) == begun && self.open.load(Ordering::Relaxed) == 0 {
                return;
            }
        }
    }
}

/// A request that has no answer yet.
struct OpenStream(Arc<Streams>);

impl Drop for OpenStream {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Where a client is, as apps are told.
fn written(address: SocketAddr) -> HeaderValue {
    HeaderValue::from_str(&address.ip().to_canonical().to_string()).expect("an address is visible ASCII")
}

/// Whether the proxy is to end.
pub(crate) type Stopping = watch::Receiver<bool>;

/// Waits until the proxy is to end.
pub(crate) async fn stopped(stopping: &mut Stopping) {
    // The sender lives in the proxy: without it there is nothing left to wait for.
    let _ = stopping.wait_for(|stopping| *stopping).await;
}

/// Closed at once, the last answer would be lost with what the client is still sending.
async fn linger(mut stream: ClientStream) {
    let drain = async {
        stream.shutdown().await?;
        tokio::io::copy(&mut (&mut stream).take(LINGER_BYTES_MAX), &mut tokio::io::sink()).await
    };
    // Whoever sends more, or slower, has had its answer for as long.
    let _ = tokio::time::timeout(LINGER_WAIT, drain).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    const IDLE: Duration = Duration::from_millis(20);

    #[tokio::test]
    async fn a_connection_is_idle_when_nothing_was_asked_and_nothing_waits() {
        let streams = Arc::new(Streams::default());
        let open = Streams::one_more(&streams);
        let waited = tokio::time::timeout(IDLE * 5, streams.none_for(IDLE)).await;
        assert!(waited.is_err(), "a request waits for its answer");
        drop(open);
        streams.none_for(IDLE).await;
    }
}
