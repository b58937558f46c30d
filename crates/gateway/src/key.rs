//! Keys: a user's public one as text and as fingerprint, and the gateway's own.

use russh::keys::{Algorithm, HashAlg, PrivateKey, ssh_key};

/// Longest line with a public key: the largest that is taken has a third of it, the rest is comment.
pub const LINE_BYTES_MAX: usize = 1_024;
/// Names of hosts and people in a comment.
const COMMENT_CHARS_MAX: usize = 128;

/// Why a text is no key that is taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// Too much of it.
    #[error("a public key is one line of at most {LINE_BYTES_MAX} bytes")]
    Long,
    /// A private key: somebody took the wrong file.
    #[error("this is a private key: give the public one (the file that ends in .pub), and keep this to yourself")]
    Private,
    /// Not the form of a public key.
    #[error("this is no public key as in a file id_ed25519.pub: {0}")]
    Form(String),
    /// Another kind than those that are taken.
    #[error("keys are Ed25519 or ECDSA (ssh-keygen -t ed25519), not {0}")]
    Kind(String),
}

/// A user's public key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicKey {
    inner: ssh_key::PublicKey,
}

impl PublicKey {
    /// As in a file `id_ed25519.pub`.
    pub fn parse(text: &str) -> Result<Self, KeyError> {
        let text = text.trim();
        if text.contains("PRIVATE KEY") {
            return Err(KeyError::Private);
        }
        if text.len() > LINE_BYTES_MAX || text.lines().count() != 1 {
            return Err(KeyError::Long);
        }
        let inner = ssh_key::PublicKey::from_openssh(text).map_err(|error| KeyError::Form(error.to_string()))?;
        match inner.algorithm() {
            Algorithm::Ed25519 | Algorithm::Ecdsa { .. } => Ok(Self { inner }),
            other => Err(KeyError::Kind(other.to_string())),
        }
    }

    pub(crate) fn of(key: &ssh_key::PublicKey) -> Self {
        Self { inner: key.clone() }
    }

    /// `SHA256:…`, as `ssh-keygen -l` shows it. The same key has the same, whatever its comment.
    pub fn fingerprint(&self) -> String {
        self.inner.fingerprint(HashAlg::Sha256).to_string()
    }

    /// `ssh-ed25519`, `ecdsa-sha2-nistp256` and so on.
    pub fn kind(&self) -> String {
        self.inner.algorithm().to_string()
    }

    /// The key itself, one line without its comment.
    pub fn line(&self) -> String {
        let mut bare = self.inner.clone();
        bare.set_comment("");
        bare.to_openssh().unwrap_or_default().trim().to_owned()
    }

    /// What stands behind the key, as far as it can be shown.
    pub fn comment(&self) -> String {
        let comment = self.inner.comment().to_string();
        comment.chars().filter(|char| !char.is_control()).take(COMMENT_CHARS_MAX).collect()
    }
}

/// What the gateway shows of itself.
pub struct HostKey(pub(crate) PrivateKey);

impl std::fmt::Debug for HostKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("HostKey").field(&self.fingerprint()).finish()
    }
}

impl HostKey {
    /// The Ed25519 key of a secret: the same for everybody who has it, over every start.
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        Self(PrivateKey::from(ssh_key::private::Ed25519Keypair::from_seed(seed)))
    }

    /// `SHA256:…`, for people to compare.
    pub fn fingerprint(&self) -> String {
        self.0.fingerprint(HashAlg::Sha256).to_string()
    }

    /// As in a file `known_hosts`, behind the host's name.
    pub fn line(&self) -> String {
        self.0.public_key().to_openssh().unwrap_or_default().trim().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ED25519: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJTwXTZ7ZvN9ti4SERWOS9fK5/vYS3GR1sBXFbQ7lCBO";

    #[test]
    fn a_key_is_the_same_whatever_stands_behind_it() {
        let bare = PublicKey::parse(ED25519).unwrap();
        let named = PublicKey::parse(&format!("{ED25519} ada@laptop\n")).unwrap();
        assert_eq!(bare.fingerprint(), named.fingerprint());
        assert!(bare.fingerprint().starts_with("SHA256:"));
        assert_eq!(named.line(), ED25519);
        assert_eq!((named.comment().as_str(), bare.comment().as_str()), ("ada@laptop", ""));
        assert_eq!(bare.kind(), "ssh-ed25519");
    }

    #[test]
    fn what_is_no_key_of_ours_is_refused_by_what_it_is() {
        let rsa =
            "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAAAQQDUqZ3JXhm5hb0G1RmZqv0m3qoLx0VbFBT1QKD9mKVdq0IEH0fIVVV7WnT1uzW6";
        assert!(matches!(PublicKey::parse(rsa), Err(KeyError::Form(_) | KeyError::Kind(_))));
        assert_eq!(PublicKey::parse("-----BEGIN OPENSSH PRIVATE KEY-----\n…"), Err(KeyError::Private));
        assert!(matches!(PublicKey::parse("hello"), Err(KeyError::Form(_))));
        assert_eq!(PublicKey::parse(&format!("{ED25519}\n{ED25519}")), Err(KeyError::Long));
        assert_eq!(PublicKey::parse(&format!("{ED25519} {}", "x".repeat(2_000))), Err(KeyError::Long));
    }

    #[test]
    fn a_secret_makes_one_key() {
        assert_eq!(HostKey::from_seed(&[7; 32]).line(), HostKey::from_seed(&[7; 32]).line());
        assert_ne!(HostKey::from_seed(&[7; 32]).fingerprint(), HostKey::from_seed(&[8; 32]).fingerprint());
    }
}
