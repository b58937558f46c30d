//! `Idempotency-Key`: the same request twice makes one thing.

use madang_store::{Claim, IdempotencyRecord};

use super::{App, Failure, identity::hash_hex};
use crate::clock::now_ms;
use madang_model::Actor;
use madang_public_api::ProblemKind;

/// A key as it came, with what tells one request from another.
#[derive(Debug, Clone)]
pub(crate) struct IdempotencyKey {
    /// Whose key, for which route.
    key: String,
    fingerprint: String,
}

impl IdempotencyKey {
    pub fn new(actor: &Actor, route: &str, key: &str, body: &[u8]) -> Self {
        Self { key: format!("{}\n{key}", actor.user), fingerprint: hash_hex(&[route.as_bytes(), b"\n", body].concat()) }
    }
}

/// Whether to do the work.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Claimed {
    /// Do it; the thing has the id that was claimed.
    Ours,
    /// It was done, and made this.
    Before(String),
}

impl App {
    /// Takes the key for the thing to be made; without a key everything is new.
    pub async fn claim(&self, key: Option<&IdempotencyKey>, subject: impl ToString) -> Result<Claimed, Failure> {
        let Some(key) = key else { return Ok(Claimed::Ours) };
        let record = IdempotencyRecord {
            key: key.key.clone(),
            fingerprint: key.fingerprint.clone(),
            subject: subject.to_string(),
            created_ms: now_ms(),
        };
        match self.store.idempotency_claim(&record).await? {
            Claim::New => Ok(Claimed::Ours),
            Claim::Known { subject } => Ok(Claimed::Before(subject)),
            Claim::Mismatch => {
                let detail = "this Idempotency-Key came with another request before";
                Err(Failure::new(ProblemKind::IdempotencyMismatch, detail))
            }
        }
    }

    /// Gives the key back: nothing was made, the client may try again.
    pub async fn unclaim(&self, key: Option<&IdempotencyKey>) {
        if let Some(key) = key
            && let Err(error) = self.store.idempotency_release(&key.key).await
        {
            tracing::warn!(%error, "an idempotency key could not be given back");
        }
    }
}
