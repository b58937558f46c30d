//! Content into a registry: blobs in pieces, then the manifest that makes an image of them.

use bytes::Bytes;
use hyper::{
    HeaderMap, Method, Response, StatusCode, Uri,
    body::Incoming,
    header::{CONTENT_RANGE, CONTENT_TYPE, HeaderValue},
};
use tokio::sync::mpsc;

use super::{Registry, Tries, redirect};
use crate::{document::Descriptor, error::ImageError, progress::Progress};

/// The pieces of a blob, in order.
pub(crate) type Pieces = mpsc::Receiver<Result<Bytes, ImageError>>;

impl Registry {
    /// Sends a blob unless the repository has it; again from its beginning where the connection breaks. Returns how many bytes were sent.
    pub(crate) async fn upload(
        &self,
        repository: &str,
        blob: &Descriptor,
        pieces: impl Fn() -> Pieces,
        progress: &Progress,
    ) -> Result<u64, ImageError> {
        let mut tries = Tries::default();
        loop {
            match self.upload_once(repository, blob, &pieces, progress).await {
                Err(ImageError::Unavailable(why)) => tries.again(why).await?,
                done => return done,
            }
        }
    }

    async fn upload_once(
        &self,
        repository: &str,
        blob: &Descriptor,
        pieces: impl Fn() -> Pieces,
        progress: &Progress,
    ) -> Result<u64, ImageError> {
        let what = format!("upload {}", blob.digest);
        if self.has(repository, blob).await? {
            progress.tell(&what, blob.size, blob.size);
            return Ok(0);
        }
        let begin = self.address(&format!("{}/v2/{repository}/blobs/uploads/", self.base))?;
        let begun = self.say(Method::POST, &begin, &HeaderMap::new(), &Bytes::new()).await?;
        let mut place = next_place(&begin, begun.headers())?;
        let (mut pieces, mut sent) = (pieces(), 0);
        while let Some(piece) = pieces.recv().await.transpose()? {
            let end = sent + piece.len() as u64;
            let headers = piece_headers(&format!("{sent}-{}", end - 1));
            let taken = self.say(Method::PATCH, &place, &headers, &piece).await?;
            place = next_place(&place, taken.headers())?;
            sent = end;
            progress.tell(&what, sent, blob.size);
        }
        let mark = if place.query().is_some() { '&' } else { '?' };
        // The registry hashes what came: bytes that are not the blob's are refused here.
        let end = self.address(&format!("{place}{mark}digest={}", blob.digest))?;
        self.say(Method::PUT, &end, &HeaderMap::new(), &Bytes::new()).await?;
        Ok(sent)
    }

    async fn has(&self, repository: &str, blob: &Descriptor) -> Result<bool, ImageError> {
        let uri = self.address(&format!("{}/v2/{repository}/blobs/{}", self.base, blob.digest))?;
        let (none, headers) = (Bytes::new(), HeaderMap::new());
        let response = self.admitted(|| self.signed(Method::HEAD, &uri, &headers, &none)).await?;
        match response.status() {
            StatusCode::NOT_FOUND => Ok(false),
            // Kept elsewhere; whoever redirects has it.
            status if status.is_redirection() => Ok(true),
            _ => self.success(response, &uri.to_string()).await.map(|_| true),
        }
    }

    /// Names an image that is there with all its blobs.
    pub(crate) async fn put_manifest(
        &self,
        repository: &str,
        tag: &str,
        media: &str,
        bytes: Vec<u8>,
    ) -> Result<(), ImageError> {
        let uri = self.address(&format!("{}/v2/{repository}/manifests/{tag}", self.base))?;
        let (mut headers, bytes) = (HeaderMap::new(), Bytes::from(bytes));
        let media = HeaderValue::from_str(media).map_err(|_| ImageError::Invalid(format!("{media:?} is no type")))?;
        headers.insert(CONTENT_TYPE, media);
        let mut tries = Tries::default();
        loop {
            match self.say(Method::PUT, &uri, &headers, &bytes).await {
                Err(ImageError::Unavailable(why)) => tries.again(why).await?,
                done => return done.map(drop),
            }
        }
    }

    /// Sends once, authenticating if the registry wants that. The answer is a success.
    async fn say(
        &self,
        method: Method,
        uri: &Uri,
        headers: &HeaderMap,
        body: &Bytes,
    ) -> Result<Response<Incoming>, ImageError> {
        let response = self.admitted(|| self.signed(method.clone(), uri, headers, body)).await?;
        self.success(response, &uri.to_string()).await
    }

    async fn signed(
        &self,
        method: Method,
        uri: &Uri,
        headers: &HeaderMap,
        body: &Bytes,
    ) -> Result<Response<Incoming>, ImageError> {
        let mut headers = headers.clone();
        self.sign(uri, &mut headers);
        self.send(method, uri.clone(), headers, body.clone()).await
    }

    fn address(&self, text: &str) -> Result<Uri, ImageError> {
        text.parse().map_err(|_| ImageError::Invalid(format!("{text} is no address")))
    }
}

/// Where the registry wants what follows: never from TLS into the open.
fn next_place(from: &Uri, headers: &HeaderMap) -> Result<Uri, ImageError> {
    redirect(from, headers).ok_or_else(|| ImageError::Invalid(format!("{from} names no place for an upload")))
}

fn piece_headers(range: &str) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
    headers.insert(CONTENT_RANGE, HeaderValue::from_str(range).expect("digits are a header value"));
    headers
}
