//! The server's own key: what must be readable again, but by nobody who has only the database, is sealed with it.
//!
//! ChaCha20-Poly1305 under a random nonce of 96 bits; a key seals thousands of secrets, where billions would be a risk. Every sealed text is
//! bound to what it belongs to, so that rows cannot be exchanged.

use std::{
    fs,
    io::{self, Write},
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::Path,
};

use hmac::{Hmac, Mac};
use madang_public_api::signature::hex;
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use sha2::Sha256;

/// File name below the home directory, unless the configuration says otherwise.
pub(crate) const FILE: &str = "server.key";
const KEY_BYTES: usize = 32;

/// Why there is no key.
#[derive(Debug, thiserror::Error)]
pub enum ServerKeyError {
    #[error("reading or making the server's key {path}")]
    File { path: String, source: io::Error },
    #[error("the server's key {path} may be read by others (mode {mode:o}); it must be its owner's alone")]
    Open { path: String, mode: u32 },
    #[error("the server's key {path} is not {KEY_BYTES} bytes in hexadecimal")]
    Form { path: String },
}

/// A key that seals and derives.
pub(crate) struct ServerKey {
    seal: LessSafeKey,
    derive: [u8; KEY_BYTES],
}

impl std::fmt::Debug for ServerKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ServerKey").finish_non_exhaustive()
    }
}

impl ServerKey {
    /// The key in a file, made at the first start.
    pub fn read_or_make(path: &Path) -> Result<Self, ServerKeyError> {
        let shown = || path.display().to_string();
        let failed = |source| ServerKeyError::File { path: shown(), source };
        let text = match fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => make(path).map_err(failed)?,
            Err(error) => return Err(failed(error)),
        };
        let mode = fs::metadata(path).map_err(failed)?.permissions().mode() & 0o777;
        if mode & 0o077 != 0 {
            return Err(ServerKeyError::Open { path: shown(), mode });
        }
        Self::from_hex(text.trim()).ok_or_else(|| ServerKeyError::Form { path: shown() })
    }

    /// A new key, as it is kept.
    pub fn make_hex() -> String {
        hex(&random::<KEY_BYTES>())
    }

    pub fn from_hex(text: &str) -> Option<Self> {
        let key: [u8; KEY_BYTES] = from_hex(text)?.try_into().ok()?;
        let seal = UnboundKey::new(&CHACHA20_POLY1305, &mac(&key, b"seal")).ok()?;
        Some(Self { seal: LessSafeKey::new(seal), derive: mac(&key, b"derive") })
    }

    /// What tells this key from others and says nothing of it.
    pub fn fingerprint(&self) -> String {
        hex(&self.derived("fingerprint", b"")[..16])
    }

    /// A secret of its own for each purpose and text.
    pub fn derived(&self, purpose: &str, text: &[u8]) -> [u8; KEY_BYTES] {
        mac(&mac(&self.derive, purpose.as_bytes()), text)
    }

    /// Seals `secret` so that only this key opens it, and only as what belongs to `owner`.
    pub fn seal(&self, owner: &str, secret: &[u8]) -> Vec<u8> {
        let nonce = random::<NONCE_LEN>();
        let mut sealed = secret.to_vec();
        self.seal
            .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(owner.as_bytes()), &mut sealed)
            .expect("a secret is far shorter than what may be sealed at once");
        [&nonce[..], &sealed].concat()
    }

    /// [`ServerKey::seal`], as text.
    pub fn seal_hex(&self, owner: &str, secret: &[u8]) -> String {
        hex(&self.seal(owner, secret))
    }

    /// [`ServerKey::open`], of text.
    pub fn open_hex(&self, owner: &str, sealed: &str) -> Option<Vec<u8>> {
        self.open(owner, &from_hex(sealed)?)
    }

    /// What was sealed; None if it was by another key, for another owner, or changed.
    pub fn open(&self, owner: &str, sealed: &[u8]) -> Option<Vec<u8>> {
        let (nonce, sealed) = sealed.split_at_checked(NONCE_LEN)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let mut opened = sealed.to_vec();
        let length = self.seal.open_in_place(nonce, Aad::from(owner.as_bytes()), &mut opened).ok()?.len();
        opened.truncate(length);
        Some(opened)
    }
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digits: Vec<u8> = text.chars().map(|char| char.to_digit(16)?.try_into().ok()).collect::<Option<_>>()?;
    digits.len().is_multiple_of(2).then(|| digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect())
}

fn make(path: &Path) -> io::Result<String> {
    let text = ServerKey::make_hex();
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    writeln!(file, "{text}")?;
    // What it sealed is lost with it.
    file.sync_all()?;
    Ok(text)
}

/// Bytes from the kernel.
pub(crate) fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).expect("the kernel always has random bytes once it has started");
    bytes
}

fn mac(key: &[u8], text: &[u8]) -> [u8; KEY_BYTES] {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
    mac.update(text);
    mac.finalize().into_bytes().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_key_opens_and_only_for_the_owner() {
        let key = ServerKey::from_hex(&ServerKey::make_hex()).unwrap();
        let other = ServerKey::from_hex(&ServerKey::make_hex()).unwrap();
        let sealed = key.seal("MDAK1", b"secret");
        assert_eq!(key.open("MDAK1", &sealed).as_deref(), Some(&b"secret"[..]));
        assert_ne!(sealed, key.seal("MDAK1", b"secret"), "twice the same would show that two secrets are");
        assert_eq!(key.open("MDAK2", &sealed), None);
        assert_eq!(other.open("MDAK1", &sealed), None);
        for at in 0..sealed.len() {
            let mut spoilt = sealed.clone();
            spoilt[at] ^= 1;
            assert_eq!(key.open("MDAK1", &spoilt), None, "byte {at}");
        }
        assert_eq!(key.open("MDAK1", &sealed[..5]), None);
    }

    #[test]
    fn the_file_is_made_once_and_private() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join(FILE);
        let first = ServerKey::read_or_make(&path).unwrap().fingerprint();
        assert_eq!(ServerKey::read_or_make(&path).unwrap().fingerprint(), first);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        assert!(matches!(ServerKey::read_or_make(&path), Err(ServerKeyError::Open { mode: 0o640, .. })));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        fs::write(&path, "short\n").unwrap();
        assert!(matches!(ServerKey::read_or_make(&path), Err(ServerKeyError::Form { .. })));
    }
}
