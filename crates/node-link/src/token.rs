//! What lets a machine join: a secret, and which authority to believe.

use std::{fmt, str::FromStr};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use sha2::{Digest as _, Sha256};

const PREFIX: &str = "mdj_";
const SECRET_BYTES: usize = 24;

/// `mdj_SECRET.FINGERPRINT`: shown once, kept only as a hash.
#[derive(Clone, PartialEq, Eq)]
pub struct JoinToken {
    secret: String,
    /// SHA-256 of the authority's certificate.
    authority: [u8; 32],
}

/// Why a text is no token. It never repeats the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a join token looks like mdj_SECRET.FINGERPRINT")]
pub struct JoinTokenError;

impl JoinToken {
    /// A new secret for the authority with this fingerprint.
    pub fn make(authority: [u8; 32]) -> Result<Self, getrandom::Error> {
        let mut secret = [0; SECRET_BYTES];
        getrandom::fill(&mut secret)?;
        Ok(Self { secret: URL_SAFE_NO_PAD.encode(secret), authority })
    }

    /// What is sent to control.
    pub fn secret(&self) -> &str {
        &self.secret
    }

    /// Which certificate authority control must prove to have.
    pub fn authority(&self) -> [u8; 32] {
        self.authority
    }

    /// What is kept of a secret.
    pub fn hash(secret: &str) -> String {
        crate::hex(&Sha256::digest(secret.as_bytes()))
    }
}

impl fmt::Display for JoinToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{PREFIX}{}.{}", self.secret, URL_SAFE_NO_PAD.encode(self.authority))
    }
}

impl fmt::Debug for JoinToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JoinToken(…)")
    }
}

impl FromStr for JoinToken {
    type Err = JoinTokenError;

    fn from_str(text: &str) -> Result<Self, JoinTokenError> {
        let (secret, authority) =
            text.trim().strip_prefix(PREFIX).and_then(|rest| rest.split_once('.')).ok_or(JoinTokenError)?;
        let decode = |text: &str| URL_SAFE_NO_PAD.decode(text).map_err(|_| JoinTokenError);
        if decode(secret)?.len() != SECRET_BYTES {
            return Err(JoinTokenError);
        }
        let authority = decode(authority)?.try_into().map_err(|_| JoinTokenError)?;
        Ok(Self { secret: secret.to_owned(), authority })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_back() {
        let token = JoinToken::make([7; 32]).unwrap();
        assert_eq!(token.to_string().parse(), Ok(token.clone()));
        assert_ne!(token.secret(), JoinToken::make([7; 32]).unwrap().secret());
        assert!(!format!("{token:?}").contains(token.secret()));
    }

    #[test]
    fn other_texts_are_none() {
        let whole = JoinToken::make([7; 32]).unwrap().to_string();
        let cut = &whole[..whole.len() - 4];
        for text in ["", "mdj_", "mdj_.", "mdj_AAAA.BBBB", cut, &whole[4..]] {
            assert_eq!(text.parse::<JoinToken>(), Err(JoinTokenError), "{text}");
        }
    }
}
