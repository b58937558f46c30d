//! The listener: takes connections within their bounds, watches their time, ends them.

use std::{borrow::Cow, net::SocketAddr, os::fd::AsFd as _, sync::Arc, time::Duration};

use russh::{
    Disconnect, MethodKind, MethodSet, Preferred, SshId,
    keys::{Algorithm, EcdsaCurve},
    server::{self, Config},
};
use rustix::net::sockopt;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinSet,
};

use crate::{
    Door, HostKey,
    connection::Connection,
    gate::{Gate, Gated, Held},
    places::{Place, Places},
};

/// Connections at once, wherever the machine has room for more; one more is closed.
const CONNECTIONS_MAX: usize = 1_024;
/// Nobody takes longer to sign in.
const SIGN_IN_WAIT: Duration = Duration::from_secs(60);
/// Keys that a client may try, as many as an agent holds.
const ATTEMPTS_MAX: usize = 10;
/// Between a wrong key and the answer.
const REJECTION_WAIT: Duration = Duration::from_millis(200);
/// A client that was told that it is over is given this long.
const GOODBYE_WAIT: Duration = Duration::from_secs(2);
/// Between two tries to take a connection where the machine has no room for one.
const ACCEPT_AGAIN: Duration = Duration::from_millis(100);
/// A peer that is silent is asked whether it is there, so often, and given up after so many times. By TCP: what the protocol has for that
/// would wait behind bytes that a program does not read.
const ALIVE_IDLE: Duration = Duration::from_secs(60);
const ALIVE_EVERY: Duration = Duration::from_secs(15);
const ALIVE_MAX: u32 = 4;
/// Messages on their way to one client.
const MESSAGES_MAX: usize = 64;

/// Serves whoever connects until `stopping`, and returns once the last connection has ended. There are at most `connections_max` at once;
/// each takes two descriptors.
pub async fn serve(
    listener: TcpListener,
    key: HostKey,
    door: Arc<dyn Door>,
    connections_max: usize,
    stopping: impl Future<Output = ()>,
) {
    let gateway = Gateway {
        door,
        config: Arc::new(config(key)),
        places: Places::new(connections_max.min(CONNECTIONS_MAX)),
        held: Arc::default(),
    };
    let (stop, stopped) = watch::channel(false);
    let mut served = JoinSet::new();
    let mut stopping = std::pin::pin!(stopping);
    loop {
        tokio::select! {
            () = &mut stopping => break,
            Some(_) = served.join_next() => {}
            taken = listener.accept() => match taken {
                Ok((socket, peer)) => if let Some(turn) = gateway.places.take(peer.ip()) {
                    served.spawn(gateway.clone().converse(socket, peer, turn, stopped.clone()));
                },
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be taken");
                    tokio::time::sleep(ACCEPT_AGAIN).await;
                }
            }
        }
    }
    drop(listener);
    stop.send_replace(true);
    while served.join_next().await.is_some() {}
}

fn config(key: HostKey) -> Config {
    let ecdsa = |curve| Algorithm::Ecdsa { curve };
    let kinds =
        [Algorithm::Ed25519, ecdsa(EcdsaCurve::NistP256), ecdsa(EcdsaCurve::NistP384), ecdsa(EcdsaCurve::NistP521)];
    Config {
        server_id: SshId::Standard(Cow::Borrowed("SSH-2.0-madang")),
        methods: MethodSet::from(&[MethodKind::PublicKey][..]),
        auth_rejection_time: REJECTION_WAIT,
        auth_rejection_time_initial: Some(Duration::ZERO),
        keys: vec![key.0],
        preferred: Preferred { key: Cow::Owned(kinds.to_vec()), ..Preferred::DEFAULT },
        max_auth_attempts: ATTEMPTS_MAX,
        inactivity_timeout: None,
        event_buffer_size: MESSAGES_MAX,
        nodelay: true,
        ..Config::default()
    }
}

#[derive(Clone)]
struct Gateway {
    door: Arc<dyn Door>,
    config: Arc<Config>,
    places: Places,
    held: Arc<Held>,
}

/// A connection's place among all, and among those of strangers.
type Turn = (Place, Place);

impl Gateway {
    async fn converse(self, socket: TcpStream, peer: SocketAddr, turn: Turn, mut stopped: watch::Receiver<bool>) {
        let Ok((socket, line)) = prepare(socket) else { return };
        // However this ends, the other half of russh ends with the socket.
        let _line = Line(line);
        let gate = Gate::new(&self.held);
        let (signed_in, mut who) = watch::channel(None);
        let connection =
            Connection::new(Arc::clone(&self.door), peer, Arc::clone(&gate), signed_in, self.places.clone());
        let gated = Gated { socket, gate };
        let (_connection, stranger) = turn;
        let begin = async {
            let session = server::run_stream(Arc::clone(&self.config), gated, connection).await.ok()?;
            let handle = session.handle();
            let mut session = session;
            tokio::select! {
                _ = &mut session => None,
                // An error means that the session is over.
                known = who.wait_for(Option::is_some) => known.ok()?.clone().map(|guest| (session, handle, guest)),
            }
        };
        let begun = tokio::select! {
            begun = tokio::time::timeout(SIGN_IN_WAIT, begin) => begun.ok().flatten(),
            _ = stopped.wait_for(|stopped| *stopped) => None,
        };
        let Some((mut session, handle, guest)) = begun else { return };
        drop(stranger);
        let over = async {
            match &guest {
                Ok(guest) => guest.over().await,
                // It may still read why.
                Err(_) => {
                    tokio::time::sleep(SIGN_IN_WAIT).await;
                    "there is nothing to do here".to_owned()
                }
            }
        };
        let why = tokio::select! {
            ended = &mut session => {
                tracing::debug!(%peer, ended = ?ended.err(), "an SSH connection has ended");
                return;
            }
            why = over => why,
            _ = stopped.wait_for(|stopped| *stopped) => "the server is stopping".to_owned(),
        };
        let goodbye = async {
            let _ = handle.disconnect(Disconnect::ByApplication, why, String::new()).await;
            session.await
        };
        let _ = tokio::time::timeout(GOODBYE_WAIT, goodbye).await;
    }
}

/// The socket, and another handle of it to end it by.
fn prepare(socket: TcpStream) -> std::io::Result<(TcpStream, std::net::TcpStream)> {
    let _ = socket.set_nodelay(true);
    let fd = socket.as_fd();
    sockopt::set_socket_keepalive(fd, true)?;
    sockopt::set_tcp_keepidle(fd, ALIVE_IDLE)?;
    sockopt::set_tcp_keepintvl(fd, ALIVE_EVERY)?;
    sockopt::set_tcp_keepcnt(fd, ALIVE_MAX)?;
    let socket = socket.into_std()?;
    let line = socket.try_clone()?;
    Ok((TcpStream::from_std(socket)?, line))
}

struct Line(std::net::TcpStream);

impl Drop for Line {
    fn drop(&mut self) {
        // It may have been closed long before.
        let _ = self.0.shutdown(std::net::Shutdown::Both);
    }
}
