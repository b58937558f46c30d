//! Who asks: a bearer token, or the uid behind a Unix socket.

use std::{net::SocketAddr, sync::Arc};

use axum::{
    Extension,
    extract::{ConnectInfo, Request, State, connect_info::Connected},
    http::{HeaderMap, header},
    middleware::Next,
    response::Response,
    serve::IncomingStream,
};
use madang_model::{Actor, SignedInBy, person::ADMINISTRATOR};
use madang_public_api::ProblemKind;
use tokio::net::{TcpListener, UnixListener};

use super::{Shared, operation::Operations};
use crate::app::{App, Asker, Failure};

/// The other end of a connection.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Peer {
    Tcp,
    /// The uid as the kernel vouches for it; none if it did not say.
    Unix(Option<u32>),
}

impl Connected<IncomingStream<'_, TcpListener>> for Peer {
    fn connect_info(stream: IncomingStream<'_, TcpListener>) -> Self {
        let _: &SocketAddr = stream.remote_addr();
        // Many small answers: waiting to fill packets would cost 40 ms now and then. Failure only costs time.
        let _ = stream.io().set_nodelay(true);
        Peer::Tcp
    }
}

impl Connected<IncomingStream<'_, UnixListener>> for Peer {
    fn connect_info(stream: IncomingStream<'_, UnixListener>) -> Self {
        Peer::Unix(stream.io().peer_cred().ok().map(|credentials| credentials.uid()))
    }
}

/// Whoever sent the request, as [`check`] found out: an extractor of handlers.
pub(super) type Asking = Extension<Arc<Asker>>;

/// What [`check`] needs.
#[derive(Clone)]
pub(super) struct Gate {
    pub app: Shared,
    pub operations: Arc<Operations>,
}

/// Lets requests of actors pass that may ask for such a thing at all, with the asker attached.
pub(super) async fn check(State(gate): State<Gate>, mut request: Request, next: Next) -> Result<Response, Failure> {
    let peer = request.extensions().get::<ConnectInfo<Peer>>().map(|info| info.0);
    let actor = actor(&gate.app, peer, request.headers())?;
    if let Some(row) = gate.operations.row(&request)? {
        request.extensions_mut().insert(Arc::new(Asker::new(actor, row)?));
    }
    Ok(next.run(request).await)
}

/// A token that is given must be right, also where the uid alone would do.
fn actor(app: &App, peer: Option<Peer>, headers: &HeaderMap) -> Result<Actor, Failure> {
    let refused = |detail: &str| Failure::new(ProblemKind::Unauthenticated, detail);
    if let Some(value) = headers.get(header::AUTHORIZATION) {
        let token = bearer(value.as_bytes()).ok_or_else(|| refused("the Authorization header is no `Bearer` token"))?;
        return app.people.now().actor_of_token(token).ok_or_else(|| refused("the token is not known"));
    }
    match peer {
        Some(Peer::Unix(Some(uid))) if uid == 0 || uid == rustix::process::geteuid().as_raw() => {
            let administrator = app.people.now().actor(ADMINISTRATOR, SignedInBy::Socket);
            administrator.ok_or_else(|| refused("the administrator's account is suspended"))
        }
        Some(Peer::Unix(_)) => Err(refused("this user has no account here; send `Authorization: Bearer <token>`")),
        _ => Err(refused("send `Authorization: Bearer <token>`")),
    }
}

fn bearer(value: &[u8]) -> Option<&[u8]> {
    let (scheme, token) = value.split_at_checked("Bearer ".len())?;
    let token = token.trim_ascii();
    (scheme.eq_ignore_ascii_case(b"Bearer ") && !token.is_empty()).then_some(token)
}
