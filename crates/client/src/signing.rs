//! Signing requests with an access key: the scheme that covers the body and is good once.

use std::time::SystemTime;

use http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use madang_public_api::{
    Timestamp,
    signature::{BODY_HEADER, BODY_UNSIGNED, Covers, NONCE_HEADER, SignedDate, Signing, digest_hex, hex, media_type},
};

use crate::ClientError;

const NONCE_BYTES: usize = 16;

/// An access key with its secret.
#[derive(Clone, PartialEq, Eq)]
pub struct AccessKey {
    /// The public part, `MDAK…`.
    pub access_key: String,
    pub secret_key: String,
}

impl std::fmt::Debug for AccessKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AccessKey").field("access_key", &self.access_key).finish_non_exhaustive()
    }
}

/// The body, as far as its signature sees it.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Signed<'a> {
    Bytes(&'a [u8]),
    /// Sent while it is read, so that nobody knows its digest before.
    Stream,
}

impl AccessKey {
    /// Adds what signs a request. `headers` hold Host and Content-Type already.
    pub(crate) fn sign(
        &self,
        method: &Method,
        target: &str,
        headers: &mut HeaderMap,
        body: Signed<'_>,
    ) -> Result<(), ClientError> {
        let text = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
        let mut random = [0; NONCE_BYTES];
        getrandom::fill(&mut random).map_err(|error| ClientError::local("making a nonce", error))?;
        let (nonce, date) = (hex(&random), now().to_string());
        let digest = match body {
            Signed::Bytes(bytes) => digest_hex(bytes),
            Signed::Stream => BODY_UNSIGNED.to_owned(),
        };
        let signing = Signing {
            method: method.as_str(),
            target,
            date: &date,
            host: text(header::HOST).unwrap_or(""),
            media_type: &media_type(text(header::CONTENT_TYPE)),
            covers: Covers::Request { nonce: &nonce, digest: &digest },
        };
        let day = SignedDate::parse(&date).map(|date| date.day).unwrap_or_default();
        let authorization = signing.authorization(&self.access_key, self.secret_key.as_bytes(), &day);
        let values = [
            (header::DATE, date.clone()),
            (HeaderName::from_static(NONCE_HEADER), nonce.clone()),
            (HeaderName::from_static(BODY_HEADER), digest.clone()),
            (header::AUTHORIZATION, authorization),
        ];
        for (name, value) in values {
            let value = HeaderValue::from_str(&value).map_err(|error| ClientError::local("signing", error))?;
            headers.insert(name, value);
        }
        Ok(())
    }
}

fn now() -> Timestamp {
    let since = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
    Timestamp(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}
