//! Passwords: argon2id, off the threads that answer requests, few at a time.

use std::sync::Arc;

use argon2::{
    Algorithm, Argon2, Params, Version,
    password_hash::{PasswordHasher, PasswordVerifier, phc::PasswordHash},
};
use madang_public_api::{ProblemKind, bounds};
use tokio::sync::Semaphore;

use crate::app::Failure;

/// Memory for one hash, KiB; this and the next two are what OWASP recommends for argon2id.
const MEMORY_KIB: u32 = 19_456;
const PASSES: u32 = 2;
const LANES: u32 = 1;
/// Requests that may wait for their turn; more are asked to come again.
const WAITING_MAX: usize = 64;
/// How long those are asked to wait.
const RETRY_MS: u64 = 2_000;

/// Makes and checks hashes.
#[derive(Debug)]
pub(crate) struct Passwords {
    /// One for every hash that may be computed at once: a hash takes a core and [`MEMORY_KIB`].
    turns: Arc<Semaphore>,
    waiting: Semaphore,
    /// Compared with where there is no password, so that it takes as long.
    decoy: String,
}

impl Passwords {
    pub fn new() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let decoy = hash(&super::server_key::random::<16>());
        Self { turns: Arc::new(Semaphore::new((cores / 2).max(1))), waiting: Semaphore::new(WAITING_MAX), decoy }
    }

    /// What is kept of a password, with the parameters it was made with.
    pub async fn hash(&self, password: String) -> Result<String, Failure> {
        self.turn(move || hash(password.as_bytes())).await
    }

    /// Whether the password is the one behind `known`. Takes as long where nothing is known.
    pub async fn verify(&self, password: String, known: Option<String>) -> Result<bool, Failure> {
        let exists = known.is_some();
        let against = known.unwrap_or_else(|| self.decoy.clone());
        let same = self.turn(move || verify(password.as_bytes(), &against)).await?;
        Ok(same && exists)
    }

    async fn turn<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, Failure> {
        let Ok(_waiting) = self.waiting.try_acquire() else {
            let failure = Failure::too_many("password.waiting_max", WAITING_MAX);
            return Err(Failure { retry_after_ms: Some(RETRY_MS), ..failure });
        };
        let turn = Arc::clone(&self.turns).acquire_owned().await;
        let turn = turn.map_err(|error| Failure::internal("checking a password", error))?;
        let done = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            work()
        });
        done.await.map_err(|error| Failure::internal("checking a password", error))
    }
}

/// Refuses what is no password: too short to be one, too long to be hashed in good time, or the user's own name.
pub(crate) fn check_new(password: &str, user: &str) -> Result<(), Failure> {
    let (min, max) = (bounds::PASSWORD_CHARS_MIN, bounds::PASSWORD_BYTES_MAX);
    if password.chars().count() < min {
        return Err(Failure::invalid("password", format!("a password has at least {min} characters")));
    }
    if password.len() > max {
        let failure = Failure::new(ProblemKind::Invalid, format!("a password has at most {max} bytes"));
        return Err(Failure { field: Some("password".into()), ..failure });
    }
    if password.eq_ignore_ascii_case(user) {
        return Err(Failure::invalid("password", "a password is not the user's name"));
    }
    Ok(())
}

fn argon2() -> Argon2<'static> {
    let params = Params::new(MEMORY_KIB, PASSES, LANES, None).expect("these parameters are within argon2's bounds");
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
}

fn hash(password: &[u8]) -> String {
    let salt = super::server_key::random::<16>();
    let hash = argon2().hash_password_with_salt(password, &salt).expect("the salt has a length that argon2 takes");
    hash.to_string()
}

/// With the parameters that the hash names, so that those of today may change.
fn verify(password: &[u8], known: &str) -> bool {
    PasswordHash::new(known).is_ok_and(|known| argon2().verify_password(password, &known).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_hash_names_its_parameters_and_knows_its_password() {
        let passwords = Passwords::new();
        let hash = passwords.hash("correct horse".into()).await.unwrap();
        assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash}");
        assert_ne!(hash, passwords.hash("correct horse".into()).await.unwrap(), "salted");
        assert!(passwords.verify("correct horse".into(), Some(hash.clone())).await.unwrap());
        assert!(!passwords.verify("correct horsf".into(), Some(hash)).await.unwrap());
        assert!(!passwords.verify("correct horse".into(), None).await.unwrap());
        assert!(!passwords.verify("correct horse".into(), Some("nonsense".into())).await.unwrap());
    }

    #[tokio::test]
    async fn more_than_may_wait_are_asked_to_come_again() {
        let passwords = Passwords::new();
        let turns = Arc::clone(&passwords.turns);
        let all = u32::try_from(turns.available_permits()).unwrap();
        let busy = turns.acquire_many(all).await.unwrap();
        let waiting = passwords.waiting.acquire_many(u32::try_from(WAITING_MAX).unwrap()).await.unwrap();
        let refused = passwords.hash("correct horse".into()).await.unwrap_err();
        assert_eq!((refused.kind, refused.retry_after_ms), (ProblemKind::TooMany, Some(RETRY_MS)));
        drop((busy, waiting));
        passwords.hash("correct horse".into()).await.unwrap();
    }

    #[test]
    fn what_is_no_password() {
        assert!(check_new("long enough it is", "ada").is_ok());
        for (bad, user) in [("short", "ada"), ("administrator", "Administrator"), (&"x".repeat(2_000), "ada")] {
            assert_eq!(check_new(bad, user).unwrap_err().field.as_deref(), Some("password"));
        }
    }
}
