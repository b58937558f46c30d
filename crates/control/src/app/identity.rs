//! Who asks: secrets become actors, without a look at the database.

use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::people::Directory;
use crate::clock::now_ms;
use madang_model::{Actor, SignedInBy};

impl Directory {
    /// Whose token this is. The table is asked for the secret's hash, so that how long it takes says nothing of any secret.
    pub fn actor_of_token(&self, secret: &[u8]) -> Option<Actor> {
        let hash = hash_hex(secret);
        let token = self.tokens.get(&hash)?;
        if !bool::from(token.hash.as_bytes().ct_eq(hash.as_bytes())) {
            return None;
        }
        if token.expires_ms.is_some_and(|expires| now_ms() >= expires) {
            return None;
        }
        let actor = self.actor(token.owner, SignedInBy::Token(token.id))?;
        Some(Actor { scopes: token.scopes, ..actor })
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
