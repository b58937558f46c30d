//! The HTTP client that collectors are told by: the one that asks registries and providers as well, an end to every wait.

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{Client as Hyper, connect::HttpConnector},
    rt::TokioExecutor,
};
use opentelemetry_http::{HttpClient, HttpError};
use rustls::crypto::ring::default_provider;

/// A collector answers with next to nothing.
const ANSWER_BYTES_MAX: usize = 64 << 10;

/// What a client cannot be without.
#[derive(Debug, thiserror::Error)]
#[error("reading this machine's certificate authorities")]
pub struct ClientError(#[source] std::io::Error);

#[derive(Debug, Clone)]
pub(crate) struct Client {
    hyper: Hyper<HttpsConnector<HttpConnector>, Full<Bytes>>,
    send_wait: Duration,
}

impl Client {
    pub fn new(send_wait: Duration) -> Result<Self, ClientError> {
        let tls =
            HttpsConnectorBuilder::new().with_provider_and_native_roots(default_provider()).map_err(ClientError)?;
        let connector = tls.https_or_http().enable_http1().build();
        Ok(Self { hyper: Hyper::builder(TokioExecutor::new()).build(connector), send_wait })
    }

    async fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let answer = self.hyper.request(request.map(Full::new)).await?;
        let (parts, body) = answer.into_parts();
        let body = Limited::new(body, ANSWER_BYTES_MAX).collect().await?;
        Ok(Response::from_parts(parts, body.to_bytes()))
    }
}

#[async_trait]
impl HttpClient for Client {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        match tokio::time::timeout(self.send_wait, self.send(request)).await {
            Ok(answered) => answered,
            Err(_) => Err(format!("the collector took longer than {} s", self.send_wait.as_secs()).into()),
        }
    }
}
