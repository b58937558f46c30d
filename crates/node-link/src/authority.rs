//! Control's own certificate authority: who a node is, and who control is.
//!
//! Certificates name what they are for: control's may only serve, a node's may only dial. Which node holds a certificate is not read from
//! it: whoever issues one writes down its fingerprint, and one whose fingerprint is not written down is nobody's.

use std::{fs, io, io::Write as _, os::unix::fs::OpenOptionsExt as _, path::Path};

use rcgen::{
    BasicConstraints, CertificateParams, CertificateSigningRequestParams, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose,
};
use rustls::pki_types::{
    CertificateDer, CertificateSigningRequestDer, PrivateKeyDer, PrivatePkcs8KeyDer, pem::PemObject as _,
};
use sha2::{Digest as _, Sha256};
use time::{Duration, OffsetDateTime};

/// The only name control's certificate has, and the only one that nodes accept: the authority is private, addresses change.
pub const SERVER_NAME: &str = "control.madang.internal";
const CERTIFICATE: &str = "authority.pem";
const KEY: &str = "authority.key";
/// Clocks that are behind by less than this do no harm.
const SKEW: Duration = Duration::days(1);
const AUTHORITY_LIFE: Duration = Duration::days(3650);
/// A server certificate is made at each start and lives in memory only.
const SERVER_LIFE: Duration = Duration::days(825);

/// What may go wrong with certificates.
#[derive(Debug, thiserror::Error)]
pub enum AuthorityError {
    #[error("reading or making {path}")]
    File { path: String, source: io::Error },
    #[error("{path} is no certificate authority: {why}")]
    Broken { path: String, why: String },
    /// A request that a node sent: its fault.
    #[error("no certificate can be made for this request: {0}")]
    Request(#[source] rcgen::Error),
    #[error("making a certificate")]
    Make(#[from] rcgen::Error),
}

/// A certificate, and what identifies it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Issued {
    pub certificate: CertificateDer<'static>,
    /// Unix time, milliseconds.
    pub ends_ms: u64,
}

/// Signs for nodes and for control.
pub struct Authority {
    certificate: CertificateDer<'static>,
    issuer: Issuer<'static, KeyPair>,
}

impl std::fmt::Debug for Authority {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Authority").field("fingerprint", &crate::hex(&self.fingerprint())).finish_non_exhaustive()
    }
}

/// SHA-256 of a certificate.
pub fn fingerprint(certificate: &CertificateDer<'_>) -> [u8; 32] {
    Sha256::digest(certificate).into()
}

impl Authority {
    /// A new one that nobody knows yet.
    pub fn make() -> Result<Self, AuthorityError> {
        let key = KeyPair::generate()?;
        let params = authority_params();
        let certificate = params.self_signed(&key)?.der().clone();
        Ok(Self { certificate, issuer: Issuer::new(params, key) })
    }

    /// The one kept in `directory`, made at the first time. Only its owner can read the key.
    pub fn open(directory: &Path) -> Result<Self, AuthorityError> {
        let (certificate, key) = (directory.join(CERTIFICATE), directory.join(KEY));
        let file = |path: &Path| {
            let path = path.display().to_string();
            move |source| AuthorityError::File { path, source }
        };
        match fs::read_to_string(&certificate) {
            Ok(text) => Self::from_pem(&text, &fs::read_to_string(&key).map_err(file(&key))?, &certificate),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let made = Self::make()?;
                let pem = rcgen_pem(&made.certificate);
                fs::create_dir_all(directory).map_err(file(directory))?;
                // The certificate last: where it is, the key is.
                write_private(&key, &made.issuer.key().serialize_pem()).map_err(file(&key))?;
                write_private(&certificate, &pem).map_err(file(&certificate))?;
                Ok(made)
            }
            Err(error) => Err(file(&certificate)(error)),
        }
    }

    fn from_pem(certificate: &str, key: &str, path: &Path) -> Result<Self, AuthorityError> {
        let broken = |why: String| AuthorityError::Broken { path: path.display().to_string(), why };
        let key = KeyPair::from_pem(key).map_err(|error| broken(error.to_string()))?;
        let der = CertificateDer::from_pem_slice(certificate.as_bytes()).map_err(|error| broken(error.to_string()))?;
        let issuer = Issuer::from_ca_cert_der(&der, key).map_err(|error| broken(error.to_string()))?;
        Ok(Self { certificate: der, issuer })
    }

    /// Key and certificate as one text, to be kept where nobody else reads it. The key first: whoever reads one takes the first block.
    pub fn to_pem(&self) -> String {
        self.issuer.key().serialize_pem() + &rcgen_pem(&self.certificate)
    }

    /// What [`Authority::to_pem`] has written.
    pub fn of_pem(text: &str) -> Result<Self, AuthorityError> {
        Self::from_pem(text, text, Path::new("what is kept"))
    }

    pub fn certificate(&self) -> &CertificateDer<'static> {
        &self.certificate
    }

    /// What a join token carries.
    pub fn fingerprint(&self) -> [u8; 32] {
        fingerprint(&self.certificate)
    }

    /// A certificate and key for control's own listener.
    pub fn server(&self) -> Result<(CertificateDer<'static>, PrivateKeyDer<'static>), AuthorityError> {
        let key = KeyPair::generate()?;
        let mut params = CertificateParams::new(vec![SERVER_NAME.to_owned()])?;
        name(&mut params, SERVER_NAME);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        lives(&mut params, SERVER_LIFE);
        let certificate = params.signed_by(&key, &self.issuer)?.der().clone();
        Ok((certificate, PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()))))
    }

    /// A certificate for the key in `request`, which proves that it is the sender's. Nothing else of the request counts: name, use and
    /// life are ours to say.
    pub fn sign(&self, request: &[u8], node: &str, life_ms: u64) -> Result<Issued, AuthorityError> {
        let request = CertificateSigningRequestDer::from(request);
        let key = CertificateSigningRequestParams::from_der(&request).map_err(AuthorityError::Request)?.public_key;
        let mut params = CertificateParams::new(vec![format!("{node}.node.madang.internal").replace('_', "-")])?;
        name(&mut params, node);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        let life = Duration::milliseconds(i64::try_from(life_ms).unwrap_or(i64::MAX));
        lives(&mut params, life);
        let ends_ms = (params.not_after.unix_timestamp_nanos() / 1_000_000) as u64;
        Ok(Issued { certificate: params.signed_by(&key, &self.issuer)?.der().clone(), ends_ms })
    }
}

/// SHA-256 of the public key in a request: the same key asking again is the same machine asking again.
pub fn request_key(request: &[u8]) -> Result<String, AuthorityError> {
    use rcgen::PublicKeyData as _;
    let request = CertificateSigningRequestDer::from(request);
    let key = CertificateSigningRequestParams::from_der(&request).map_err(AuthorityError::Request)?.public_key;
    Ok(crate::hex(&Sha256::digest(key.der_bytes())))
}

fn authority_params() -> CertificateParams {
    let mut params = CertificateParams::default();
    name(&mut params, "madang authority");
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    lives(&mut params, AUTHORITY_LIFE);
    params
}

fn name(params: &mut CertificateParams, name: &str) {
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
}

fn lives(params: &mut CertificateParams, life: Duration) {
    let now = OffsetDateTime::now_utc();
    params.not_before = now - SKEW;
    params.not_after = now.checked_add(life).unwrap_or(now + AUTHORITY_LIFE);
}

/// DER in PEM's clothes.
pub(crate) fn rcgen_pem(certificate: &CertificateDer<'_>) -> String {
    use base64::{Engine as _, engine::general_purpose::STANDARD};
    let text = STANDARD.encode(certificate);
    let lines = text.as_bytes().chunks(64).map(String::from_utf8_lossy).collect::<Vec<_>>().join("\n");
    format!("-----BEGIN CERTIFICATE-----\n{lines}\n-----END CERTIFICATE-----\n")
}

/// Written beside and renamed: a crash between leaves no half of it.
pub(crate) fn write_private(path: &Path, text: &str) -> io::Result<()> {
    let beside = path.with_extension("new");
    let _ = fs::remove_file(&beside);
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&beside)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(&beside, path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request() -> Vec<u8> {
        let key = KeyPair::generate().unwrap();
        let mut asked = CertificateParams::new(vec![SERVER_NAME.to_owned()]).unwrap();
        asked.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        asked.serialize_request(&key).unwrap().der().to_vec()
    }

    #[test]
    fn what_was_made_is_opened_again_and_only_the_owner_reads_it() {
        use std::os::unix::fs::PermissionsExt as _;
        let home = tempfile::tempdir().unwrap();
        let first = Authority::open(home.path()).unwrap();
        assert_eq!(Authority::open(home.path()).unwrap().fingerprint(), first.fingerprint());
        let mode = fs::metadata(home.path().join(KEY)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn one_text_keeps_all_of_it() {
        let made = Authority::make().unwrap();
        let text = made.to_pem();
        let read = Authority::of_pem(&text).unwrap();
        assert_eq!(read.fingerprint(), made.fingerprint());
        assert!(read.sign(&request(), "nod_1", 60_000).is_ok());
        assert!(Authority::of_pem(&text[..text.len() / 2]).is_err());
    }

    #[test]
    fn a_node_gets_no_more_than_is_a_nodes() {
        let issued = Authority::make().unwrap().sign(&request(), "nod_1", 60_000).unwrap();
        let text = String::from_utf8_lossy(&issued.certificate).into_owned();
        assert!(!text.contains(SERVER_NAME), "the request's name went into the certificate");
        assert!(issued.ends_ms <= crate::now_ms() + 61_000, "{}", issued.ends_ms);
    }

    #[test]
    fn rubbish_and_forged_requests_are_refused() {
        let authority = Authority::make().unwrap();
        let mut forged = request();
        let last = forged.len() - 1;
        forged[last] ^= 1;
        for bytes in [&b""[..], b"rubbish", &forged] {
            assert!(matches!(authority.sign(bytes, "nod_1", 1), Err(AuthorityError::Request(_))));
        }
    }
}
