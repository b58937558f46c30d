//! Access keys: making them and their secrets.

use madang_ids::UserId;
use madang_public_api::{AccessKeyCreate, AccessKeyView, KeySigning, Timestamp, bounds};
use madang_store::AccessKeyRecord;

use super::{server_key::random, signed::SIGNING_REQUEST};
use crate::{
    app::{App, Failure},
    clock::now_ms,
};

/// What every access key begins with.
const PREFIX: &str = "MDAK";
/// Digits after it: 80 bits.
const ID_DIGITS: usize = 16;
/// Digits of a secret: 200 bits.
const SECRET_DIGITS: usize = 40;
const ALPHABET: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
const SIGNING_ANY: &str = "any";
const DAY_MS: u64 = 86_400_000;

/// A key with its secret, to be shown once.
pub(crate) struct Made {
    pub record: AccessKeyRecord,
    pub secret: String,
}

/// Makes a key for `owner`, whose secret `maker` gets to see.
pub(crate) async fn make(app: &App, owner: UserId, maker: UserId, asked: &AccessKeyCreate) -> Result<Made, Failure> {
    check(app, owner, asked)?;
    let (id, secret, now) = (format!("{PREFIX}{}", digits::<ID_DIGITS>()), digits::<SECRET_DIGITS>(), now_ms());
    let record = AccessKeyRecord {
        sealed: app.signin.key.seal_hex(&id, secret.as_bytes()),
        id,
        owner,
        name: asked.name.clone(),
        signing: signing_name(asked.signing).to_owned(),
        policy: None,
        made_by: Some(maker),
        created_ms: now,
        rotated_ms: now,
        expires_ms: asked.expires_days.map(|days| now + u64::from(days) * DAY_MS),
        suspended_ms: None,
    };
    app.store.access_key_insert(&record).await?;
    Ok(Made { record, secret })
}

/// Another secret for a key, which `maker` gets to see; the old one is good no more.
pub(crate) async fn rotate(app: &App, record: &AccessKeyRecord, maker: UserId) -> Result<Made, Failure> {
    let secret = digits::<SECRET_DIGITS>();
    let sealed = app.signin.key.seal_hex(&record.id, secret.as_bytes());
    let record = AccessKeyRecord { sealed, made_by: Some(maker), rotated_ms: now_ms(), ..record.clone() };
    app.store.access_key_update(&record).await?;
    Ok(Made { record, secret })
}

/// Has a key refused from now on, or taken again.
pub(crate) async fn suspend(
    app: &App,
    record: &AccessKeyRecord,
    since_ms: Option<u64>,
) -> Result<AccessKeyRecord, Failure> {
    let record = AccessKeyRecord { suspended_ms: since_ms, ..record.clone() };
    app.store.access_key_update(&record).await?;
    Ok(record)
}

pub(crate) fn view(record: &AccessKeyRecord) -> AccessKeyView {
    let signing = if record.signing == SIGNING_REQUEST { KeySigning::Request } else { KeySigning::Any };
    AccessKeyView {
        access_key: record.id.clone(),
        user: record.owner,
        name: record.name.clone(),
        signing,
        made_by: record.made_by,
        created_at: Timestamp(record.created_ms),
        rotated_at: Timestamp(record.rotated_ms),
        expires_at: record.expires_ms.map(Timestamp),
        suspended_at: record.suspended_ms.map(Timestamp),
    }
}

fn check(app: &App, owner: UserId, asked: &AccessKeyCreate) -> Result<(), Failure> {
    let chars = asked.name.chars().count();
    if !(1..=bounds::NAME_CHARS_MAX).contains(&chars) || asked.name.chars().any(char::is_control) {
        let detail = format!("`name` has 1 to {} characters, none of them control characters", bounds::NAME_CHARS_MAX);
        return Err(Failure::invalid("name", detail));
    }
    let (days, max) = (asked.expires_days, bounds::ACCESS_KEY_DAYS_MAX);
    if days.is_some_and(|days| !(1..=max).contains(&days)) {
        return Err(Failure::invalid("expires_days", format!("`expires_days` is between 1 and {max}")));
    }
    let held = app.people.now().access_keys.values().filter(|key| key.owner == owner).count();
    if held >= bounds::ACCESS_KEYS_MAX {
        return Err(Failure::too_many("ACCESS_KEYS_MAX", bounds::ACCESS_KEYS_MAX));
    }
    Ok(())
}

fn signing_name(signing: KeySigning) -> &'static str {
    match signing {
        KeySigning::Any => SIGNING_ANY,
        KeySigning::Request => SIGNING_REQUEST,
    }
}

/// Random digits of base32: five bits of each byte.
fn digits<const N: usize>() -> String {
    random::<N>().iter().map(|byte| char::from(ALPHABET[usize::from(byte & 31)])).collect()
}
