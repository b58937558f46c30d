//! Requests signed with an access key: who sent them, and whether they are what was signed.
//!
//! Whatever is wrong with a signature, the answer is the same: whoever guesses learns nothing of keys. The log knows the reason.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use axum::{
    body::{Body, BodyDataStream},
    extract::Request,
    http::{HeaderMap, header, request::Parts},
};
use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use http_body_util::{BodyExt as _, Limited};
use madang_ids::SigninId;
use madang_model::{Actor, SignedInBy};
use madang_public_api::{
    ProblemKind, bounds,
    signature::{
        BODY_HEADER, BODY_UNSIGNED, Covers, Credential, DATE_HEADERS, NONCE_HEADER, SKEW_MS_MAX, Scheme, SignedDate,
        Signing, VERSION_HEADERS, body_signed, hex, is_nonce, media_type,
    },
};
use madang_store::AccessKeyRecord;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::browser;
use crate::{
    app::{App, Failure},
    clock::{now_ms, wall_ms},
};

/// What a key says where only the scheme that covers the body is taken.
pub(crate) const SIGNING_REQUEST: &str = "request";

/// Large bodies that are read at once while nobody knows who sends them.
pub(crate) const UNJUDGED_MAX: usize = 8;
/// How long those beyond are asked to wait.
const RETRY_MS: u64 = 1_000;

/// Why a signature was not taken: for the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refusal {
    #[error("the access key is not known")]
    Unknown,
    #[error("the signature is not the key's")]
    Wrong,
    #[error("the access key is suspended")]
    Suspended,
    #[error("the access key has expired")]
    Expired,
    #[error("the access key's user is not active")]
    Inactive,
    #[error("the key takes only signatures that cover the body")]
    Uncovered,
    #[error("the access key's secret cannot be opened with this server's key")]
    Sealed,
}

/// A request that says whose it is and can prove it, as far as that is known without a look at the database.
pub(crate) struct Vouched {
    pub actor: Actor,
    pub request: Request,
    pub rest: Rest,
    /// Set once the body turned out to be another than was signed.
    pub spoilt: Arc<AtomicBool>,
}

/// What only the database knows: asked once the sender was counted, so that nobody can have it asked without end.
pub(crate) enum Rest {
    Nothing,
    /// Whether a nonce of a key was used before.
    Nonce {
        access_key: String,
        nonce: String,
        expires_ms: u64,
    },
    /// Whether a browser is still signed in.
    Browser {
        secret: String,
        id: SigninId,
    },
}

impl Rest {
    pub async fn check(self, app: &App) -> Result<(), Failure> {
        match self {
            Self::Nothing => Ok(()),
            Self::Browser { secret, id } => browser::stays(app, &secret, id).await,
            // The signature was right: nobody else can use up a client's nonces.
            Self::Nonce { access_key, nonce, expires_ms } => {
                match app.store.nonce_use(&access_key, &nonce, expires_ms).await? {
                    true => Ok(()),
                    false => Err(refused("this request was received before; sign it anew")),
                }
            }
        }
    }
}

/// Checks a request whose Authorization header is of one of the signing schemes.
pub(crate) async fn check(app: &App, request: Request) -> Result<Vouched, Failure> {
    let (parts, body) = request.into_parts();
    let authorization = text(&parts.headers, header::AUTHORIZATION.as_str()).unwrap_or("");
    let credential = Credential::parse(authorization).ok_or_else(|| {
        malformed("the Authorization header is `SCHEME signMethod=HMAC-SHA256, credential=KEY:SIGNATURE`")
    })?;
    let date = date(&parts.headers)?;
    match credential.scheme {
        Scheme::Head => {
            let (body, bytes) = body_if_signed(app, &parts, body).await?;
            let version = version(&parts.headers);
            let actor = actor(app, &parts, &credential, &date, Covers::Head { version, body: &bytes })?;
            let request = Request::from_parts(parts, body);
            Ok(Vouched { actor, request, rest: Rest::Nothing, spoilt: Arc::default() })
        }
        Scheme::Request => {
            let (nonce, digest) = covered(&parts.headers)?;
            let actor = actor(app, &parts, &credential, &date, Covers::Request { nonce, digest })?;
            let rest = Rest::Nonce {
                access_key: credential.access_key.to_owned(),
                nonce: nonce.to_owned(),
                expires_ms: date.at_ms.saturating_add(SKEW_MS_MAX),
            };
            let spoilt = Arc::new(AtomicBool::new(false));
            let body = match digest {
                BODY_UNSIGNED => body,
                digest => watched(body, digest.to_owned(), Arc::clone(&spoilt)),
            };
            Ok(Vouched { actor, request: Request::from_parts(parts, body), rest, spoilt })
        }
    }
}

/// The failure that stands for every body that is not what was signed.
pub(crate) fn spoilt() -> Failure {
    refused("the body is not the one that was signed")
}

fn actor(
    app: &App,
    parts: &Parts,
    credential: &Credential<'_>,
    date: &SignedDate,
    covers: Covers<'_>,
) -> Result<Actor, Failure> {
    let directory = app.people.now();
    let known = directory.access_keys.get(credential.access_key);
    let opened = known.and_then(|key| open(app, key));
    let signing = Signing {
        method: parts.method.as_str(),
        target: parts.uri.path_and_query().map_or("/", |target| target.as_str()),
        date: date_text(&parts.headers).unwrap_or(""),
        host: text(&parts.headers, "host").unwrap_or(""),
        media_type: &media_type(text(&parts.headers, "content-type")),
        covers,
    };
    // A signature is computed for unknown keys as well: it takes as long.
    let expected = signing.signature(opened.as_deref().unwrap_or(b"nobody's"), &date.day);
    let right = bool::from(expected.ct_eq(&credential.signature));
    let judged = match (known, &opened) {
        (None, _) => Err(Refusal::Unknown),
        (Some(_), None) => Err(Refusal::Sealed),
        (Some(_), Some(_)) if !right => Err(Refusal::Wrong),
        (Some(key), Some(_)) => usable(key, credential.scheme)
            .and_then(|()| directory.actor(key.owner, SignedInBy::Key(key.id.clone())).ok_or(Refusal::Inactive)),
    };
    judged.map_err(|refusal| Failure {
        source: Some(Arc::new(refusal)),
        ..refused("the request's signature is not good: another key or secret, or the request was changed on its way")
    })
}

fn usable(key: &AccessKeyRecord, scheme: Scheme) -> Result<(), Refusal> {
    if key.suspended_ms.is_some() {
        return Err(Refusal::Suspended);
    }
    if key.expires_ms.is_some_and(|expires| expires <= now_ms()) {
        return Err(Refusal::Expired);
    }
    if key.signing == SIGNING_REQUEST && scheme == Scheme::Head {
        return Err(Refusal::Uncovered);
    }
    Ok(())
}

fn open(app: &App, key: &AccessKeyRecord) -> Option<Vec<u8>> {
    app.signin.key.open_hex(&key.id, &key.sealed)
}

/// The nonce and the body's digest. With `unsigned` for a digest the body is not covered, which only uploads may be.
fn covered(headers: &HeaderMap) -> Result<(&str, &str), Failure> {
    let nonce = text(headers, NONCE_HEADER).filter(|nonce| is_nonce(nonce));
    let nonce = nonce.ok_or_else(|| malformed("X-Madang-Nonce is 16 to 64 of A-Z a-z 0-9 - _"))?;
    let digest = text(headers, BODY_HEADER).unwrap_or("");
    let upload = media_type(text(headers, "content-type")) == "application/octet-stream";
    let lower_hex = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    let is_digest = digest.len() == 64 && digest.bytes().all(lower_hex);
    let uncovered_upload = digest == BODY_UNSIGNED && upload;
    if !(is_digest || uncovered_upload) {
        let detail =
            "X-Madang-Content-SHA256 is the body's SHA-256 in lower-case hexadecimal; `unsigned` is for uploads";
        return Err(malformed(detail));
    }
    Ok((nonce, digest))
}

/// Old clients sign what they send: their body is read here, before anybody knows whose it is; others' is left alone.
async fn body_if_signed(app: &App, parts: &Parts, body: Body) -> Result<(Body, Bytes), Failure> {
    if !body_signed(version(&parts.headers), &media_type(text(&parts.headers, "content-type"))) {
        return Ok((body, Bytes::new()));
    }
    let length = text(&parts.headers, header::CONTENT_LENGTH.as_str()).and_then(|length| length.parse::<usize>().ok());
    let small = length.is_some_and(|length| length <= bounds::STRANGER_BODY_BYTES_MAX);
    let turn = if small { None } else { Some(app.signin.unjudged.try_acquire()) };
    if let Some(Err(_)) = turn {
        let failure = Failure::too_many("signed_bodies_max", UNJUDGED_MAX);
        return Err(Failure { retry_after_ms: Some(RETRY_MS), ..failure });
    }
    let whole = Limited::new(body, bounds::JSON_BODY_BYTES_MAX).collect();
    let read = tokio::time::timeout(Duration::from_millis(app.config.body_wait_ms), whole).await;
    let bytes = read.ok().and_then(Result::ok).map(|read| read.to_bytes());
    let bytes = bytes.ok_or_else(|| malformed("the signed body did not arrive whole or in time, or is too large"))?;
    Ok((Body::from(bytes.clone()), bytes))
}

/// A body that fails at its end if it is not the one with this digest.
fn watched(body: Body, digest: String, spoilt: Arc<AtomicBool>) -> Body {
    let state = (body.into_data_stream(), Sha256::new(), digest, spoilt);
    let pieces = stream::try_unfold(state, |(mut pieces, mut hash, digest, spoilt)| async move {
        if let Some(piece) = next(&mut pieces).await? {
            hash.update(&piece);
            return Ok(Some((piece, (pieces, hash, digest, spoilt))));
        }
        if bool::from(hex(&hash.finalize()).as_bytes().ct_eq(digest.as_bytes())) {
            return Ok(None);
        }
        spoilt.store(true, Ordering::Release);
        Err(BodyError::Spoilt)
    });
    Body::from_stream(pieces)
}

async fn next(pieces: &mut BodyDataStream) -> Result<Option<Bytes>, BodyError> {
    pieces.next().await.transpose().map_err(BodyError::Broken)
}

#[derive(Debug, thiserror::Error)]
enum BodyError {
    #[error("the body is not the one that was signed")]
    Spoilt,
    #[error(transparent)]
    Broken(axum::Error),
}

fn date(headers: &HeaderMap) -> Result<SignedDate, Failure> {
    let date = date_text(headers).and_then(SignedDate::parse);
    let date = date.ok_or_else(|| malformed("a signed request has its time as `Date`, in ISO 8601 with an offset"))?;
    if !date.is_near(wall_ms()) {
        return Err(refused("the request's date is more than 15 minutes from the server's clock"));
    }
    Ok(date)
}

fn date_text(headers: &HeaderMap) -> Option<&str> {
    DATE_HEADERS.iter().find_map(|name| text(headers, name))
}

fn version(headers: &HeaderMap) -> &str {
    VERSION_HEADERS.iter().find_map(|name| text(headers, name)).unwrap_or("")
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

fn refused(detail: impl fmt::Display) -> Failure {
    Failure::new(ProblemKind::Unauthenticated, detail.to_string())
}

/// Malformed signatures are no one's, too.
fn malformed(detail: impl fmt::Display) -> Failure {
    refused(detail)
}
