//! A client of the registry protocol, as much of it as pulling and pushing need: documents, resumable downloads, uploads in pieces.
//!
//! Every wait has an end: for an answer, for the next bytes, for all tries together (the caller's deadline). Credentials go to
//! the registry and to the place that it names for tokens, never along a redirect.

mod auth;
mod download;
mod upload;

use std::{
    path::Path,
    sync::{Mutex, PoisonError},
    time::Duration,
};

pub(crate) use auth::Challenge;
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::{
    HeaderMap, Method, Request, Response, StatusCode, Uri,
    body::Incoming,
    header::{ACCEPT, AUTHORIZATION, HeaderValue, LOCATION, RANGE, USER_AGENT, WWW_AUTHENTICATE},
};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use rustls::{
    ClientConfig, RootCertStore,
    crypto::ring::default_provider,
    pki_types::{CertificateDer, pem::PemObject},
};
use tokio::time::{sleep, timeout};
pub(crate) use upload::Pieces;

use crate::{
    document,
    error::ImageError,
    limits::ImageLimits,
    pull::{PullOptions, Transport},
    reference::Reference,
};

const CONNECT_WAIT: Duration = Duration::from_secs(15);
/// For the head of an answer.
const ANSWER_WAIT: Duration = Duration::from_secs(30);
/// For the next bytes of a body.
const BYTES_WAIT: Duration = Duration::from_secs(30);
const REDIRECTS_MAX: usize = 5;
const TRIES_MAX: u32 = 5;
const PAUSE_FIRST: Duration = Duration::from_millis(200);
const PAUSE_MAX: Duration = Duration::from_secs(5);
/// Of the registry's own words in an error.
const EXCUSE_BYTES_MAX: u64 = 4 << 10;

/// Who pulls or pushes.
#[derive(Clone)]
pub struct Credentials {
    pub user: String,
    pub password: String,
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Credentials").field("user", &self.user).finish_non_exhaustive()
    }
}

enum Http {
    Plain(Client<HttpConnector, Full<Bytes>>),
    Tls(Client<HttpsConnector<HttpConnector>, Full<Bytes>>),
}

/// A connection to one registry.
pub(crate) struct Registry {
    http: Http,
    /// Scheme and authority.
    base: String,
    credentials: Option<Credentials>,
    /// What the registry asked to be sent along.
    authorization: Mutex<Option<HeaderValue>>,
}

impl Registry {
    pub(crate) fn new(reference: &Reference, options: &PullOptions) -> Result<Registry, ImageError> {
        let plain = match options.transport {
            Transport::Auto => reference.is_loopback(),
            Transport::Plain => true,
            Transport::Tls => false,
        };
        let mut connector = HttpConnector::new();
        connector.set_connect_timeout(Some(CONNECT_WAIT));
        let builder = Client::builder(TokioExecutor::new());
        let http = if plain {
            Http::Plain(builder.build(connector))
        } else {
            connector.enforce_http(false);
            Http::Tls(builder.build(tls_connector(connector, options.authorities.as_deref())?))
        };
        let base = format!("{}://{}", if plain { "http" } else { "https" }, reference.registry);
        Ok(Registry { http, base, credentials: options.credentials.clone(), authorization: Mutex::new(None) })
    }

    /// The whole of a small document, tried several times.
    pub(crate) async fn document(&self, path: &str, limits: &ImageLimits) -> Result<Vec<u8>, ImageError> {
        let mut tries = Tries::default();
        loop {
            let got = async {
                let response = self.get(path, None).await?;
                self.body(response, limits.document_bytes).await
            };
            match got.await {
                Err(ImageError::Unavailable(why)) => tries.again(why).await?,
                done => return done,
            }
        }
    }

    /// Asks once, authenticating if the registry wants that. The answer is a success.
    async fn get(&self, path: &str, range: Option<HeaderValue>) -> Result<Response<Incoming>, ImageError> {
        let uri = format!("{}{path}", self.base);
        let response = self.admitted(|| self.follow(&uri, range.clone())).await?;
        self.success(response, &uri).await
    }

    /// Asks again, with what the registry wants to be sent along, where it wants anything.
    async fn admitted<A>(&self, ask: impl Fn() -> A) -> Result<Response<Incoming>, ImageError>
    where
        A: Future<Output = Result<Response<Incoming>, ImageError>>,
    {
        let response = ask().await?;
        if response.status() != StatusCode::UNAUTHORIZED {
            return Ok(response);
        }
        let challenge = Challenge::of(response.headers())
            .ok_or_else(|| ImageError::Denied(format!("{} asks for an unknown kind of authentication", self.base)))?;
        let authorization = self.authorize(&challenge).await?;
        *self.authorization.lock().unwrap_or_else(PoisonError::into_inner) = Some(authorization);
        ask().await
    }

    async fn success(&self, response: Response<Incoming>, uri: &str) -> Result<Response<Incoming>, ImageError> {
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        let said = self.body(response, EXCUSE_BYTES_MAX).await.unwrap_or_default();
        let said: String =
            String::from_utf8_lossy(&said).chars().filter(|letter| !letter.is_control()).take(300).collect();
        let text = format!("{uri}: {status} {said}");
        Err(match status {
            StatusCode::NOT_FOUND => ImageError::NotFound(text),
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => ImageError::Denied(text),
            status if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS => {
                ImageError::Unavailable(text)
            }
            StatusCode::RANGE_NOT_SATISFIABLE => ImageError::Unavailable(text),
            _ => ImageError::Invalid(text),
        })
    }

    /// Sends a request and follows redirects, which never carry credentials elsewhere.
    async fn follow(&self, first: &str, range: Option<HeaderValue>) -> Result<Response<Incoming>, ImageError> {
        let mut uri: Uri = first.parse().map_err(|_| ImageError::Invalid(format!("{first} is no address")))?;
        for _ in 0..=REDIRECTS_MAX {
            let mut headers = HeaderMap::new();
            headers.insert(ACCEPT, HeaderValue::from_static(document::ACCEPT));
            if let Some(range) = &range {
                headers.insert(RANGE, range.clone());
            }
            self.sign(&uri, &mut headers);
            let response = self.send(Method::GET, uri.clone(), headers, Bytes::new()).await?;
            if !response.status().is_redirection() {
                return Ok(response);
            }
            uri = redirect(&uri, response.headers())
                .ok_or_else(|| ImageError::Unavailable(format!("{uri} redirects to nowhere")))?;
        }
        Err(ImageError::Unavailable(format!("{first} redirects more than {REDIRECTS_MAX} times")))
    }

    /// What the registry asked for goes to it, and to nobody else.
    fn sign(&self, uri: &Uri, headers: &mut HeaderMap) {
        if self.is_home(uri)
            && let Some(known) = self.authorization.lock().unwrap_or_else(PoisonError::into_inner).clone()
        {
            headers.insert(AUTHORIZATION, known);
        }
    }

    fn is_home(&self, uri: &Uri) -> bool {
        let authority = uri.authority().map_or("", |authority| authority.as_str());
        format!("{}://{authority}", uri.scheme_str().unwrap_or_default()) == self.base
    }

    async fn send(
        &self,
        method: Method,
        uri: Uri,
        headers: HeaderMap,
        body: Bytes,
    ) -> Result<Response<Incoming>, ImageError> {
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = method;
        *request.uri_mut() = uri.clone();
        *request.headers_mut() = headers;
        request
            .headers_mut()
            .insert(USER_AGENT, HeaderValue::from_static(concat!("madang/", env!("CARGO_PKG_VERSION"))));
        let sent = match &self.http {
            Http::Plain(client) => client.request(request),
            Http::Tls(client) => client.request(request),
        };
        match timeout(ANSWER_WAIT, sent).await {
            Ok(Ok(response)) => Ok(response),
            Ok(Err(error)) => Err(ImageError::Unavailable(format!("{uri}: {}", whole_story(&error)))),
            Err(_) => Err(ImageError::Unavailable(format!("{uri} does not answer for {} s", ANSWER_WAIT.as_secs()))),
        }
    }

    async fn body(&self, mut response: Response<Incoming>, max: u64) -> Result<Vec<u8>, ImageError> {
        let mut bytes = Vec::new();
        while let Some(more) = next_bytes(response.body_mut()).await? {
            if (bytes.len() + more.len()) as u64 > max {
                return Err(ImageError::Invalid(format!("{} sends a document of more than {max} bytes", self.base)));
            }
            bytes.extend_from_slice(&more);
        }
        Ok(bytes)
    }
}

fn tls_connector(http: HttpConnector, authorities: Option<&Path>) -> Result<HttpsConnector<HttpConnector>, ImageError> {
    let tls = match authorities {
        None => HttpsConnectorBuilder::new()
            .with_provider_and_native_roots(default_provider())
            .map_err(|error| ImageError::Unavailable(format!("no certificate authorities on this machine: {error}")))?,
        Some(file) => HttpsConnectorBuilder::new().with_tls_config(trusting(file)?),
    };
    Ok(tls.https_only().enable_http1().wrap_connector(http))
}

fn trusting(authorities: &Path) -> Result<ClientConfig, ImageError> {
    let bad =
        |why: String| ImageError::Invalid(format!("{} holds no certificate authorities: {why}", authorities.display()));
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(authorities).map_err(|error| bad(error.to_string()))? {
        roots.add(certificate.map_err(|error| bad(error.to_string()))?).map_err(|error| bad(error.to_string()))?;
    }
    if roots.is_empty() {
        return Err(bad("it is empty".into()));
    }
    let builder = ClientConfig::builder_with_provider(default_provider().into());
    let builder = builder.with_safe_default_protocol_versions().map_err(|error| bad(error.to_string()))?;
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}

/// The next bytes of a body; none at its end.
async fn next_bytes(body: &mut Incoming) -> Result<Option<Bytes>, ImageError> {
    loop {
        match timeout(BYTES_WAIT, body.frame()).await {
            Err(_) => return Err(ImageError::Unavailable(format!("no bytes for {} s", BYTES_WAIT.as_secs()))),
            Ok(None) => return Ok(None),
            Ok(Some(Err(error))) => {
                return Err(ImageError::Unavailable(format!("the connection broke: {}", whole_story(&error))));
            }
            Ok(Some(Ok(frame))) => {
                if let Ok(bytes) = frame.into_data() {
                    return Ok(Some(bytes));
                }
            }
        }
    }
}

fn redirect(from: &Uri, headers: &HeaderMap) -> Option<Uri> {
    let target = headers.get(LOCATION)?.to_str().ok()?;
    if target.starts_with('/') && !target.starts_with("//") {
        return format!("{}://{}{target}", from.scheme_str()?, from.authority()?).parse().ok();
    }
    let target: Uri = target.parse().ok()?;
    target.authority()?;
    // From TLS to TLS only; the connectors refuse the rest as well.
    (target.scheme_str() == from.scheme_str()).then_some(target)
}

/// An error with its causes; the outermost alone says little.
fn whole_story(error: &dyn std::error::Error) -> String {
    let mut story = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        story.push_str(": ");
        story.push_str(&inner.to_string());
        cause = inner.source();
    }
    story
}

/// How often something was tried without getting anywhere.
#[derive(Default)]
struct Tries {
    made: u32,
}

impl Tries {
    /// Waits before the next try, longer each time; an error when there have been enough.
    async fn again(&mut self, why: String) -> Result<(), ImageError> {
        self.made += 1;
        if self.made >= TRIES_MAX {
            return Err(ImageError::Unavailable(format!("{why} (tried {TRIES_MAX} times)")));
        }
        sleep((PAUSE_FIRST * 2_u32.pow(self.made - 1)).min(PAUSE_MAX)).await;
        Ok(())
    }

    fn progress_made(&mut self) {
        self.made = 0;
    }
}
