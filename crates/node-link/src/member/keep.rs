//! What a node keeps: its key, its certificate, who it is and whom it believes.

use std::{fs, io, os::unix::fs::DirBuilderExt as _, path::Path, sync::Arc, time::Duration};

use madang_ids::NodeId;
use rcgen::{CertificateParams, KeyPair};
use rustls::{
    ClientConfig,
    pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer},
};
use serde::{Deserialize, Serialize};

use super::{MemberConfig, MemberError};
use crate::{
    authority::write_private,
    now_ms,
    tls::{self, Credential},
    wire::Joined,
};

const KEY: &str = "node.key";
const RECORD: &str = "node.json";
/// What tickets are checked with, as control has last said: a node that is started anew serves its apps before control is there.
const TICKETS: &str = "ticket.pub";

/// A node's membership.
pub(super) struct Kept {
    pub node: NodeId,
    key: KeyPair,
    record: Record,
}

#[derive(Clone, Serialize, Deserialize)]
struct Record {
    node: NodeId,
    /// SHA-256 of the authority's certificate.
    authority: [u8; 32],
    certificate: Vec<u8>,
    begun_ms: u64,
    ends_ms: u64,
}

fn keeping(path: &Path) -> impl FnOnce(io::Error) -> MemberError {
    let path = path.display().to_string();
    |source| MemberError::Keep { path, source }
}

/// The node's key, made at the first time.
pub(super) fn key(directory: &Path) -> Result<KeyPair, MemberError> {
    let path = directory.join(KEY);
    match fs::read_to_string(&path) {
        Ok(text) => KeyPair::from_pem(&text)
            .map_err(|error| MemberError::Damaged { path: path.display().to_string(), why: error.to_string() }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let key = KeyPair::generate()?;
            fs::DirBuilder::new().recursive(true).mode(0o700).create(directory).map_err(keeping(directory))?;
            write_private(&path, &key.serialize_pem()).map_err(keeping(&path))?;
            Ok(key)
        }
        Err(error) => Err(keeping(&path)(error)),
    }
}

/// What tickets are checked with, if control has ever said so.
pub(super) fn ticket_key(directory: &Path) -> Option<[u8; 32]> {
    fs::read(directory.join(TICKETS)).ok()?.try_into().ok()
}

pub(super) fn ticket_key_keep(directory: &Path, key: [u8; 32]) {
    if ticket_key(directory) == Some(key) {
        return;
    }
    // Half of it is read as none.
    if let Err(error) = fs::write(directory.join(TICKETS), key) {
        tracing::warn!(%error, "the key of tickets is not kept: apps of this node will not open before control is there");
    }
}

/// A request for a certificate. It proves that the key is ours and asks for nothing: what it gets is control's to say.
pub(super) fn request(key: &KeyPair) -> Result<Vec<u8>, MemberError> {
    Ok(CertificateParams::default().serialize_request(key)?.der().to_vec())
}

impl Kept {
    /// None where this machine has not joined.
    pub fn read(directory: &Path) -> Result<Option<Self>, MemberError> {
        let path = directory.join(RECORD);
        let text = match fs::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(keeping(&path)(error)),
        };
        let record: Record = serde_json::from_slice(&text)
            .map_err(|error| MemberError::Damaged { path: path.display().to_string(), why: error.to_string() })?;
        Ok(Some(Self { node: record.node, key: key(directory)?, record }))
    }

    /// Refuses a token of another control plane than the one joined: it would be ignored without a word.
    pub fn fits(self, config: &MemberConfig) -> Result<Self, MemberError> {
        match &config.token {
            Some(token) if token.authority() != self.record.authority => {
                Err(MemberError::OtherControl { path: config.directory.display().to_string() })
            }
            _ => Ok(self),
        }
    }

    pub fn write(
        config: &MemberConfig,
        key: KeyPair,
        authority: [u8; 32],
        joined: Joined,
    ) -> Result<Self, MemberError> {
        let node = joined
            .node
            .parse()
            .map_err(|_| MemberError::Refused("control gave this node no id that is one".to_owned()))?;
        let record = Record {
            node,
            authority,
            certificate: joined.certificate.to_vec(),
            begun_ms: now_ms(),
            ends_ms: joined.ends_ms,
        };
        let kept = Self { node, key, record };
        kept.save(&config.directory)?;
        Ok(kept)
    }

    pub fn replace(&mut self, directory: &Path, certificate: Vec<u8>, ends_ms: u64) -> Result<(), MemberError> {
        self.record.certificate = certificate;
        self.record.begun_ms = now_ms();
        self.record.ends_ms = ends_ms;
        self.save(directory)
    }

    fn save(&self, directory: &Path) -> Result<(), MemberError> {
        let path = directory.join(RECORD);
        let text = serde_json::to_string(&self.record).map_err(io::Error::from).map_err(keeping(&path))?;
        write_private(&path, &text).map_err(keeping(&path))
    }

    pub fn request(&self) -> Result<Vec<u8>, MemberError> {
        request(&self.key)
    }

    pub fn should_renew(&self, after: Duration) -> bool {
        now_ms() >= self.renew_ms(after)
    }

    /// When half of the certificate's life is over, or sooner.
    pub fn renew_ms(&self, after: Duration) -> u64 {
        let half_ms = self.record.ends_ms.saturating_sub(self.record.begun_ms) / 2;
        self.record.begun_ms + half_ms.min(u64::try_from(after.as_millis()).unwrap_or(u64::MAX))
    }

    pub fn tls(&self) -> Result<Arc<ClientConfig>, MemberError> {
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(self.key.serialize_der()));
        let certificate = CertificateDer::from(self.record.certificate.clone());
        Ok(tls::client(self.record.authority, Some(Credential { certificate, key }))?)
    }
}
