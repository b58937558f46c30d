//! Who asks: a bearer token, a signature, a browser's cookie, or the uid behind a Unix socket.

use std::{
    net::SocketAddr,
    sync::{Arc, atomic::Ordering},
};

use axum::{
    Extension,
    extract::{Request, State},
    http::{HeaderMap, Method, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use madang_ids::SigninId;
use madang_model::{Actor, SignedInBy, person::ADMINISTRATOR};
use madang_public_api::{ProblemKind, signature::Scheme};
use subtle::ConstantTimeEq;

use super::{
    Shared,
    forward::{self, Inside},
    operation::Operations,
    origin::origin_of,
    rate,
};
use crate::{
    app::{App, Asker, Failure},
    signin::{
        address::Origin,
        browser,
        cookie::{self, CSRF_HEADER, Cookie},
        signed::{self, Rest, Vouched},
    },
};

/// The other end of a connection.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Peer {
    Tcp(SocketAddr),
    /// The uid as the kernel vouches for it; none if it did not say.
    Unix(Option<u32>),
}

/// Whoever sent the request, as [`check`] found out: an extractor of handlers.
pub(super) type Asking = Extension<Arc<Asker>>;

/// What [`check`] needs.
#[derive(Clone)]
pub(super) struct Gate {
    pub app: Shared,
    pub operations: Arc<Operations>,
}

/// Lets requests of actors pass that may ask for such a thing at all, with the asker attached; says in the answer who it was, for the layers around.
pub(super) async fn check(State(gate): State<Gate>, request: Request, next: Next) -> Result<Response, Failure> {
    let app = &gate.app;
    let origin = origin_of(request.extensions());
    let vouched = sign_in(app, origin, request).await;
    let Vouched { actor, mut request, rest, spoilt } = vouched.or_else(|failure| guessed(app, origin, failure))?;
    let actor = Arc::new(actor);
    // Whoever was asked first has counted it.
    let counted = forward::is_forwarded(app, request.headers());
    let allowance = match if counted { Ok(None) } else { rate::of_actor(app, &actor) } {
        Ok(allowance) => allowance,
        Err(failure) => return Ok(by(failure.into_response(), actor)),
    };
    rest.check(app).await.or_else(|failure| guessed(app, origin, failure))?;
    let asker = match gate
        .operations
        .row(&request)
        .and_then(|row| row.map(|row| Asker::new(Actor::clone(&actor), row)).transpose())
    {
        Ok(asker) => asker.map(Arc::new),
        Err(failure) => return Ok(by(failure.into_response(), actor)),
    };
    if let Some(asker) = &asker {
        request.extensions_mut().insert(Arc::clone(asker));
    }
    let mut response = next.run(request).await;
    let there = response.extensions().get::<Inside>().map(|inside| inside.0);
    if let Some(owner) = asker.and_then(|asker| asker.inside()).or(there) {
        match counted {
            true => forward::tell_inside(&mut response, owner),
            false => drop(response.extensions_mut().insert(Inside(owner))),
        }
    }
    if spoilt.load(Ordering::Acquire) {
        response = signed::spoilt().into_response();
    }
    Ok(rate::with_headers(by(response, actor), allowance))
}

/// Whoever guesses is slowed down.
fn guessed<T>(app: &App, origin: Origin, failure: Failure) -> Result<T, Failure> {
    if failure.kind == ProblemKind::Unauthenticated {
        rate::of_stranger(app, origin)?;
    }
    Err(failure)
}

fn by(mut response: Response, actor: Arc<Actor>) -> Response {
    response.extensions_mut().insert(actor);
    response
}

/// Who sent the request. A token or signature that is given must be right, also where the uid alone would do.
async fn sign_in(app: &App, origin: Origin, request: Request) -> Result<Vouched, Failure> {
    let refused = |detail: &str| Failure::new(ProblemKind::Unauthenticated, detail);
    let vouched = |actor, request, rest| Vouched { actor, request, rest, spoilt: Arc::default() };
    let bare = |actor, request| vouched(actor, request, Rest::Nothing);
    if let Some(forwarded) = forward::vouched(app, &request) {
        return Ok(bare(forwarded?.actor(app).await?, request));
    }
    if let Some(value) = request.headers().get(header::AUTHORIZATION) {
        if value.to_str().is_ok_and(|value| Scheme::of(value).is_some()) {
            return signed::check(app, request).await;
        }
        let token = bearer(value.as_bytes()).ok_or_else(|| refused("the Authorization header is no `Bearer` token"))?;
        let actor = app.people.now().actor_of_token(token).ok_or_else(|| refused("the token is not known"))?;
        return Ok(bare(actor, request));
    }
    match origin {
        Origin::Local { uid: Some(uid) } if uid == 0 || uid == rustix::process::geteuid().as_raw() => {
            let administrator = app.people.now().actor(ADMINISTRATOR, SignedInBy::Socket);
            Ok(bare(administrator.ok_or_else(|| refused("the administrator's account is suspended"))?, request))
        }
        Origin::Local { .. } => Err(refused("this user has no account here; send `Authorization: Bearer <token>`")),
        Origin::Remote { .. } => match Cookie::Signin.read(request.headers(), app.is_secure(origin)) {
            Some(secret) => {
                let (id, actor) = by_cookie(app, &secret, request.method(), request.headers())?;
                Ok(vouched(actor, request, Rest::Browser { secret, id }))
            }
            None => Err(refused("send `Authorization: Bearer <token>`")),
        },
    }
}

/// A browser sends its cookie whoever makes it ask. What changes something must come from a page of ours, which alone can know the
/// token; a WebSocket, for which a page can send no header, must come from this host.
fn by_cookie(app: &App, secret: &str, method: &Method, headers: &HeaderMap) -> Result<(SigninId, Actor), Failure> {
    let signed_in = browser::actor(app, secret)?;
    let upgrade = headers.contains_key(header::UPGRADE);
    let safe = matches!(*method, Method::GET | Method::HEAD) && !upgrade;
    if safe {
        return Ok(signed_in);
    }
    let given = headers.get(CSRF_HEADER).map_or(&b""[..], |value| value.as_bytes());
    let right = bool::from(cookie::csrf(&app.signin.key, secret).as_bytes().ct_eq(given));
    let from_us = cookie::is_same_site(headers) && (right || (upgrade && headers.contains_key(header::ORIGIN)));
    if from_us {
        return Ok(signed_in);
    }
    let detail =
        "a browser's request that changes something repeats what signing in answered as `csrf`, in X-CSRF-Token";
    Err(Failure::new(ProblemKind::Forbidden, detail))
}

/// Whether somebody with an account here asks, where strangers are answered as well.
pub(super) async fn is_known(app: &App, request: Request) -> bool {
    let origin = origin_of(request.extensions());
    match sign_in(app, origin, request).await {
        Ok(vouched) => vouched.rest.check(app).await.is_ok(),
        Err(_) => false,
    }
}

fn bearer(value: &[u8]) -> Option<&[u8]> {
    let (scheme, token) = value.split_at_checked("Bearer ".len())?;
    let token = token.trim_ascii();
    (scheme.eq_ignore_ascii_case(b"Bearer ") && !token.is_empty()).then_some(token)
}
