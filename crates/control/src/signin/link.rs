//! One-time links: the secret that sets a password once.

use madang_ids::{LinkId, UserId};
use madang_public_api::{LinkKind, ProblemKind};
use madang_store::{LinkRecord, TurnOver};

use super::{cookie::new_secret, password};
use crate::{
    app::{App, Failure, identity::hash_hex},
    clock::now_ms,
};

const HOUR_MS: u64 = 3_600_000;
/// An invitation is good for a week, a reset for an hour.
const INVITATION_MS: u64 = 7 * 24 * HOUR_MS;
const RESET_MS: u64 = HOUR_MS;
/// Where the page is that uses a link.
const PAGE: &str = "/signin/link";

/// A new link, with its secret.
#[derive(Debug)]
pub(crate) struct Made {
    pub record: LinkRecord,
    pub secret: String,
}

/// Makes a link for a user; earlier ones are good no more.
pub(crate) async fn make(app: &App, user: UserId, kind: LinkKind) -> Result<Made, Failure> {
    let (secret, now) = (new_secret(), now_ms());
    let (name, life_ms) = match kind {
        LinkKind::Invitation => ("invitation", INVITATION_MS),
        LinkKind::Reset => ("reset", RESET_MS),
    };
    let record = LinkRecord {
        id: LinkId::new(),
        user,
        kind: name.to_owned(),
        hash: hash_hex(secret.as_bytes()),
        created_ms: now,
        expires_ms: now + life_ms,
        used_ms: None,
    };
    app.store.link_insert(&record).await?;
    Ok(Made { record, secret })
}

/// What a new password ends.
pub(crate) fn ends(revoke_all: bool) -> TurnOver {
    if revoke_all { TurnOver::All } else { TurnOver::KnownToOthers }
}

/// Uses a link up: the password is set, browsers are signed out. Returns whose link it was.
pub(crate) async fn take(app: &App, secret: &str, new: String, ends: TurnOver) -> Result<(UserId, String), Failure> {
    let gone = || Failure::new(ProblemKind::NotFound, "this link was used, has expired, or never was; ask for another");
    let found = app.store.link_find(&hash_hex(secret.as_bytes()), now_ms()).await?.ok_or_else(gone)?;
    let directory = app.people.now();
    let user = directory.users.get(&found.user).filter(|user| user.is_active()).ok_or_else(gone)?;
    password::check_new(&new, &user.name)?;
    let hash = app.signin.passwords.hash(new).await?;
    if !app.store.link_use(&found, &hash, ends, now_ms()).await? {
        return Err(gone());
    }
    app.people_refresh().await?;
    Ok((user.id, user.name.clone()))
}

/// The page that uses a link. What stands behind `#` is sent to no server and stands in no log.
pub(crate) fn url(base: &str, secret: &str) -> String {
    format!("{}{PAGE}#{secret}", base.trim_end_matches('/'))
}
