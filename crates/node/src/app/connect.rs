//! A connection into a sandbox: init makes it, the bytes flow through a socket of the sandbox's own network.

use std::{
    io,
    net::TcpStream as StdStream,
    os::fd::OwnedFd,
    pin::Pin,
    task::{Context, Poll, ready},
};

use madang_node_api::NodeError;
use madang_slot_api::{AppAnswer, AppAsk, AppFault, ConnectTo};
use rustix::{
    fs::OFlags,
    net::{AddressFamily, RecvFlags, SendFlags, SocketType, recv, send, sockopt},
};
use tokio::{
    io::{AsyncRead, AsyncWrite, Interest, ReadBuf},
    net::TcpStream,
};

use crate::link::{Link, LinkError};

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub enum ConnectFault {
    #[error(transparent)]
    Link(#[from] LinkError),
    #[error(transparent)]
    App(#[from] AppFault),
    #[error("the sandbox passed something that is no connection")]
    Strange,
}

/// Connects to what listens in the slot.
pub async fn connect(link: &Link, to: ConnectTo) -> Result<GuestStream, ConnectFault> {
    let (answer, socket) = link.app(AppAsk::Connect { to }).await?;
    match (answer?, socket) {
        (AppAnswer::Connected, Some(socket)) => stream(socket).ok_or(ConnectFault::Strange),
        _ => Err(ConnectFault::Strange),
    }
}

/// What comes out of a slot is checked: only a connected TCP socket to the slot's own loopback is worked with.
fn stream(socket: OwnedFd) -> Option<GuestStream> {
    let family = sockopt::socket_domain(&socket).ok()?;
    let is_tcp = [AddressFamily::INET, AddressFamily::INET6].contains(&family)
        && sockopt::socket_type(&socket) == Ok(SocketType::STREAM)
        && sockopt::socket_protocol(&socket) == Ok(Some(rustix::net::ipproto::TCP));
    if !is_tcp {
        return None;
    }
    let flags = rustix::fs::fcntl_getfl(&socket).ok()?;
    rustix::fs::fcntl_setfl(&socket, flags | OFlags::NONBLOCK).ok()?;
    let socket = StdStream::from(socket);
    socket.peer_addr().ok().filter(|peer| peer.ip().is_loopback())?;
    TcpStream::from_std(socket).ok().map(GuestStream)
}

/// A connection whose socket init has as well, and can change at any time: no call on it waits in the kernel, whatever flags it has.
#[derive(Debug)]
pub struct GuestStream(TcpStream);

impl Drop for GuestStream {
    fn drop(&mut self) {
        // Closing would wait for as long as was set.
        let _ = sockopt::set_socket_linger(&self.0, None);
    }
}

impl AsyncRead for GuestStream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        loop {
            ready!(self.0.poll_read_ready(cx))?;
            let into = buf.initialize_unfilled();
            let receive = || Ok(recv(&self.0, into, RecvFlags::DONTWAIT)?.0);
            match self.0.try_io(Interest::READABLE, receive) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                received => {
                    buf.advance(received?);
                    return Poll::Ready(Ok(()));
                }
            }
        }
    }
}

impl AsyncWrite for GuestStream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        loop {
            ready!(self.0.poll_write_ready(cx))?;
            let say = || Ok(send(&self.0, bytes, SendFlags::DONTWAIT | SendFlags::NOSIGNAL)?);
            match self.0.try_io(Interest::WRITABLE, say) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                sent => return Poll::Ready(sent),
            }
        }
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

/// For whoever asked.
pub fn failed(fault: &ConnectFault, what: &str) -> NodeError {
    match fault {
        ConnectFault::App(AppFault::TooMany) => {
            NodeError::Limit("too many connections to the sandbox wait to be taken".to_owned())
        }
        fault => NodeError::Unavailable(format!("{what} cannot be reached: {fault}")),
    }
}
