//! The secrets that the sandboxes of a cluster share: a token, and a pair of Ed25519 keys as OpenSSH writes them.
//!
//! They are derived from the server's own key and the ids of session and sandbox: nothing of them is stored, whoever leads next derives the
//! same, and a session that starts anew elsewhere has others. The form of the private key is that of OpenSSH's `PROTOCOL.key`, without a passphrase.

use base64::{Engine, engine::general_purpose::STANDARD};
use madang_public_api::signature::hex;
use madang_store::SessionRecord;
use ring::signature::{Ed25519KeyPair, KeyPair};

use crate::signin::server_key::ServerKey;

const KIND: &[u8] = b"ssh-ed25519";
const MAGIC: &[u8] = b"openssh-key-v1\0";
/// What is encrypted is padded to a multiple of this, also where nothing is.
const BLOCK_BYTES: usize = 8;
/// Characters of a line.
const LINE: usize = 70;

/// What all sandboxes of a cluster know and nobody else.
pub(crate) struct ClusterKey {
    pub token: String,
    pub private_key: String,
    pub public_key: String,
}

impl ClusterKey {
    pub fn of(key: &ServerKey, record: &SessionRecord) -> Self {
        let which = format!("{} {}", record.id, record.sandbox);
        let token = hex(&key.derived("cluster token", which.as_bytes()));
        let seed = key.derived("cluster key", which.as_bytes());
        let pair = Ed25519KeyPair::from_seed_unchecked(&seed).expect("any 32 bytes are a seed");
        let comment = format!("madang-{}", record.id);
        let public = pair.public_key().as_ref();
        let blob = [string(KIND), string(public)].concat();
        Self {
            token,
            private_key: private_key(&blob, &[&seed, public].concat(), &comment),
            public_key: format!("ssh-ed25519 {} {comment}", STANDARD.encode(&blob)),
        }
    }
}

fn private_key(public: &[u8], secret: &[u8], comment: &str) -> String {
    // Two equal numbers tell a right passphrase from a wrong one; there is none.
    let check = [0_u8; 8];
    let mut inner = [&check[..], public, &string(secret), &string(comment.as_bytes())].concat();
    inner.extend((1..).take(inner.len().next_multiple_of(BLOCK_BYTES) - inner.len()));
    let one_key = 1_u32.to_be_bytes();
    let outer = [MAGIC, &string(b"none"), &string(b"none"), &string(b""), &one_key, &string(public), &string(&inner)];
    let text = STANDARD.encode(outer.concat());
    let lines: String =
        text.as_bytes().chunks(LINE).map(|line| format!("{}\n", String::from_utf8_lossy(line))).collect();
    format!("-----BEGIN OPENSSH PRIVATE KEY-----\n{lines}-----END OPENSSH PRIVATE KEY-----\n")
}

/// Its length in four bytes, then itself.
fn string(bytes: &[u8]) -> Vec<u8> {
    let length = u32::try_from(bytes.len()).expect("what is written here is short");
    [&length.to_be_bytes(), bytes].concat()
}

#[cfg(test)]
mod tests {
    use ring::signature::{ED25519, UnparsedPublicKey};

    use super::*;

    /// The next field, and what follows it.
    fn field(bytes: &[u8]) -> (&[u8], &[u8]) {
        let (length, rest) = bytes.split_at(4);
        rest.split_at(u32::from_be_bytes(length.try_into().unwrap()) as usize)
    }

    #[test]
    fn the_private_key_is_whole_and_belongs_to_the_public_one() {
        let seed = [7; 32];
        let pair = Ed25519KeyPair::from_seed_unchecked(&seed).unwrap();
        let public = pair.public_key().as_ref();
        let blob = [string(KIND), string(public)].concat();
        let text = private_key(&blob, &[&seed, public].concat(), "a comment");
        let inside: String = text.lines().filter(|line| !line.starts_with('-')).collect();
        assert!(text.lines().all(|line| line.len() <= LINE));
        let bytes = STANDARD.decode(inside).unwrap();
        let rest = bytes.strip_prefix(MAGIC).unwrap();
        let (cipher, rest) = field(rest);
        let (derivation, rest) = field(rest);
        let (options, rest) = field(rest);
        assert_eq!((cipher, derivation, options), (&b"none"[..], &b"none"[..], &b""[..]));
        let (outside, rest) = field(&rest[4..]);
        assert_eq!(outside, blob);
        let (inner, rest) = field(rest);
        assert!(rest.is_empty() && inner.len().is_multiple_of(BLOCK_BYTES));
        assert_eq!(inner[..4], inner[4..8]);
        let (kind, rest) = field(&inner[8..]);
        let (known, rest) = field(rest);
        let (secret, rest) = field(rest);
        let (comment, padding) = field(rest);
        assert_eq!((kind, known, comment), (KIND, public, &b"a comment"[..]));
        assert!(padding.iter().zip(1..).all(|(byte, number)| *byte == number));
        let signed = Ed25519KeyPair::from_seed_and_public_key(&secret[..32], &secret[32..]).unwrap().sign(b"hello");
        UnparsedPublicKey::new(&ED25519, known).verify(b"hello", signed.as_ref()).unwrap();
    }
}
