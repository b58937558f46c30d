//! Connections: taken, served, ended. One that says nothing is not kept for long, and whoever is refused while still sending can read why.

use std::{
    io,
    net::SocketAddr,
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use axum::{Router, extract::Request, serve::Listener};
use hyper::{body::Incoming, server::conn::http1, service::Service as _};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadBuf},
    net::{TcpListener, TcpStream, UnixListener, UnixStream},
    runtime::Handle,
    sync::{OwnedSemaphorePermit, Semaphore},
    task::JoinSet,
};

use crate::{
    app::{App, Stage},
    http::Peer,
};

/// As much of what is still on its way is read, and thrown away, after the last answer of a connection.
const LINGER_BYTES_MAX: u64 = 64 << 20;

pub(crate) async fn serve_tcp(app: Arc<App>, listener: TcpListener, router: Router) {
    serve(app, listener, router, tcp_peer).await;
}

pub(crate) async fn serve_unix(app: Arc<App>, listener: UnixListener, router: Router) {
    serve(app, listener, router, unix_peer).await;
}

fn tcp_peer(stream: &TcpStream, address: &SocketAddr) -> Peer {
    // Many small answers: waiting to fill packets would cost 40 ms now and then. Failure only costs time.
    let _ = stream.set_nodelay(true);
    Peer::Tcp(*address)
}

fn unix_peer(stream: &UnixStream, _: &tokio::net::unix::SocketAddr) -> Peer {
    Peer::Unix(stream.peer_cred().ok().map(|credentials| credentials.uid()))
}

/// Serves whoever connects until the server stops, and returns once the last has its answer.
async fn serve<L: Listener>(app: Arc<App>, mut listener: L, router: Router, peer: impl Fn(&L::Io, &L::Addr) -> Peer) {
    let turns = Arc::new(Semaphore::new(app.config.connections_max));
    let mut connections = JoinSet::new();
    let mut stopping = pin!(app.reached(Stage::Stopping));
    loop {
        let next = async {
            // Nobody closes the semaphore.
            let turn = Arc::clone(&turns).acquire_owned().await.ok()?;
            Some((turn, listener.accept().await))
        };
        tokio::select! {
            () = &mut stopping => break,
            Some(_) = connections.join_next() => {}
            Some((turn, (io, address))) = next => {
                let peer = peer(&io, &address);
                let io = Lingering::new(io, turn, Duration::from_millis(app.config.linger_ms));
                connections.spawn(converse(Arc::clone(&app), io, peer, router.clone()));
            }
        }
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
}

/// One connection, from its first request to its last.
async fn converse<S>(app: Arc<App>, io: Lingering<S>, peer: Peer, router: Router)
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let routed = TowerToHyperService::new(router);
    let service = hyper::service::service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(peer);
        routed.call(request)
    });
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(Duration::from_millis(app.config.head_wait_ms));
    let mut connection = pin!(builder.serve_connection(TokioIo::new(io), service).with_upgrades());
    tokio::select! {
        // Clients break off as they like.
        _ = connection.as_mut() => return,
        () = app.reached(Stage::Stopping) => connection.as_mut().graceful_shutdown(),
    }
    let _ = connection.await;
}

/// A stream whose other end may still be sending when it is dropped: closed at once, the answer would be lost with what is on its way.
struct Lingering<S: AsyncRead + AsyncWrite + Send + Unpin + 'static> {
    /// None once dropped.
    rest: Option<(S, OwnedSemaphorePermit)>,
    /// The other end has closed.
    ended: bool,
    wait: Duration,
}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Lingering<S> {
    fn new(io: S, turn: OwnedSemaphorePermit, wait: Duration) -> Self {
        Self { rest: Some((io, turn)), ended: false, wait }
    }

    fn io(self: Pin<&mut Self>) -> io::Result<Pin<&mut S>> {
        let rest = self.get_mut().rest.as_mut();
        rest.map(|(io, _)| Pin::new(io)).ok_or_else(|| io::ErrorKind::NotConnected.into())
    }
}

impl<S: AsyncRead + AsyncWrite + Send + Unpin + 'static> Drop for Lingering<S> {
    fn drop(&mut self) {
        let (Some((mut io, turn)), false, Ok(runtime)) = (self.rest.take(), self.ended, Handle::try_current()) else {
            return;
        };
        let wait = self.wait;
        runtime.spawn(async move {
            let linger = async {
                io.shutdown().await?;
                tokio::io::copy(&mut (&mut io).take(LINGER_BYTES_MAX), &mut tokio::io::sink()).await
            };
            // Whoever sends more, or slower, has had its answer for as long.
            let _ = tokio::time::timeout(wait, linger).await;
            drop((io, turn));
        });
    }
}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> AsyncRead for Lingering<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let (before, room) = (buf.filled().len(), buf.remaining() > 0);
        let read = ready!(self.as_mut().io()?.poll_read(cx, buf));
        self.ended |= read.is_err() || (room && buf.filled().len() == before);
        Poll::Ready(read)
    }
}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> AsyncWrite for Lingering<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.io()?.poll_write(cx, buf)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.io()?.poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.io()?.poll_shutdown(cx)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.io()?.poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.rest.as_ref().is_some_and(|(io, _)| io.is_write_vectored())
    }
}
