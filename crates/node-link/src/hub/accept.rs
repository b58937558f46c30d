//! From sockets to connections whose TLS stands. Strangers cost little: a place among few, not for long, and few bytes.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    sync::{OwnedSemaphorePermit, Semaphore, mpsc},
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::server::Connected;

use super::{
    HubConfig, Io, Listen,
    door::{self, Door, Doors, Pass, Stage},
};
use crate::authority::fingerprint;

/// What a stranger says is read so far: a token, a request for a certificate, or as much of a greeting as comes before we know whose it is.
const STRANGER_BYTES_MAX: usize = 64 << 10;
/// Connections of nodes, and of those who may be one.
const CONNECTIONS_MAX: usize = 8_192;
const PAUSE_AFTER_ERROR: Duration = Duration::from_millis(50);

/// How long strangers may take, as the hub is configured.
#[derive(Debug, Clone, Copy)]
pub(super) struct Patience {
    handshake: Duration,
    ask: Duration,
    stranger: Duration,
}

impl Patience {
    pub fn new(config: &HubConfig) -> Self {
        let HubConfig { handshake_ms, ask_ms, stranger_ms, .. } = config;
        let [handshake, ask, stranger] = [handshake_ms, ask_ms, stranger_ms].map(|ms| Duration::from_millis(*ms));
        Self { handshake, ask, stranger }
    }
}

/// Who is at the other end.
#[derive(Debug, Clone)]
pub(super) struct Peer {
    /// The fingerprint of the certificate that TLS has checked.
    pub print: Option<Arc<str>>,
    pub door: Arc<Door>,
}

/// A connection with TLS.
pub(super) struct Connection {
    tls: TlsStream<Box<dyn Io>>,
    peer: Peer,
    read_bytes: usize,
    /// When a stranger has to have come further.
    end: Option<Pin<Box<tokio::time::Sleep>>>,
    /// What it has to have done by then.
    due: Stage,
    /// What it has after its first call.
    life: Duration,
    _pass: Pass,
    _place: OwnedSemaphorePermit,
}

pub(super) fn connections(
    mut listener: impl Listen,
    acceptor: TlsAcceptor,
    doors: Arc<Doors>,
    patience: Patience,
) -> ReceiverStream<std::io::Result<Connection>> {
    let (send, ready) = mpsc::channel(16);
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    tokio::spawn(async move {
        loop {
            let accepted = tokio::select! {
                () = send.closed() => return,
                accepted = listener.accept_from() => accepted,
            };
            let Ok((stream, from)) = accepted else {
                tokio::time::sleep(PAUSE_AFTER_ERROR).await;
                continue;
            };
            let Ok(place) = Arc::clone(&places).try_acquire_owned() else { continue };
            let Some(pass) = doors.enter(from.map(door::origin)) else { continue };
            let (acceptor, send) = (acceptor.clone(), send.clone());
            tokio::spawn(async move {
                if let Some(connection) = shake_hands(stream, acceptor, (pass, place), patience).await {
                    // The server may be gone.
                    let _ = send.send(Ok(connection)).await;
                }
            });
        }
    });
    ReceiverStream::new(ready)
}

async fn shake_hands(
    stream: Box<dyn Io>,
    acceptor: TlsAcceptor,
    (pass, place): (Pass, OwnedSemaphorePermit),
    patience: Patience,
) -> Option<Connection> {
    let shaken = tokio::select! {
        () = pass.door.shut() => return None,
        shaken = tokio::time::timeout(patience.handshake, acceptor.accept(stream)) => shaken,
    };
    let tls = match shaken {
        Ok(Ok(tls)) => tls,
        Ok(Err(error)) => {
            tracing::debug!(%error, "a handshake failed");
            return None;
        }
        Err(_) => return None,
    };
    let certificate = tls.get_ref().1.peer_certificates().and_then(|chain| chain.first());
    let print = certificate.map(|certificate| crate::hex(&fingerprint(certificate)).into());
    let peer = Peer { print, door: Arc::clone(&pass.door) };
    let end = Some(Box::pin(tokio::time::sleep(patience.ask)));
    let (due, life) = (Stage::Asked, patience.stranger);
    Some(Connection { tls, peer, read_bytes: 0, end, due, life, _pass: pass, _place: place })
}

impl Connected for Connection {
    type ConnectInfo = Peer;

    fn connect_info(&self) -> Peer {
        self.peer.clone()
    }
}

impl Connection {
    /// Whether it may go on reading; woken when that changes.
    fn poll_may_read(&mut self, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        let stage = self.peer.door.poll_stage(cx);
        match stage {
            Stage::Shut => return Poll::Ready(Err(std::io::ErrorKind::ConnectionAborted.into())),
            Stage::Known => {
                self.end = None;
                return Poll::Ready(Ok(()));
            }
            Stage::Silent | Stage::Asked => {}
        }
        while let Some(end) = &mut self.end
            && end.as_mut().poll(cx).is_ready()
        {
            if stage < self.due || self.due == Stage::Known {
                return Poll::Ready(Err(std::io::ErrorKind::TimedOut.into()));
            }
            self.due = Stage::Known;
            end.as_mut().reset(tokio::time::Instant::now() + self.life);
        }
        if self.read_bytes < STRANGER_BYTES_MAX { Poll::Ready(Ok(())) } else { Poll::Pending }
    }
}

impl AsyncRead for Connection {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<std::io::Result<()>> {
        std::task::ready!(self.poll_may_read(cx))?;
        let before = buf.filled().len();
        std::task::ready!(Pin::new(&mut self.tls).poll_read(cx, buf))?;
        self.read_bytes = self.read_bytes.saturating_add(buf.filled().len() - before);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Connection {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<std::io::Result<usize>> {
        if self.peer.door.stage() == Stage::Shut {
            return Poll::Ready(Err(std::io::ErrorKind::ConnectionAborted.into()));
        }
        Pin::new(&mut self.tls).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.tls).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.tls).poll_shutdown(cx)
    }
}
