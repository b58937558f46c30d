//! A connection into a sandbox: init makes it, the bytes flow through a socket of the sandbox's own network.

use std::{net::TcpStream as StdStream, os::fd::OwnedFd};

use madang_node_api::NodeError;
use madang_slot_api::{AppAnswer, AppAsk, AppFault, ConnectTo};
use rustix::{
    fs::OFlags,
    net::{AddressFamily, SocketType, sockopt},
};
use tokio::net::TcpStream;

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
pub async fn connect(link: &Link, to: ConnectTo) -> Result<TcpStream, ConnectFault> {
    let (answer, socket) = link.app(AppAsk::Connect { to }).await?;
    match (answer?, socket) {
        (AppAnswer::Connected, Some(socket)) => stream(socket).ok_or(ConnectFault::Strange),
        _ => Err(ConnectFault::Strange),
    }
}

/// What comes out of a slot is checked: only a connected TCP socket is worked with, and never one that may block.
fn stream(socket: OwnedFd) -> Option<TcpStream> {
    let family = sockopt::socket_domain(&socket).ok()?;
    let is_tcp = [AddressFamily::INET, AddressFamily::INET6].contains(&family)
        && sockopt::socket_type(&socket) == Ok(SocketType::STREAM)
        && sockopt::socket_protocol(&socket) == Ok(Some(rustix::net::ipproto::TCP));
    if !is_tcp {
        return None;
    }
    let flags = rustix::fs::fcntl_getfl(&socket).ok()?;
    rustix::fs::fcntl_setfl(&socket, flags | OFlags::NONBLOCK).ok()?;
    let stream = StdStream::from(socket);
    stream.peer_addr().ok().filter(|peer| peer.ip().is_loopback())?;
    TcpStream::from_std(stream).ok()
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
