//! The HTTP client that asks providers: small answers, no redirects, an end to every wait.

use std::{pin::Pin, time::Duration};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use openidconnect::{AsyncHttpClient, HttpRequest, HttpResponse};
use rustls::crypto::ring::default_provider;

/// A provider's answer: keys and claims are far smaller.
const ANSWER_BYTES_MAX: usize = 1 << 20;
const WAIT_MAX: Duration = Duration::from_secs(10);

/// Why a provider could not be asked.
#[derive(Debug, thiserror::Error)]
pub(super) enum HttpError {
    #[error("no certificate authorities on this machine")]
    Roots(#[source] std::io::Error),
    #[error("asking the provider")]
    Send(#[source] hyper_util::client::legacy::Error),
    #[error("reading the provider's answer")]
    Read(#[source] Box<dyn std::error::Error + Send + Sync>),
    #[error("the provider took longer than {} s", WAIT_MAX.as_secs())]
    Late,
}

/// Asks providers.
#[derive(Debug, Clone)]
pub(super) struct Http(Client<HttpsConnector<HttpConnector>, Full<Bytes>>);

impl Http {
    /// Speaks plain HTTP as well: [`super::client`] lets only providers on this machine be asked so.
    pub fn new() -> Result<Self, HttpError> {
        let tls = HttpsConnectorBuilder::new()
            .with_provider_and_native_roots(default_provider())
            .map_err(HttpError::Roots)?;
        let connector = tls.https_or_http().enable_http1().build();
        Ok(Self(Client::builder(TokioExecutor::new()).build(connector)))
    }

    async fn ask(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let answer = self.0.request(request.map(|body| Full::new(body.into()))).await.map_err(HttpError::Send)?;
        let (parts, body) = answer.into_parts();
        let body = Limited::new(body, ANSWER_BYTES_MAX).collect().await.map_err(HttpError::Read)?;
        Ok(HttpResponse::from_parts(parts, body.to_bytes().into()))
    }
}

impl<'c> AsyncHttpClient<'c> for Http {
    type Error = HttpError;
    type Future = Pin<Box<dyn Future<Output = Result<HttpResponse, HttpError>> + Send + 'c>>;

    fn call(&'c self, request: HttpRequest) -> Self::Future {
        Box::pin(async move {
            let answer = tokio::time::timeout(WAIT_MAX, self.ask(request)).await;
            answer.unwrap_or(Err(HttpError::Late))
        })
    }
}
