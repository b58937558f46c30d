//! Folders of other machines: a request goes on as it is over a connection that somebody else makes, and so does its answer.
//!
//! For those who cannot come to the machine itself: browsers that know one address, and nodes that only dial. One connection a request:
//! whoever has the folder ends it with the answer.

use std::time::Duration;

use async_trait::async_trait;
use axum::{
    body::{Body, HttpBody as _},
    extract::Request,
    http::{HeaderName, HeaderValue, Version, header},
    response::Response,
};
use futures_util::StreamExt as _;
use hyper_util::rt::TokioIo;
use madang_ids::FolderId;
use tokio::io::{AsyncRead, AsyncWrite};

use super::{REQUEST_ID, problem::Problem, traffic::Turns};
use crate::StorageError;

/// Bytes both ways.
pub trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Duplex for T {}

/// A connection on which folders are answered for.
pub type Stream = Box<dyn Duplex>;

/// Who knows where folders are.
#[async_trait]
pub trait Elsewhere: Send + Sync + 'static {
    /// A connection to the machine that has the folder; none where it is this one, or nobody knows the folder.
    async fn connect(&self, folder: FolderId) -> Result<Option<Stream>, StorageError>;
}

/// What is said of one connection, not of the request (RFC 9110, 7.6.1; the last is answered here already).
const OF_THE_CONNECTION: [HeaderName; 8] = [
    header::CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    header::EXPECT,
];

/// A client that breaks off in the middle: what it has sent is on its way so long before the other machine sees the break, or an upload
/// would lose what hyper still has.
const LAST_WAIT: Duration = Duration::from_millis(500);

/// Asks there what was asked here; `turns` end with the answer's last byte.
pub(super) async fn forward(stream: Stream, id: &str, request: Request, turns: Turns) -> Result<Response, Problem> {
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(|error| broken(&error))?;
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::debug!(%error, "a connection to another machine's folders broke");
        }
    });
    let answer = sender.send_request(outgoing(id, request)).await.map_err(|error| broken(&error))?;
    let (mut parts, body) = answer.into_parts();
    OF_THE_CONNECTION.iter().for_each(|name| drop(parts.headers.remove(name)));
    let held = Body::new(body).into_data_stream().map(move |piece| {
        let _ = &turns;
        piece
    });
    Ok(Response::from_parts(parts, Body::from_stream(held)))
}

fn outgoing(id: &str, request: Request) -> Request {
    let mut request = request.map(|body| {
        if body.is_end_stream() {
            return Body::empty();
        }
        let all_that_came = |piece: Result<_, axum::Error>| async {
            if piece.is_err() {
                tokio::time::sleep(LAST_WAIT).await;
            }
            piece
        };
        Body::from_stream(body.into_data_stream().then(all_that_came))
    });
    *request.version_mut() = Version::HTTP_11;
    let headers = request.headers_mut();
    OF_THE_CONNECTION.iter().for_each(|name| drop(headers.remove(name)));
    headers.entry(header::HOST).or_insert(HeaderValue::from_static("folders"));
    if let Ok(id) = HeaderValue::from_str(id) {
        headers.insert(REQUEST_ID, id);
    }
    request
}

fn broken(error: &hyper::Error) -> Problem {
    Problem::from(StorageError::Unavailable(format!("the machine that has the folder does not answer: {error}")))
}
