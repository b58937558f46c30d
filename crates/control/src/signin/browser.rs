//! Browsers: signed in by a cookie, slowed down where passwords are guessed.
//!
//! Failed attempts are counted for each pair of name and address, so that nobody can lock others out; a browser on which the user signed in
//! before is counted by itself, whatever its address. Each attempt is counted before it is judged.

use std::net::IpAddr;

use axum::http::HeaderMap;
use madang_ids::{SigninId, UserId};
use madang_model::{Actor, SignedInBy};
use madang_public_api::ProblemKind;
use madang_store::{Attempt, AttemptDelay, SigninRecord};

use super::{
    address::Origin,
    cookie::{self, Cookie},
};
use crate::{
    app::{App, Failure, identity::hash_hex},
    clock::now_ms,
};

const MINUTE_MS: u64 = 60_000;
const DAY_MS: u64 = 86_400_000;
/// A browser is signed out after this long without a request …
pub(crate) const IDLE_MS: u64 = DAY_MS;
/// … and after this long in any case.
const LIFE_MS: u64 = 30 * DAY_MS;
/// That a browser was seen is kept once in this long.
const SEEN_MS: u64 = 5 * MINUTE_MS;
/// Characters kept of what a browser calls itself.
const AGENT_CHARS_MAX: usize = 200;
/// The first failures cost nothing; then the wait doubles from a second to a quarter of an hour.
const DELAY: AttemptDelay = AttemptDelay { free: 5, first_ms: 1_000, most_ms: 15 * MINUTE_MS, keep_ms: DAY_MS };

/// A browser that was just signed in.
#[derive(Debug)]
pub(crate) struct Opened {
    pub actor: Actor,
    pub secret: String,
}

/// Who tries to sign in, from where.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Try<'a> {
    pub name: &'a str,
    pub origin: Origin,
    pub headers: &'a HeaderMap,
}

/// Signs a browser in by name and password.
pub(crate) async fn sign_in(app: &App, asked: Try<'_>, password: String) -> Result<Opened, Failure> {
    let proved = prove(app, asked, password).await?;
    let (opened, record) = opened(app, proved.user, "password", &asked)?;
    // The password may have become another while this one was checked.
    if app.store.signin_insert_proved(&record, &proved.hash).await? { Ok(opened) } else { Err(wrong()) }
}

/// Somebody who knew a user's password.
#[derive(Debug)]
pub(crate) struct Proved {
    pub user: UserId,
    /// Of the password that was known.
    pub hash: String,
}

/// Whose name and password these are. Counts as an attempt; takes as long for names that nobody has.
pub(crate) async fn prove(app: &App, asked: Try<'_>, password: String) -> Result<Proved, Failure> {
    let user = app.people.now().user_named(asked.name).map(|user| user.id);
    let counted = attempt_key(app, &asked, user);
    let now = now_ms();
    if let Attempt::Wait { until_ms } = app.store.signin_attempt(&counted, now, &DELAY).await? {
        return Err(Failure {
            retry_after_ms: Some(until_ms.saturating_sub(now)),
            limit: Some("signin.attempts".into()),
            ..Failure::new(ProblemKind::TooMany, "too many attempts with this name from here; wait a while")
        });
    }
    let known = match user {
        Some(user) => app.store.password_get(user).await?,
        None => None,
    };
    let right = app.signin.passwords.verify(password, known.clone()).await?;
    let (user, hash) = user.zip(known).filter(|_| right).ok_or_else(wrong)?;
    app.store.signin_succeeded(&counted).await?;
    Ok(Proved { user, hash })
}

/// Signs a browser in for a user whose identity is certain.
pub(crate) async fn open(app: &App, user: UserId, method: &str, asked: &Try<'_>) -> Result<Opened, Failure> {
    let (opened, record) = opened(app, user, method, asked)?;
    app.store.signin_insert(&record).await?;
    Ok(opened)
}

fn opened(app: &App, user: UserId, method: &str, asked: &Try<'_>) -> Result<(Opened, SigninRecord), Failure> {
    let id = SigninId::new();
    let actor = app.people.now().actor(user, SignedInBy::Cookie(id)).ok_or_else(wrong)?;
    let (secret, now) = (cookie::signin_secret(&app.signin.key, id, user), now_ms());
    let agent = asked.headers.get("user-agent").and_then(|value| value.to_str().ok()).unwrap_or("");
    let record = SigninRecord {
        id,
        user,
        hash: hash_hex(secret.as_bytes()),
        method: method.to_owned(),
        address: asked.origin.to_string(),
        agent: agent.chars().take(AGENT_CHARS_MAX).collect(),
        created_ms: now,
        seen_ms: now,
        expires_ms: now + IDLE_MS,
    };
    Ok((Opened { actor, secret }, record))
}

/// The actor that a browser's cookie was made for. Whether it still is signed in [`stays`] says.
pub(crate) fn actor(app: &App, secret: &str) -> Result<(SigninId, Actor), Failure> {
    let (id, user) = cookie::signin_claimed(&app.signin.key, secret).ok_or_else(ended)?;
    let actor = app.people.now().actor(user, SignedInBy::Cookie(id)).ok_or_else(ended)?;
    Ok((id, actor))
}

/// Refuses a browser that is signed out. The database is asked each time, so that signing out counts everywhere at once.
pub(crate) async fn stays(app: &App, secret: &str, id: SigninId) -> Result<(), Failure> {
    let now = now_ms();
    let found = app.store.signin_find(&hash_hex(secret.as_bytes()), now).await?;
    let found = found.filter(|found| found.id == id).ok_or_else(ended)?;
    if now.saturating_sub(found.seen_ms) >= SEEN_MS {
        let expires_ms = (now + IDLE_MS).min(found.created_ms + LIFE_MS);
        app.store.signin_touch(found.id, now, expires_ms).await?;
    }
    Ok(())
}

fn ended() -> Failure {
    Failure::new(ProblemKind::Unauthenticated, "this browser is not signed in any more")
}

/// Unknown names, wrong passwords and suspended users look the same.
fn wrong() -> Failure {
    Failure::new(ProblemKind::Unauthenticated, "the name or the password is wrong")
}

/// What an attempt is counted under. Hashed: names that nobody has may be passwords that somebody typed into the wrong field.
fn attempt_key(app: &App, asked: &Try<'_>, user: Option<UserId>) -> String {
    let cookie = Cookie::Device.read(asked.headers, app.is_secure(asked.origin));
    let device = user.zip(cookie).and_then(|(user, cookie)| cookie::known_device(&app.signin.key, user, &cookie));
    let name = asked.name;
    let counted = match device {
        Some(device) => format!("device {device} {name}"),
        None => {
            let group: IpAddr = asked.origin.group();
            format!("address {group} {name}")
        }
    };
    hash_hex(&app.signin.key.derived("attempt", counted.as_bytes()))
}
