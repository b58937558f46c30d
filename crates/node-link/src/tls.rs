//! TLS for both sides: the node believes one authority only, control asks for a certificate and takes none for an answer at joining.

use std::sync::Arc;

use rustls::{
    ClientConfig, DigitallySignedStruct, RootCertStore, ServerConfig, SignatureScheme,
    client::{
        WebPkiServerVerifier,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::{CryptoProvider, ring},
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime},
    server::WebPkiClientVerifier,
};

use crate::authority::{Authority, AuthorityError, fingerprint};

/// HTTP/2, which gRPC speaks.
const PROTOCOL: &[u8] = b"h2";

/// Why no TLS could be set up.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    #[error(transparent)]
    Authority(#[from] AuthorityError),
    #[error("setting up TLS")]
    Rustls(#[from] rustls::Error),
    #[error("the authority's certificate cannot be used: {0}")]
    Root(String),
}

/// A certificate and its key.
#[derive(Debug)]
pub struct Credential {
    pub certificate: CertificateDer<'static>,
    pub key: PrivateKeyDer<'static>,
}

/// Control's side. A client without a certificate is let in; what it may ask is `Join`.
pub fn server(authority: &Authority) -> Result<Arc<ServerConfig>, TlsError> {
    let (certificate, key) = authority.server()?;
    let root = authority.certificate().clone();
    let roots = Arc::new(roots_of(&root)?);
    let clients = WebPkiClientVerifier::builder_with_provider(roots, provider())
        .allow_unauthenticated()
        .build()
        .map_err(|error| TlsError::Root(error.to_string()))?;
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_client_cert_verifier(clients)
        // The authority travels along, so that a node that joins can see that it is the one of its token.
        .with_single_cert(vec![certificate, root], key)?;
    config.alpn_protocols = vec![PROTOCOL.to_vec()];
    Ok(Arc::new(config))
}

/// The node's side: `authority` is the fingerprint of the only authority it believes.
pub fn client(authority: [u8; 32], credential: Option<Credential>) -> Result<Arc<ClientConfig>, TlsError> {
    let config = ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Pinned { authority, provider: provider() }));
    let mut config = match credential {
        Some(credential) => config.with_client_auth_cert(vec![credential.certificate], credential.key)?,
        None => config.with_no_client_auth(),
    };
    config.alpn_protocols = vec![PROTOCOL.to_vec()];
    Ok(Arc::new(config))
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

fn roots_of(authority: &CertificateDer<'_>) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    roots.add(authority.clone().into_owned()).map_err(|error| TlsError::Root(error.to_string()))?;
    Ok(roots)
}

/// Believes whom the authority with this fingerprint has signed for, and nobody else. The authority's certificate comes with the
/// server's; only if its fingerprint is right is it believed, and then everything is checked as always.
#[derive(Debug)]
struct Pinned {
    authority: [u8; 32],
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let refused = |why: &str| rustls::Error::General(why.to_owned());
        let root = intermediates
            .iter()
            .find(|certificate| fingerprint(certificate) == self.authority)
            .ok_or_else(|| refused("this is not the control plane of the token: its authority is another"))?;
        let roots = roots_of(root).map_err(|error| refused(&error.to_string()))?;
        let checked = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&self.provider))
            .build()
            .map_err(|error| refused(&error.to_string()))?;
        checked.verify_server_cert(end_entity, &[], server_name, ocsp_response, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let known = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, certificate, signature, known)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let known = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signature, known)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
