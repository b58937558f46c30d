//! One server, as its caller talks to it.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::TryStreamExt as _;
use http::{HeaderMap, Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt as _, Full, Limited, StreamBody};
use hyper::body::{Frame, Incoming};
use serde::{Serialize, de::DeserializeOwned};
use tokio::io::AsyncRead;
use tokio_util::io::ReaderStream;

use crate::{
    Attachment, ClientError, Endpoint, Place, RunStream,
    error::read_problem,
    signing::Signed,
    transport::{Body, Lease, Pool},
};

/// The largest JSON answer we take into memory.
pub(crate) const ANSWER_BYTES_MAX: usize = 64 << 20;
/// The largest refusal that we read.
const PROBLEM_BYTES_MAX: usize = 64 << 10;

/// A server we talk to. Cheap to clone; clones share their connections.
#[derive(Debug, Clone)]
pub struct Client {
    place: Arc<Place>,
    pool: Arc<Pool>,
}

impl Client {
    /// The server that the environment or this machine's data directory points to; connects at the first request.
    pub fn discover() -> Result<Self, ClientError> {
        Ok(Self::new(Place::discover()?))
    }

    pub fn new(place: Place) -> Self {
        let pool = Arc::new(Pool::new(place.endpoint.clone()));
        Self { place: Arc::new(place), pool }
    }

    pub fn endpoint(&self) -> &Endpoint {
        self.pool.endpoint()
    }

    /// `GET path`, as JSON. Paths start at the root: `/api/v1/…`.
    pub async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, ClientError> {
        self.json(Method::GET, path, None::<&()>).await
    }

    /// `GET path`, as JSON, where `other` is an answer of the same kind and not a refusal.
    pub(crate) async fn get_either<T: DeserializeOwned>(
        &self,
        path: &str,
        other: StatusCode,
    ) -> Result<T, ClientError> {
        let doing = format!("GET {path}");
        let request = self.request(Method::GET, path, "application/json", Payload::Nothing)?;
        let (response, lease) = self.pool.send(&doing, request).await?;
        let status = response.status();
        let bytes = collect(&doing, response.into_body(), ANSWER_BYTES_MAX).await?;
        self.pool.keep(lease);
        if !status.is_success() && status != other {
            return Err(ClientError::Refused(read_problem(status, &bytes)));
        }
        serde_json::from_slice(&bytes).map_err(|error| ClientError::answer(&doing, error))
    }

    /// `POST path` with a JSON body; an answer without a body reads as `null`.
    pub async fn post<T: DeserializeOwned>(&self, path: &str, body: &impl Serialize) -> Result<T, ClientError> {
        self.json(Method::POST, path, Some(body)).await
    }

    /// `PUT path` with a JSON body.
    pub async fn put<T: DeserializeOwned>(&self, path: &str, body: &impl Serialize) -> Result<T, ClientError> {
        self.json(Method::PUT, path, Some(body)).await
    }

    /// `PATCH path` with a JSON body.
    pub async fn patch<T: DeserializeOwned>(&self, path: &str, body: &impl Serialize) -> Result<T, ClientError> {
        self.json(Method::PATCH, path, Some(body)).await
    }

    /// `DELETE path`; an answer without a body reads as `null`.
    pub async fn delete<T: DeserializeOwned>(&self, path: &str) -> Result<T, ClientError> {
        self.json(Method::DELETE, path, None::<&()>).await
    }

    async fn json<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Option<&impl Serialize>,
    ) -> Result<T, ClientError> {
        let doing = format!("{method} {path}");
        let request = self.request(method, path, "application/json", json_body(&doing, body)?)?;
        let (response, lease) = self.send(&doing, request).await?;
        let bytes = collect(&doing, response.into_body(), ANSWER_BYTES_MAX).await?;
        self.pool.keep(lease);
        let bytes: &[u8] = if bytes.is_empty() { b"null" } else { &bytes };
        serde_json::from_slice(bytes).map_err(|error| ClientError::answer(&doing, error))
    }

    /// `POST path` and read the run's events as they happen.
    pub async fn post_stream(&self, path: &str, body: &impl Serialize) -> Result<RunStream, ClientError> {
        self.stream(Method::POST, path, Some(body)).await
    }

    /// `GET path` and read the run's events, those of the past first.
    pub async fn get_stream(&self, path: &str) -> Result<RunStream, ClientError> {
        self.stream(Method::GET, path, None::<&()>).await
    }

    /// `GET path` and read the run's events after number `seen`.
    pub async fn get_stream_after(&self, path: &str, seen: u64) -> Result<RunStream, ClientError> {
        let doing = format!("GET {path}");
        let mut request = self.request(Method::GET, path, "application/x-ndjson", Payload::Nothing)?;
        request.headers_mut().insert("last-event-id", seen.into());
        let (response, lease) = self.send(&doing, request).await?;
        let id = run_id(&response);
        Ok(RunStream::new(id, response.into_body(), lease, Arc::clone(&self.pool)))
    }

    async fn stream(
        &self,
        method: Method,
        path: &str,
        body: Option<&impl Serialize>,
    ) -> Result<RunStream, ClientError> {
        let doing = format!("{method} {path}");
        let request = self.request(method, path, "application/x-ndjson", json_body(&doing, body)?)?;
        let (response, lease) = self.send(&doing, request).await?;
        let id = run_id(&response);
        Ok(RunStream::new(id, response.into_body(), lease, Arc::clone(&self.pool)))
    }

    /// `GET path` and read its bytes piece by piece.
    pub(crate) async fn bytes(&self, path: &str) -> Result<(Response<Incoming>, Lease), ClientError> {
        let doing = format!("GET {path}");
        let request = self.request(Method::GET, path, "*/*", Payload::Nothing)?;
        self.send(&doing, request).await
    }

    /// `GET path`, as text of at most [`ANSWER_BYTES_MAX`].
    pub async fn text(&self, path: &str) -> Result<String, ClientError> {
        let (response, lease) = self.bytes(path).await?;
        let bytes = collect(path, response.into_body(), ANSWER_BYTES_MAX).await?;
        self.pool.keep(lease);
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// `PUT path` with bytes of unknown number.
    pub(crate) async fn put_bytes(
        &self,
        path: &str,
        bytes: impl AsyncRead + Send + 'static,
    ) -> Result<(), ClientError> {
        let doing = format!("PUT {path}");
        let body = StreamBody::new(ReaderStream::new(bytes).map_ok(Frame::data)).boxed_unsync();
        let request = self.request(Method::PUT, path, "application/json", Payload::Stream(body))?;
        let (response, lease) = self.send(&doing, request).await?;
        collect(&doing, response.into_body(), ANSWER_BYTES_MAX).await?;
        self.pool.keep(lease);
        Ok(())
    }

    /// Sends with heads of its own, and without what signs us in.
    pub(crate) async fn send_with(
        &self,
        method: Method,
        path: &str,
        heads: HeaderMap,
        body: Body,
    ) -> Result<(Response<Incoming>, Lease), ClientError> {
        let doing = format!("{method} {path}");
        let request = Request::builder().method(method).uri(path).header(header::HOST, self.place.endpoint.authority());
        let mut request = request.body(body).map_err(|error| ClientError::answer(path, error))?;
        request.headers_mut().extend(heads);
        self.send(&doing, request).await
    }

    /// The rest of an answer, after which its connection serves again.
    pub(crate) async fn collect_and_keep(
        &self,
        doing: &str,
        (response, lease): (Response<Incoming>, Lease),
    ) -> Result<Bytes, ClientError> {
        let bytes = collect(doing, response.into_body(), ANSWER_BYTES_MAX).await?;
        self.pool.keep(lease);
        Ok(bytes)
    }

    /// A WebSocket at `path`.
    pub(crate) async fn websocket(&self, path: &str) -> Result<Attachment, ClientError> {
        Attachment::open(&self.place, path).await
    }

    fn request(
        &self,
        method: Method,
        path: &str,
        accept: &str,
        payload: Payload,
    ) -> Result<Request<Body>, ClientError> {
        let mut request = Request::builder()
            .method(&method)
            .uri(path)
            .header(header::HOST, self.place.endpoint.authority())
            .header(header::ACCEPT, accept);
        if let (Some(token), None) = (&self.place.token, &self.place.key) {
            request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
        }
        let (kind, signed, body) = match payload {
            Payload::Nothing => (None, Some(Bytes::new()), full(Bytes::new())),
            Payload::Json(bytes) => (Some("application/json"), Some(bytes.clone()), full(bytes)),
            Payload::Stream(body) => (Some("application/octet-stream"), None, body),
        };
        if let Some(kind) = kind {
            request = request.header(header::CONTENT_TYPE, kind);
        }
        let mut request = request.body(body).map_err(|error| ClientError::answer(path, error))?;
        if let Some(key) = &self.place.key {
            let signed = signed.as_ref().map_or(Signed::Stream, |bytes| Signed::Bytes(bytes));
            key.sign(&method, path, request.headers_mut(), signed)?;
        }
        Ok(request)
    }

    /// Sends it and turns a refusal into an error.
    async fn send(&self, doing: &str, request: Request<Body>) -> Result<(Response<Incoming>, Lease), ClientError> {
        let (response, lease) = self.pool.send(doing, request).await?;
        let status = response.status();
        if status.is_success() && status != StatusCode::RESET_CONTENT {
            return Ok((response, lease));
        }
        let body = collect(doing, response.into_body(), PROBLEM_BYTES_MAX).await?;
        self.pool.keep(lease);
        Err(ClientError::Refused(read_problem(status, &body)))
    }
}

/// What a request carries.
enum Payload {
    Nothing,
    Json(Bytes),
    Stream(Body),
}

fn full(bytes: Bytes) -> Body {
    Full::new(bytes).map_err(|never| match never {}).boxed_unsync()
}

fn json_body(doing: &str, body: Option<&impl Serialize>) -> Result<Payload, ClientError> {
    let Some(body) = body else { return Ok(Payload::Nothing) };
    let text =
        serde_json::to_vec(body).map_err(|error| ClientError::local(&format!("writing the body of {doing}"), error))?;
    Ok(Payload::Json(text.into()))
}

async fn collect(doing: &str, body: Incoming, bytes_max: usize) -> Result<Bytes, ClientError> {
    let body = Limited::new(body, bytes_max).collect().await;
    Ok(body.map_err(|error| ClientError::broken(doing, error))?.to_bytes())
}

/// The run that an answer is about: the last piece of its `Location`.
fn run_id(response: &Response<Incoming>) -> Option<madang_ids::RunId> {
    let location = response.headers().get(header::LOCATION)?.to_str().ok()?;
    location.rsplit('/').find_map(|piece| piece.parse().ok())
}
