//! Between control processes: a request about what another process leads goes there, with whoever asks and without their secrets.
//!
//! The processes of an installation share a secret in the database. A forwarded request carries the actor as the first process knows
//! them, and a proof over it, the method and the address asked for. It is answered where it arrives, or goes on to whoever has come to
//! lead meanwhile, a few times at most.

use std::{sync::Arc, time::Duration};

use axum::{
    body::Body,
    extract::{Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, header},
    middleware::Next,
    response::Response,
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use futures_util::StreamExt as _;
use hmac::{Hmac, Mac};
use http_body_util::{BodyExt as _, Limited};
use hyper::body::Body as _;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use madang_ids::{ControlId, UserId};
use madang_model::Actor;
use madang_public_api::ProblemKind;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use sha2::Sha256;
use tokio::net::TcpStream;
use tracing::Instrument as _;

use super::{
    Shared,
    problem::{REQUEST_ID, RequestId},
    whose::group_of,
};
use crate::{
    app::{App, Asker, Failure, Stage, leadership::Leader},
    clock::wall_ms,
    signin::cookie::CSRF_HEADER,
};

/// Who asks, when, and the proof.
const FORWARDED: HeaderName = HeaderName::from_static("madang-forwarded");
/// In whose work the request was, where it is somebody else's: from the process that answered to the one that was asked, which notes it.
const INSIDE: HeaderName = HeaderName::from_static("madang-inside");
const CONNECT_WAIT: Duration = Duration::from_secs(2);
/// Between two looks for somebody who can be reached.
const LOOK_AGAIN: Duration = Duration::from_millis(100);
/// How often a request is forwarded: while a group changes hands two processes may each believe the other.
const HOPS_MAX: u8 = 3;
/// By how much the clocks of two processes may differ.
const SKEW_MS_MAX: u64 = 60_000;
const RETRY_MS: u64 = 1_000;
/// The longest answer of another process that is read here: a page of a thousand sessions.
const ANSWER_BYTES_MAX: usize = 16 << 20;
/// Not for another process: of this connection only, a secret that it does not need, or where somebody says that they are.
const KEPT_HERE: [HeaderName; 12] = [
    header::AUTHORIZATION,
    header::COOKIE,
    header::PROXY_AUTHORIZATION,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::CONNECTION,
    header::FORWARDED,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("x-forwarded-for"),
    HeaderName::from_static("x-forwarded-proto"),
    HeaderName::from_static(CSRF_HEADER),
];

/// After the actor is known: answers here, or sends the request to whoever leads.
pub(super) async fn lead(State(app): State<Shared>, request: Request, next: Next) -> Result<Response, Failure> {
    if app.leadership.is_alone() {
        return Ok(next.run(request).await);
    }
    let (group, request) = group_of(&app, request).await?;
    let Some(group) = group else { return Ok(next.run(request).await) };
    let hops = match vouched(&app, &request) {
        Some(vouching) => vouching?.hops,
        None => 0,
    };
    let wait = Duration::from_millis(app.config.leader_wait_ms);
    match tokio::time::timeout(wait, find(&app, &group, hops)).await {
        Ok(Found::Here) => Ok(next.run(request).await),
        Ok(Found::There(host, stream)) => send(&app, (&host, stream), request, hops + 1).await,
        Ok(Found::Gone) => Err(Failure::led_elsewhere()),
        Err(_) => Err(unavailable(&format!("nobody leads the resource group `{group}` yet"))),
    }
}

enum Found {
    Here,
    There(String, TcpStream),
    /// A request that was forwarded so often goes no further.
    Gone,
}

/// Looks until somebody leads and can be reached: one that has just died is believed to lead until its lease ends.
async fn find(app: &App, group: &str, hops: u8) -> Found {
    loop {
        match app.leadership.leader_within(group, Duration::from_millis(app.config.leader_wait_ms)).await {
            Leader::Us => return Found::Here,
            Leader::At(_) if hops >= HOPS_MAX => return Found::Gone,
            Leader::At(address) => {
                let host = address.strip_prefix("http://").unwrap_or(&address).to_owned();
                match tokio::time::timeout(CONNECT_WAIT, TcpStream::connect(&host)).await {
                    Ok(Ok(stream)) => return Found::There(host, stream),
                    Ok(Err(error)) => tracing::debug!(host, %error, "whoever leads does not answer"),
                    Err(_) => tracing::debug!(host, "whoever leads does not answer in time"),
                }
                tokio::time::sleep(LOOK_AGAIN).await;
            }
            Leader::Nobody => tokio::time::sleep(LOOK_AGAIN).await,
        }
    }
}

/// What another process answers to a request of ours without a body, on behalf of whoever asks.
pub(super) async fn ask(
    app: &Shared,
    address: &str,
    asker: &Arc<Asker>,
    (method, target): (Method, &str),
) -> Result<Response, Failure> {
    let host = address.strip_prefix("http://").unwrap_or(address);
    let stream = match tokio::time::timeout(CONNECT_WAIT, TcpStream::connect(host)).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(_)) | Err(_) => return Err(unavailable("the process does not answer")),
    };
    let mut request = Request::new(Body::empty());
    *request.method_mut() = method;
    *request.uri_mut() = target.parse::<Uri>().map_err(|error| Failure::internal("asking another process", error))?;
    request.extensions_mut().insert(Arc::clone(asker));
    send(app, (host, stream), request, HOPS_MAX).await
}

/// The same, of what is read as JSON.
pub(super) async fn ask_json<T: DeserializeOwned>(
    app: &Shared,
    address: &str,
    asker: &Arc<Asker>,
    target: &str,
) -> Result<T, Failure> {
    let response = ask(app, address, asker, (Method::GET, target)).await?;
    let strange = || unavailable("the process answers strangely");
    let bytes = Limited::new(response.into_body(), ANSWER_BYTES_MAX).collect().await.map_err(|_| strange())?.to_bytes();
    serde_json::from_slice(&bytes).map_err(|_| strange())
}

pub(super) fn unavailable(detail: &str) -> Failure {
    Failure { retry_after_ms: Some(RETRY_MS), ..Failure::new(ProblemKind::Unavailable, detail) }
}

/// Sends the request to another process, and back whatever comes: a body as it comes, a connection that is upgraded.
async fn send(
    app: &Shared,
    (host, stream): (&str, TcpStream),
    mut request: Request,
    hops: u8,
) -> Result<Response, Failure> {
    let asker = request.extensions().get::<Arc<Asker>>().cloned();
    let asker = asker.ok_or_else(|| unavailable("whoever asks is not known"))?;
    let upgrade = request.headers().contains_key(header::UPGRADE).then(|| hyper::upgrade::on(&mut request));
    let (parts, body) = request.into_parts();
    let target = parts.uri.path_and_query().map_or("/", |target| target.as_str());
    let mut onward = Request::new(body);
    *onward.method_mut() = parts.method.clone();
    *onward.uri_mut() = target.parse::<Uri>().map_err(|error| Failure::internal("forwarding a request", error))?;
    *onward.headers_mut() = headers_onward(&parts.headers, upgrade.is_some());
    if let Some(id) = parts.extensions.get::<RequestId>().and_then(|id| HeaderValue::from_str(&id.0).ok()) {
        onward.headers_mut().insert(REQUEST_ID, id);
    }
    let vouching = Vouching { actor: Actor::clone(&asker), people: app.people.now().version, hops };
    let proof = prove(app.leadership.secret(), &vouching, &parts.method, target)?;
    onward.headers_mut().insert(FORWARDED, proof);
    if let Ok(host) = HeaderValue::from_str(host) {
        onward.headers_mut().insert(header::HOST, host);
    }
    let span = madang_trace::span!("forward", otel.kind = "client");
    super::span::onward(&span, onward.headers_mut());
    let mut response = exchange(host, stream, onward).instrument(span).await?;
    let inside = response.headers_mut().remove(INSIDE);
    if let Some(owner) = inside.and_then(|owner| owner.to_str().ok()?.parse().ok()) {
        response.extensions_mut().insert(Inside(owner));
    }
    if response.status() == StatusCode::SWITCHING_PROTOCOLS
        && let Some(near) = upgrade
    {
        let (far, app) = (hyper::upgrade::on(&mut response), Arc::clone(app));
        tokio::spawn(async move {
            tokio::select! {
                () = join(near, far) => {}
                () = app.reached(Stage::Stopping) => {}
            }
        });
    }
    Ok(response.map(|body| backward(app, body)))
}

/// That somebody was let into the work of this user, who is somebody else: an extension of the response, for the audit log.
#[derive(Debug, Clone, Copy)]
pub(super) struct Inside(pub UserId);

/// Says so to the process that forwarded the request.
pub(super) fn tell_inside(response: &mut Response, owner: UserId) {
    if let Ok(owner) = HeaderValue::from_str(&owner.to_string()) {
        response.headers_mut().insert(INSIDE, owner);
    }
}

/// Streams of a server that stops end cleanly, whoever writes them.
fn backward(app: &Shared, body: hyper::body::Incoming) -> Body {
    if body.size_hint().exact().is_some() {
        return Body::new(body);
    }
    let app = Arc::clone(app);
    let stopping = async move { app.reached(Stage::Stopping).await };
    Body::from_stream(Body::new(body).into_data_stream().take_until(Box::pin(stopping)))
}

pub(super) async fn exchange(
    host: &str,
    stream: TcpStream,
    request: Request,
) -> Result<Response<hyper::body::Incoming>, Failure> {
    let gone = |error: &dyn std::fmt::Display| {
        tracing::warn!(host, %error, "a request could not be forwarded");
        unavailable("the control process that leads does not answer")
    };
    // Small answers; failure only costs time.
    let _ = stream.set_nodelay(true);
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(|error| gone(&error))?;
    tokio::spawn(connection.with_upgrades());
    sender.send_request(request).await.map_err(|error| gone(&error))
}

async fn join(near: hyper::upgrade::OnUpgrade, far: hyper::upgrade::OnUpgrade) {
    let (Ok(near), Ok(far)) = tokio::join!(near, far) else { return };
    // Either end closing is how these end.
    let _ = tokio::io::copy_bidirectional(&mut TokioIo::new(near), &mut TokioIo::new(far)).await;
}

fn headers_onward(headers: &HeaderMap, upgrades: bool) -> HeaderMap {
    let mut onward = headers.clone();
    KEPT_HERE.iter().for_each(|name| drop(onward.remove(name)));
    if upgrades {
        onward.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
    } else {
        onward.remove(header::UPGRADE);
    }
    onward
}

/// What one process says to another of a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Vouching {
    actor: Actor,
    /// The version of the people in which the actor was found.
    people: u64,
    /// How often the request was forwarded before.
    #[serde(default)]
    hops: u8,
}

/// `what.time.proof`, all of it safe in a header.
fn prove(secret: &[u8], what: &impl Serialize, method: &Method, target: &str) -> Result<HeaderValue, Failure> {
    let json = serde_json::to_vec(what).map_err(|error| Failure::internal("forwarding a request", error))?;
    let said = format!("{}.{}", URL_SAFE_NO_PAD.encode(json), wall_ms());
    let proof = URL_SAFE_NO_PAD.encode(mac(secret, &said, method, target).finalize().into_bytes());
    HeaderValue::from_str(&format!("{said}.{proof}")).map_err(|error| Failure::internal("forwarding a request", error))
}

/// Whether another process of this installation has sent it; one that only says so was refused.
pub(super) fn is_forwarded(app: &App, headers: &HeaderMap) -> bool {
    !app.leadership.is_alone() && headers.contains_key(FORWARDED)
}

/// Whoever asks, if another process of this installation vouches for them. Reasons for a refusal are the log's.
pub(super) fn vouched(app: &App, request: &Request) -> Option<Result<Vouching, Failure>> {
    let value = request.headers().get(FORWARDED).filter(|_| is_forwarded(app, request.headers()))?;
    let target = request.uri().path_and_query().map_or("/", |target| target.as_str());
    let known = value.to_str().ok().and_then(|said| check(app.leadership.secret(), said, request.method(), target));
    Some(known.ok_or_else(|| {
        tracing::warn!(target, "a request says that it was forwarded and cannot prove it");
        Failure::new(ProblemKind::Unauthenticated, "this was not forwarded by a control process of this installation")
    }))
}

impl Vouching {
    /// The actor, once this process knows as much of people as the one that was asked.
    pub async fn actor(self, app: &App) -> Result<Actor, Failure> {
        if app.people.now().version < self.people {
            app.people_refresh().await?;
        }
        Ok(self.actor)
    }
}

fn check<T: DeserializeOwned>(secret: &[u8], said: &str, method: &Method, target: &str) -> Option<T> {
    let (said, proof) = said.rsplit_once('.')?;
    let proof = URL_SAFE_NO_PAD.decode(proof).ok()?;
    mac(secret, said, method, target).verify_slice(&proof).ok()?;
    let (what, at_ms) = said.split_once('.')?;
    let at_ms: u64 = at_ms.parse().ok()?;
    (at_ms.abs_diff(wall_ms()) <= SKEW_MS_MAX).then_some(())?;
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(what).ok()?).ok()
}

/// What a process says of itself where it asks for nobody.
#[derive(Debug, Serialize, Deserialize)]
struct Itself {
    process: ControlId,
}

/// Lets the request be one of this process itself.
pub(super) fn sign_process(app: &App, request: &mut Request, (method, target): (&Method, &str)) -> Result<(), Failure> {
    let itself = Itself { process: app.leadership.us() };
    let proof = prove(app.leadership.secret(), &itself, method, target)?;
    request.headers_mut().insert(FORWARDED, proof);
    Ok(())
}

/// Whether another process of this installation asks for itself; for anybody else there is nothing here.
pub(super) fn check_process(app: &App, request: &Request) -> Result<(), Failure> {
    let target = request.uri().path_and_query().map_or("/", |target| target.as_str());
    let said = request.headers().get(FORWARDED).filter(|_| is_forwarded(app, request.headers()));
    let said = said.and_then(|said| said.to_str().ok());
    let known = said.and_then(|said| check::<Itself>(app.leadership.secret(), said, request.method(), target));
    known.map(drop).ok_or_else(|| Failure::not_found("this route"))
}

fn mac(secret: &[u8], said: &str, method: &Method, target: &str) -> Hmac<Sha256> {
    // HMAC takes a key of any length.
    let mut mac = Hmac::<Sha256>::new_from_slice(secret).unwrap_or_else(|_| unreachable!());
    for part in [said, method.as_str(), target] {
        mac.update(part.as_bytes());
        mac.update(b"\n");
    }
    mac
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use madang_ids::UserId;
    use madang_model::{
        SignedInBy,
        person::{DEFAULT_ORGANIZATION, Role},
    };

    use super::*;

    #[test]
    fn what_was_proved_is_believed_and_nothing_else() {
        let actor = Actor {
            user: UserId::new(),
            name: "a".into(),
            organization: DEFAULT_ORGANIZATION,
            role: Role::Member,
            projects: BTreeMap::new(),
            project: None,
            by: SignedInBy::Key("MDAK".into()),
            scopes: madang_model::access::Scopes::ALL,
        };
        let actor = Vouching { actor, people: 7, hops: 1 };
        let said = prove(b"secret", &actor, &Method::GET, "/a?b").unwrap();
        let said = said.to_str().unwrap();
        assert_eq!(check::<Vouching>(b"secret", said, &Method::GET, "/a?b"), Some(actor.clone()));
        assert_eq!(check::<Vouching>(b"other", said, &Method::GET, "/a?b"), None);
        assert_eq!(check::<Vouching>(b"secret", said, &Method::DELETE, "/a?b"), None);
        assert_eq!(check::<Vouching>(b"secret", said, &Method::GET, "/a"), None);
        assert_eq!(check::<Vouching>(b"secret", &said.replacen('.', "x.", 1), &Method::GET, "/a?b"), None);
        let json = URL_SAFE_NO_PAD.encode(serde_json::to_vec(&actor).unwrap());
        let old = format!("{json}.{}", wall_ms() - SKEW_MS_MAX - 1);
        let proof = URL_SAFE_NO_PAD.encode(mac(b"secret", &old, &Method::GET, "/").finalize().into_bytes());
        assert_eq!(check::<Vouching>(b"secret", &format!("{old}.{proof}"), &Method::GET, "/"), None);
    }
}
