//! From an address to a client: a socket, TLS over it, HTTP/2 over that.

use std::{
    io,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
    time::Duration,
};

use async_trait::async_trait;
use hyper_util::rt::TokioIo;
use rustls::{ClientConfig, pki_types::ServerName};
use tokio_rustls::{TlsConnector, client::TlsStream};
use tonic::{codegen::Service, transport::Endpoint};

use super::{Client, MemberError};
use crate::{MESSAGE_BYTES_MAX, authority::SERVER_NAME, hub::Io, wire::link_client::LinkClient};

/// A connection that does not stand by then never will.
const DIAL_WAIT: Duration = Duration::from_secs(5);
const WINDOW_BYTES: u32 = 1 << 20;

/// How a node reaches an address.
#[async_trait]
pub trait Dial: Send + Sync + 'static {
    async fn dial(&self, address: &str) -> io::Result<Box<dyn Io>>;
}

/// Over TCP.
#[derive(Debug, Clone, Copy, Default)]
pub struct Tcp;

#[async_trait]
impl Dial for Tcp {
    async fn dial(&self, address: &str) -> io::Result<Box<dyn Io>> {
        let stream = tokio::net::TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Box::new(stream))
    }
}

type Stream = TlsStream<Box<dyn Io>>;

pub(super) async fn client(dial: &dyn Dial, address: &str, tls: &Arc<ClientConfig>) -> Result<Client, MemberError> {
    let unreachable = |why: String| MemberError::Unreachable(format!("{address}: {why}"));
    let name = ServerName::try_from(SERVER_NAME).map_err(|error| unreachable(error.to_string()))?;
    let connect = async {
        let stream = dial.dial(address).await?;
        TlsConnector::from(Arc::clone(tls)).connect(name, stream).await
    };
    let stream = match tokio::time::timeout(DIAL_WAIT, connect).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) if is_other_authority(&error) => return Err(MemberError::Refused(error.to_string())),
        Ok(Err(error)) => return Err(unreachable(error.to_string())),
        Err(_) => return Err(unreachable("no connection in time".to_owned())),
    };
    let endpoint = Endpoint::from_static("http://control.madang.internal")
        .initial_stream_window_size(WINDOW_BYTES)
        .initial_connection_window_size(4 * WINDOW_BYTES);
    let once = Once(Arc::new(Mutex::new(Some(stream))));
    let channel = endpoint.connect_with_connector(once).await.map_err(|error| unreachable(error.to_string()))?;
    let client = LinkClient::new(channel);
    Ok(client.max_decoding_message_size(MESSAGE_BYTES_MAX).max_encoding_message_size(MESSAGE_BYTES_MAX))
}

/// A certificate that will not become right by waiting. One whose time has not come or is over will: one of the two clocks was set, and
/// whoever ended what runs for that would lose it to a clock.
fn is_other_authority(error: &io::Error) -> bool {
    use rustls::CertificateError as Wrong;
    match error.get_ref().and_then(|error| error.downcast_ref::<rustls::Error>()) {
        Some(rustls::Error::InvalidCertificate(wrong)) => !matches!(
            wrong,
            Wrong::NotValidYet | Wrong::NotValidYetContext { .. } | Wrong::Expired | Wrong::ExpiredContext { .. }
        ),
        Some(rustls::Error::General(_)) => true,
        _ => false,
    }
}

/// Gives the connection that stands already, once: a link that breaks is ours to make anew, not the channel's.
#[derive(Clone)]
struct Once(Arc<Mutex<Option<Stream>>>);

impl Service<http::Uri> for Once {
    type Response = TokioIo<Stream>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Self::Response>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: http::Uri) -> Self::Future {
        let stream = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        Box::pin(async { stream.map(TokioIo::new).ok_or_else(|| io::ErrorKind::NotConnected.into()) })
    }
}

#[cfg(test)]
mod tests {
    use rustls::{CertificateError, pki_types::UnixTime};

    use super::*;

    #[test]
    fn a_clock_that_was_set_is_no_other_authority() {
        let is_other = |wrong| is_other_authority(&io::Error::other(rustls::Error::InvalidCertificate(wrong)));
        let at = |seconds| UnixTime::since_unix_epoch(Duration::from_secs(seconds));
        assert!(is_other(CertificateError::UnknownIssuer));
        assert!(!is_other(CertificateError::NotValidYetContext { time: at(1), not_before: at(2) }));
        assert!(!is_other(CertificateError::ExpiredContext { time: at(2), not_after: at(1) }));
    }
}
