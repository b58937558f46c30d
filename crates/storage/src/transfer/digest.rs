//! Checksums: of one request in tus, of a whole file in `Repr-Digest` (RFC 9530).

use base64::{Engine, engine::general_purpose::STANDARD};
use ring::digest::{Context, SHA1_FOR_LEGACY_USE_ONLY, SHA256};

use crate::{StorageError, transfer::hex};

/// What we can compute. tus asks for SHA-1; against chance it is as good as any.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Algorithm {
    Sha1,
    Sha256,
}

/// What bytes are said to come to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Digest {
    pub algorithm: Algorithm,
    pub bytes: Vec<u8>,
}

/// Bytes being added up.
#[derive(Clone)]
pub struct Digesting(Context);

impl std::fmt::Debug for Digesting {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Digesting").finish_non_exhaustive()
    }
}

impl Algorithm {
    fn bytes(self) -> usize {
        match self {
            Self::Sha1 => SHA1_FOR_LEGACY_USE_ONLY.output_len(),
            Self::Sha256 => SHA256.output_len(),
        }
    }
}

impl Digest {
    fn checked(algorithm: Algorithm, bytes: Vec<u8>) -> Result<Self, StorageError> {
        if bytes.len() == algorithm.bytes() {
            Ok(Self { algorithm, bytes })
        } else {
            Err(StorageError::Invalid(format!("a digest of {algorithm:?} has {} bytes", algorithm.bytes())))
        }
    }

    /// `Upload-Checksum: sha256 BASE64`.
    pub fn from_tus(text: &str) -> Result<Self, StorageError> {
        let wrong = || StorageError::Invalid("`Upload-Checksum` is an algorithm, a space and base64".to_owned());
        let (name, value) = text.trim().split_once(' ').ok_or_else(wrong)?;
        let algorithm = match name {
            "sha1" => Algorithm::Sha1,
            "sha256" => Algorithm::Sha256,
            _ => return Err(StorageError::Invalid("checksums are of sha1 or sha256".to_owned())),
        };
        Self::checked(algorithm, STANDARD.decode(value.trim()).map_err(|_| wrong())?)
    }

    /// The member `sha-256` of `Repr-Digest: sha-256=:BASE64:, …`; none where there is no such member.
    pub fn from_repr(text: &str) -> Result<Option<Self>, StorageError> {
        let Some(value) = text.split(',').find_map(|member| member.trim().strip_prefix("sha-256=")) else {
            return Ok(None);
        };
        let inner = value.trim().strip_prefix(':').and_then(|value| value.strip_suffix(':'));
        let bytes = inner.and_then(|inner| STANDARD.decode(inner).ok());
        let bytes = bytes.ok_or_else(|| StorageError::Invalid("`Repr-Digest` is `sha-256=:BASE64:`".to_owned()))?;
        Self::checked(Algorithm::Sha256, bytes).map(Some)
    }

    /// SHA-256 in hexadecimal digits.
    pub fn from_hex(text: &str) -> Result<Self, StorageError> {
        let wrong = || StorageError::Invalid("a digest is written in 64 hexadecimal digits".to_owned());
        let pairs = text.as_bytes().chunks(2).map(|pair| {
            let pair = std::str::from_utf8(pair).ok()?;
            u8::from_str_radix(pair, 16).ok()
        });
        Self::checked(Algorithm::Sha256, pairs.collect::<Option<_>>().ok_or_else(wrong)?).map_err(|_| wrong())
    }

    pub fn to_hex(&self) -> String {
        hex(&self.bytes)
    }

    /// As `Repr-Digest` says it.
    pub fn to_repr(&self) -> String {
        format!("sha-256=:{}:", STANDARD.encode(&self.bytes))
    }
}

impl Digesting {
    pub fn new(algorithm: Algorithm) -> Self {
        Self(Context::new(match algorithm {
            Algorithm::Sha1 => &SHA1_FOR_LEGACY_USE_ONLY,
            Algorithm::Sha256 => &SHA256,
        }))
    }

    pub fn add(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    pub fn end(self) -> Vec<u8> {
        self.0.finish().as_ref().to_vec()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn heads_are_read_and_written() {
        let mut adding = Digesting::new(Algorithm::Sha256);
        adding.add(b"abc");
        let digest = Digest { algorithm: Algorithm::Sha256, bytes: adding.end() };
        assert!(digest.to_hex().starts_with("ba7816bf"));
        assert_eq!(Digest::from_hex(&digest.to_hex()).unwrap(), digest);
        assert_eq!(Digest::from_repr(&format!("sha-512=:AA==:, {}", digest.to_repr())).unwrap().unwrap(), digest);
        assert_eq!(Digest::from_repr("sha-512=:AA==:").unwrap(), None);
        let tus = format!("sha256 {}", STANDARD.encode(&digest.bytes));
        assert_eq!(Digest::from_tus(&tus).unwrap(), digest);
        for bad in ["sha256", "md5 AAAA", "sha1 AAAA", "sha256 ???"] {
            assert!(Digest::from_tus(bad).is_err(), "{bad}");
        }
        assert!(Digest::from_repr("sha-256=:AAAA:").is_err() && Digest::from_hex("é").is_err());
    }

    proptest! {
        #[test]
        fn no_text_breaks_a_reader(text in "\\PC{0,100}") {
            let _ = (Digest::from_tus(&text), Digest::from_repr(&text), Digest::from_hex(&text));
        }
    }
}
