//! A **ticket**: a right for a short time, signed by control, checked wherever bytes flow without asking control.
//!
//! Control signs ([`Signer`]) when somebody may open an app or move files; storage and proxy, on whatever machine, check ([`Verifier`])
//! with the public half of the key only, so that a node that was taken over can make none. Nothing here does IO or reads a clock.
//!
//! As text a ticket is base64url (RFC 4648 §5, no padding) of the claims in postcard's form, followed by an Ed25519 signature
//! (RFC 8032) over [`DOMAIN`] and these claims.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use madang_ids::{AppId, FolderId, SandboxId, UserId};
use madang_model::{AppPrefix, AppProtocol};
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use serde::{Deserialize, Serialize};

/// What is signed before the claims: no other signature of this key is one of a ticket.
const DOMAIN: &[u8] = b"madang ticket 1\0";
const SIGNATURE_BYTES: usize = 64;
/// A longer text is no ticket.
pub const TEXT_BYTES_MAX: usize = 4096;

/// What a ticket says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ticket {
    /// Who was given it.
    pub user: UserId,
    pub right: Right,
    /// Unix time in milliseconds; from then on it opens nothing.
    pub expires_ms: u64,
}

/// What a ticket opens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Right {
    /// One app of one sandbox, and what the proxy needs to know of it.
    App { app: AppId, sandbox: SandboxId, protocol: AppProtocol, prefix: AppPrefix },
    /// What is at and beneath a path of a folder; the empty path is all of it.
    Folder { folder: FolderId, path: String, may: FolderMay },
}

/// What may be done to files, each including those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum FolderMay {
    Read,
    /// Make and change files and directories.
    Write,
    /// Remove and rename them too.
    Delete,
}

/// Why a text opens nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TicketError {
    #[error("this is no ticket")]
    Form,
    #[error("the ticket is not signed by this installation")]
    Signature,
    #[error("the ticket has expired")]
    Expired,
}

/// Makes tickets.
pub struct Signer(Ed25519KeyPair);

impl std::fmt::Debug for Signer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Signer").finish_non_exhaustive()
    }
}

impl Signer {
    /// The key of this seed: the same seed is the same key.
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        Self(Ed25519KeyPair::from_seed_unchecked(seed).expect("any 32 bytes are a seed"))
    }

    /// What others check its tickets with.
    pub fn verifier(&self) -> Verifier {
        let key = self.0.public_key().as_ref();
        Verifier { key: key.try_into().expect("a public key of Ed25519 has 32 bytes") }
    }

    /// The ticket as text that may stand in a URL.
    pub fn sign(&self, ticket: &Ticket) -> String {
        let mut bytes = postcard::to_stdvec(ticket).expect("a ticket is made of what postcard can write");
        let signature = self.0.sign(&signed(&bytes));
        bytes.extend_from_slice(signature.as_ref());
        URL_SAFE_NO_PAD.encode(bytes)
    }
}

/// Checks tickets; holds nothing secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verifier {
    key: [u8; 32],
}

impl Verifier {
    /// The public half of a key, as it travels.
    pub const fn of_key(key: [u8; 32]) -> Self {
        Self { key }
    }

    pub const fn key(&self) -> [u8; 32] {
        self.key
    }

    /// What the text says, if it was signed here and holds at `now_ms` (Unix time in milliseconds).
    pub fn check(&self, text: &str, now_ms: u64) -> Result<Ticket, TicketError> {
        if text.len() > TEXT_BYTES_MAX {
            return Err(TicketError::Form);
        }
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| TicketError::Form)?;
        let at = bytes.len().checked_sub(SIGNATURE_BYTES).ok_or(TicketError::Form)?;
        let (claims, signature) = bytes.split_at(at);
        let key = UnparsedPublicKey::new(&ED25519, &self.key);
        key.verify(&signed(claims), signature).map_err(|_| TicketError::Signature)?;
        let ticket: Ticket = postcard::from_bytes(claims).map_err(|_| TicketError::Form)?;
        if now_ms < ticket.expires_ms { Ok(ticket) } else { Err(TicketError::Expired) }
    }
}

fn signed(claims: &[u8]) -> Vec<u8> {
    [DOMAIN, claims].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ticket() -> Ticket {
        let right = Right::Folder { folder: FolderId::new(), path: "a/b".to_owned(), may: FolderMay::Write };
        Ticket { user: UserId::new(), right, expires_ms: 1_000 }
    }

    #[test]
    fn holds_until_it_expires_and_only_under_its_key() {
        let signer = Signer::from_seed(&[1; 32]);
        let (ticket, other) = (ticket(), Signer::from_seed(&[2; 32]));
        let text = signer.sign(&ticket);
        assert_eq!(signer.verifier().check(&text, 999), Ok(ticket));
        assert_eq!(signer.verifier().check(&text, 1_000), Err(TicketError::Expired));
        assert_eq!(other.verifier().check(&text, 999), Err(TicketError::Signature));
    }

    #[test]
    fn no_changed_text_opens_anything() {
        let signer = Signer::from_seed(&[1; 32]);
        let text = signer.sign(&ticket());
        for at in 0..text.len() {
            let mut spoilt = text.clone().into_bytes();
            spoilt[at] = if spoilt[at] == b'A' { b'B' } else { b'A' };
            let spoilt = String::from_utf8(spoilt).unwrap();
            assert!(signer.verifier().check(&spoilt, 0).is_err(), "character {at}");
        }
        for text in ["", "?", "AAAA", &text[1..], &"A".repeat(TEXT_BYTES_MAX + 1)] {
            assert!(signer.verifier().check(text, 0).is_err(), "{text}");
        }
    }

    #[test]
    fn a_signature_of_something_else_is_none_of_a_ticket() {
        let seed = [3; 32];
        let claims = postcard::to_stdvec(&ticket()).unwrap();
        let pair = Ed25519KeyPair::from_seed_unchecked(&seed).unwrap();
        let bytes = [&claims[..], pair.sign(&claims).as_ref()].concat();
        let verifier = Signer::from_seed(&seed).verifier();
        assert_eq!(verifier.check(&URL_SAFE_NO_PAD.encode(bytes), 0), Err(TicketError::Signature));
    }
}
