//! Rate limits at the rim: who is counted as whom, and the headers that say how much is left.
//!
//! Headers as in draft-ietf-httpapi-ratelimit-headers-03, which clients know: `RateLimit-Limit`, `-Remaining`, `-Reset` and `-Policy`.

use axum::{
    extract::{Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, Method},
    middleware::Next,
    response::{IntoResponse, Response},
};
use madang_model::{Actor, Role, SignedInBy};
use madang_public_api::ProblemKind;

use super::{Shared, origin::origin_of};
use crate::{
    app::{App, Failure},
    signin::{
        address::Origin,
        rate::{Allowance, Bucket, Rate},
    },
};

const LIMIT: HeaderName = HeaderName::from_static("ratelimit-limit");
const REMAINING: HeaderName = HeaderName::from_static("ratelimit-remaining");
const RESET: HeaderName = HeaderName::from_static("ratelimit-reset");
const POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
/// What the limits count in, seconds.
const WINDOW_SECONDS: u32 = 60;

/// Counts a request of somebody who has signed in; None for whoever sits at the machine itself.
pub(super) fn of_actor(app: &App, actor: &Actor) -> Result<Option<Allowance>, Failure> {
    let rate = match actor.role {
        Role::SystemAdministrator => Rate::Administrator,
        Role::OrganizationAdministrator | Role::Member => Rate::Client,
    };
    let bucket = match &actor.by {
        SignedInBy::Socket => return Ok(None),
        SignedInBy::Token(id) => Bucket::Token(*id),
        SignedInBy::Key(key) => Bucket::Key(key.clone()),
        SignedInBy::Cookie(_) | SignedInBy::SshKey(_) => Bucket::User(actor.user),
    };
    judge(app.signin.rates.take(rate, &bucket)).map(Some)
}

/// Counts a request of nobody: one that failed to sign in, or is about to try.
pub(super) fn of_stranger(app: &App, origin: Origin) -> Result<Option<Allowance>, Failure> {
    match origin {
        Origin::Local { .. } => Ok(None),
        Origin::Remote { .. } => {
            judge(app.signin.rates.take(Rate::Address, &Bucket::Address(origin.group()))).map(Some)
        }
    }
}

/// Around routes that strangers may ask: counts all but reading.
pub(super) async fn strangers(State(app): State<Shared>, request: Request, next: Next) -> Response {
    if *request.method() == Method::GET && !request.uri().path().contains("/signin/") {
        return next.run(request).await;
    }
    match of_stranger(&app, origin_of(request.extensions())) {
        Ok(allowance) => with_headers(next.run(request).await, allowance),
        Err(failure) => failure.into_response(),
    }
}

/// Says how much is left.
pub(super) fn with_headers(mut response: Response, allowance: Option<Allowance>) -> Response {
    if let Some(allowance) = allowance {
        write(response.headers_mut(), allowance);
    }
    response
}

/// The headers of a refusal as well: [`Failure::allowance`] brings them to the rim.
pub(super) fn write(headers: &mut HeaderMap, allowance: Allowance) {
    headers.insert(LIMIT, HeaderValue::from(allowance.limit));
    headers.insert(REMAINING, HeaderValue::from(allowance.remaining));
    headers.insert(RESET, HeaderValue::from(allowance.reset.as_millis().div_ceil(1_000) as u64));
    if let Ok(policy) = HeaderValue::from_str(&format!("{};w={WINDOW_SECONDS}", allowance.limit)) {
        headers.insert(POLICY, policy);
    }
}

fn judge(allowance: Allowance) -> Result<Allowance, Failure> {
    let Some(wait) = allowance.wait else { return Ok(allowance) };
    let detail = format!("at most {} requests a minute; wait until there is room again", allowance.limit);
    Err(Failure {
        retry_after_ms: Some(u64::try_from(wait.as_millis()).unwrap_or(u64::MAX).max(1)),
        limit: Some("rate".into()),
        allowance: Some(Box::new(allowance)),
        ..Failure::new(ProblemKind::TooMany, detail)
    })
}
