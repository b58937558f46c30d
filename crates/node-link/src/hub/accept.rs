//! From sockets to connections whose TLS stands. Strangers cost little: a place among few, and not for long.

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

use super::{Io, Listen};
use crate::authority::fingerprint;

/// A handshake takes no longer, or there is none.
const HANDSHAKE_WAIT: Duration = Duration::from_secs(10);
/// Connections of nodes, and of those who may be one.
const CONNECTIONS_MAX: usize = 8_192;
/// Connections without a certificate: each could be anybody's.
const STRANGERS_MAX: usize = 256;
/// A stranger joins within this time or is cut off.
const STRANGER_LIFE: Duration = Duration::from_secs(30);
const PAUSE_AFTER_ERROR: Duration = Duration::from_millis(50);

/// Who is at the other end: the fingerprint of the certificate that TLS has checked.
#[derive(Debug, Clone)]
pub(super) struct Peer(pub Option<String>);

/// A connection with TLS.
pub(super) struct Connection {
    tls: TlsStream<Box<dyn Io>>,
    peer: Peer,
    /// When a stranger has to be gone.
    end: Option<Pin<Box<tokio::time::Sleep>>>,
    _places: Vec<OwnedSemaphorePermit>,
}

pub(super) fn connections(
    mut listener: impl Listen,
    acceptor: TlsAcceptor,
) -> ReceiverStream<std::io::Result<Connection>> {
    let (send, ready) = mpsc::channel(16);
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let strangers = Arc::new(Semaphore::new(STRANGERS_MAX));
    tokio::spawn(async move {
        loop {
            let accepted = tokio::select! {
                () = send.closed() => return,
                accepted = listener.accept() => accepted,
            };
            let Ok(stream) = accepted else {
                tokio::time::sleep(PAUSE_AFTER_ERROR).await;
                continue;
            };
            let Ok(place) = Arc::clone(&places).try_acquire_owned() else { continue };
            let (acceptor, strangers, send) = (acceptor.clone(), Arc::clone(&strangers), send.clone());
            tokio::spawn(async move {
                if let Some(connection) = shake_hands(stream, acceptor, strangers, place).await {
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
    strangers: Arc<Semaphore>,
    place: OwnedSemaphorePermit,
) -> Option<Connection> {
    // Until it has shown a certificate everybody is a stranger.
    let stranger = strangers.try_acquire_owned().ok()?;
    let tls = match tokio::time::timeout(HANDSHAKE_WAIT, acceptor.accept(stream)).await {
        Ok(Ok(tls)) => tls,
        Ok(Err(error)) => {
            tracing::debug!(%error, "a handshake failed");
            return None;
        }
        Err(_) => return None,
    };
    let certificate = tls.get_ref().1.peer_certificates().and_then(|chain| chain.first());
    let peer = Peer(certificate.map(|certificate| crate::hex(&fingerprint(certificate))));
    let known = peer.0.is_some();
    let end = (!known).then(|| Box::pin(tokio::time::sleep(STRANGER_LIFE)));
    let places = if known { vec![place] } else { vec![place, stranger] };
    Some(Connection { tls, peer, end, _places: places })
}

impl Connected for Connection {
    type ConnectInfo = Peer;

    fn connect_info(&self) -> Peer {
        self.peer.clone()
    }
}

impl AsyncRead for Connection {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<std::io::Result<()>> {
        if let Some(end) = &mut self.end
            && end.as_mut().poll(cx).is_ready()
        {
            return Poll::Ready(Err(std::io::ErrorKind::TimedOut.into()));
        }
        Pin::new(&mut self.tls).poll_read(cx, buf)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.tls).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.tls).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.tls).poll_shutdown(cx)
    }
}
