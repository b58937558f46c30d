//! Who asks.

use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use madang_store::{Store, StoreError};

/// Somebody who has signed in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Identity {
    pub name: String,
}

impl Identity {
    /// The local administrator, by token file or by uid.
    pub fn administrator() -> Self {
        Self { name: "administrator".into() }
    }
}

/// Every token, in memory: signing in reads no database.
#[derive(Debug)]
pub(crate) struct Tokens {
    known: Vec<(String, Identity)>,
}

impl Tokens {
    pub async fn load(store: &Store) -> Result<Self, StoreError> {
        let known = store.token_list().await?.into_iter();
        Ok(Self { known: known.map(|token| (token.hash, Identity { name: token.name })).collect() })
    }

    /// Compares hashes, each in constant time, and all of them: neither the match nor its place shows in the time it takes.
    pub fn find(&self, secret: &[u8]) -> Option<Identity> {
        let hash = hash_hex(secret);
        let mut found = None;
        for (known, identity) in &self.known {
            if bool::from(known.as_bytes().ct_eq(hash.as_bytes())) {
                found = Some(identity.clone());
            }
        }
        found
    }
}

/// SHA-256 in hexadecimal.
pub(crate) fn hash_hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digest = Sha256::digest(bytes);
    let mut text = String::with_capacity(64);
    for byte in digest {
        text.push(char::from(DIGITS[usize::from(byte >> 4)]));
        text.push(char::from(DIGITS[usize::from(byte & 15)]));
    }
    text
}
