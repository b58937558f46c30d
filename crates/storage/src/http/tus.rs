//! tus 1.0.0 (<https://tus.io/protocols/resumable-upload>): core, creation (also with bytes, also of unknown length), termination,
//! expiration and checksum.
//!
//! One upload is one client's at a time. Whoever comes second takes it over: a client that lost its connection comes again long before
//! the server sees that the first is dead.

use std::sync::Arc;

use axum::{
    body::Body,
    extract::Request,
    http::{HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use madang_ticket::FolderMay;

use super::{
    Granted, Problem, Shared,
    traffic::{Ended, Hold},
    tus_head::{Heads, UPLOAD_BYTES_MAX},
    upload::io,
};
use crate::{
    StorageError,
    transfer::{Digesting, Fed, Feeding, Partial, UPLOAD_KEPT_MS, date::http_date, digest_of, feed},
    tree::{Tree, TreePath},
};

pub(super) const RESUMABLE: HeaderName = HeaderName::from_static("tus-resumable");
pub(super) const VERSION: &str = "1.0.0";
const TUS_VERSION: HeaderName = HeaderName::from_static("tus-version");
const UPLOAD_OFFSET: HeaderName = HeaderName::from_static("upload-offset");
const UPLOAD_LENGTH: HeaderName = HeaderName::from_static("upload-length");
const UPLOAD_METADATA: HeaderName = HeaderName::from_static("upload-metadata");
const UPLOAD_DEFER_LENGTH: HeaderName = HeaderName::from_static("upload-defer-length");
const UPLOAD_EXPIRES: HeaderName = HeaderName::from_static("upload-expires");
const EXTENSIONS: &str = "creation,creation-with-upload,creation-defer-length,termination,expiration,checksum";
/// tus names this one; HTTP knows it not.
const CHECKSUM_MISMATCH: u16 = 460;

pub(super) fn is_tus(request: &Request) -> bool {
    request.uri().path().split('/').filter(|part| !part.is_empty()).nth(1) == Some("uploads")
}

pub(super) fn options() -> Response {
    let heads = [
        (TUS_VERSION, HeaderValue::from_static(VERSION)),
        (HeaderName::from_static("tus-extension"), HeaderValue::from_static(EXTENSIONS)),
        (HeaderName::from_static("tus-max-size"), HeaderValue::from(UPLOAD_BYTES_MAX)),
        (HeaderName::from_static("tus-checksum-algorithm"), HeaderValue::from_static("sha1,sha256")),
    ];
    (StatusCode::NO_CONTENT, heads).into_response()
}

/// One upload, or the making of one.
struct Upload {
    shared: Shared,
    granted: Granted,
    tree: Arc<Tree>,
    heads: Heads,
}

pub(super) async fn route(shared: &Shared, granted: Granted, id: &str, request: Request) -> Result<Response, Problem> {
    let version = request.headers().get(RESUMABLE).map(|value| value.as_bytes());
    if version != Some(VERSION.as_bytes()) {
        let problem = Problem::precondition("`Tus-Resumable` has to be 1.0.0");
        return Err(problem.with(TUS_VERSION, HeaderValue::from_static(VERSION)));
    }
    let heads = Heads::read(request.method(), request.headers())?;
    let tree = shared.tree(&granted).await?;
    let (method, id) = (heads.method.clone(), id.to_owned());
    let upload = Upload { shared: Arc::clone(shared), granted, tree, heads };
    match (id.is_empty(), method.as_str()) {
        (true, "POST") => upload.create(request).await,
        (true, _) => Err(Problem::method("OPTIONS, POST")),
        (false, "HEAD") => upload.look(&id).await,
        (false, "PATCH") => upload.go_on(id, request).await,
        (false, "DELETE") => upload.end(&id).await,
        (false, _) => Err(Problem::method("OPTIONS, HEAD, PATCH, DELETE")),
    }
}

impl Upload {
    async fn create(self, request: Request) -> Result<Response, Problem> {
        let note = self.heads.note(request.headers())?;
        self.granted.check(&note.target()?, FolderMay::Write)?;
        let tree = Arc::clone(&self.tree);
        let made = self.granted.hands.run(move || {
            tree.check_room(note.length.unwrap_or(0))?;
            Partial::create(&tree, note)
        });
        let partial = made.await?;
        // By the end of the path that it was asked for by: whoever stands before us may have taken the beginning away.
        let location = format!("uploads/{}", partial.id);
        let heads = [
            (header::LOCATION, HeaderValue::from_str(&location)),
            (UPLOAD_EXPIRES, HeaderValue::from_str(&http_date(partial.touched_ms + UPLOAD_KEPT_MS))),
        ];
        let is_empty = partial.note.length == Some(0);
        let mut response = if self.heads.has_bytes || is_empty {
            let id = partial.id.clone();
            self.take_in(id, 0, request.into_body()).await?
        } else {
            StatusCode::CREATED.into_response()
        };
        *response.status_mut() = StatusCode::CREATED;
        for (name, value) in heads {
            response.headers_mut().insert(name, value.map_err(|error| Problem::malformed(error.to_string()))?);
        }
        Ok(response)
    }

    async fn look(self, id: &str) -> Result<Response, Problem> {
        match self.target(id).await {
            Ok(target) => self.granted.check(&target, FolderMay::Write)?,
            Err(error @ StorageError::NotFound(_)) => {
                // Somebody may be about to say that it has ended; nothing is there that could be taken from them.
                drop(self.shared.traffic.hold(self.granted.folder, id).await);
                return self.look_back(id, error);
            }
            Err(error) => return self.look_back(id, error),
        }
        let hold = self.shared.traffic.hold(self.granted.folder, id).await;
        let (tree, wanted) = (Arc::clone(&self.tree), id.to_owned());
        let opened = self.granted.hands.run(move || Partial::open(&tree, &wanted)).await;
        drop(hold);
        let partial = match opened {
            Ok(partial) => partial,
            Err(error) => return self.look_back(id, error),
        };
        let mut response = StatusCode::OK.into_response();
        let heads = response.headers_mut();
        heads.insert(UPLOAD_OFFSET, HeaderValue::from(partial.offset));
        if let Ok(expires) = HeaderValue::from_str(&http_date(partial.touched_ms + UPLOAD_KEPT_MS)) {
            heads.insert(UPLOAD_EXPIRES, expires);
        }
        heads.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        match partial.note.length {
            Some(length) => heads.insert(UPLOAD_LENGTH, HeaderValue::from(length)),
            None => heads.insert(UPLOAD_DEFER_LENGTH, HeaderValue::from_static("1")),
        };
        if let Some(Ok(value)) = partial.note.metadata.map(|text| HeaderValue::from_str(&text)) {
            heads.insert(UPLOAD_METADATA, value);
        }
        Ok(response)
    }

    /// One that has become a file: whoever lost the answer to its last bytes learns so.
    fn look_back(&self, id: &str, error: StorageError) -> Result<Response, Problem> {
        let ended = self.shared.traffic.find_ended(self.granted.folder, id).ok_or(error)?;
        self.granted.check(&ended.path, FolderMay::Write)?;
        let length = HeaderValue::from(ended.length);
        let no_store = (header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        Ok((StatusCode::OK, [(UPLOAD_OFFSET, length.clone()), (UPLOAD_LENGTH, length), no_store]).into_response())
    }

    async fn go_on(self, id: String, request: Request) -> Result<Response, Problem> {
        if !self.heads.has_bytes {
            let detail = "the content type of a PATCH is application/offset+octet-stream";
            return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "media-type", detail));
        }
        let offset = self.heads.offset.ok_or_else(|| Problem::malformed("`Upload-Offset` is missing"))?;
        self.granted.check(&self.target(&id).await?, FolderMay::Write)?;
        self.take_in(id, offset, request.into_body()).await
    }

    /// Where the upload goes, which never changes. Asked before anybody takes it over: whoever has no right to it ends nobody's.
    async fn target(&self, id: &str) -> Result<TreePath, StorageError> {
        let (tree, id) = (Arc::clone(&self.tree), id.to_owned());
        self.granted.hands.run(move || Partial::open(&tree, &id)?.note.target()).await
    }

    async fn end(self, id: &str) -> Result<Response, Problem> {
        self.granted.check(&self.target(id).await?, FolderMay::Write)?;
        let _hold = self.shared.traffic.hold(self.granted.folder, id).await;
        let (tree, id) = (Arc::clone(&self.tree), id.to_owned());
        self.granted.hands.run(move || Partial::open(&tree, &id).map(|partial| partial.discard(&tree))).await?;
        Ok(StatusCode::NO_CONTENT.into_response())
    }

    /// Takes what the body has, in a task of its own: what came stays, also when the client goes away.
    async fn take_in(self, id: String, offset: u64, body: Body) -> Result<Response, Problem> {
        let turns = self.shared.traffic.upload(&self.granted)?;
        let hold = self.shared.traffic.hold(self.granted.folder, &id).await;
        let taking = tokio::spawn(async move {
            let _turns = turns;
            self.take_in_held(&hold, id, offset, body).await
        });
        taking.await.map_err(|_| StorageError::Unavailable("an upload broke off".to_owned()))?
    }

    async fn take_in_held(self, hold: &Hold, id: String, offset: u64, body: Body) -> Result<Response, Problem> {
        let partial = self.opened(&id, offset).await?;
        let length = partial.note.length;
        let feeding = Feeding {
            file: Arc::new(partial.file.try_clone().map_err(io("keeping a file open"))?),
            at: offset,
            bytes_max: length.unwrap_or(UPLOAD_BYTES_MAX).saturating_sub(offset),
            digesting: self.heads.checksum.as_ref().map(|checksum| Digesting::new(checksum.algorithm)),
            hands: Arc::clone(&self.granted.hands),
        };
        let fed = feed(feeding, until(body, hold)).await;
        let at = fed.at;
        let partial = self.checked(partial, offset, fed).await?;
        if length == Some(at) {
            let path = self.commit(partial).await?;
            let ended = Ended { folder: self.granted.folder, id, path, length: at };
            self.shared.traffic.ended(ended);
        }
        Ok((StatusCode::NO_CONTENT, [(UPLOAD_OFFSET, HeaderValue::from(at))]).into_response())
    }

    /// The upload, if it stands where the client thinks; a length that had been put off is set.
    async fn opened(&self, id: &str, offset: u64) -> Result<Partial, Problem> {
        let (tree, id, length) = (Arc::clone(&self.tree), id.to_owned(), self.heads.length);
        let mut partial = self.granted.hands.run(move || Partial::open(&tree, &id)).await?;
        if partial.offset != offset {
            let detail = format!("the upload stands at {}, not at {offset}", partial.offset);
            let problem = Problem::new(StatusCode::CONFLICT, "conflict", detail);
            return Err(problem.with(UPLOAD_OFFSET, HeaderValue::from(partial.offset)));
        }
        match length {
            Some(length) if partial.note.length.is_none() => {
                let tree = Arc::clone(&self.tree);
                let set = self.granted.hands.run(move || partial.set_length(&tree, length).map(|()| partial));
                Ok(set.await?)
            }
            Some(_) if partial.note.length != length => {
                Err(Problem::malformed("the length of this upload is known already, and another"))
            }
            _ => Ok(partial),
        }
    }

    /// Bytes that are not what they were said to be are forgotten, and so is what came of them when the body broke off.
    async fn checked(&self, mut partial: Partial, offset: u64, fed: Fed) -> Result<Partial, Problem> {
        let mismatch = match (&self.heads.checksum, fed.digesting) {
            (Some(wanted), Some(adding)) => fed.end.is_err() || adding.end() != wanted.bytes,
            (Some(_), None) => true,
            (None, _) => false,
        };
        if mismatch {
            self.granted.hands.run(move || partial.cut(offset)).await?;
            fed.end?;
            let status = StatusCode::from_u16(CHECKSUM_MISMATCH).unwrap_or(StatusCode::UNPROCESSABLE_ENTITY);
            return Err(Problem::new(status, "mismatch", "the bytes are not those of `Upload-Checksum`"));
        }
        match fed.end {
            Ok(()) => Ok(partial),
            Err(StorageError::Full(_)) => Err(self.tree.full().into()),
            Err(error) => Err(error.into()),
        }
    }

    async fn commit(&self, partial: Partial) -> Result<TreePath, Problem> {
        let tree = Arc::clone(&self.tree);
        let seen = match &partial.note.sha256 {
            Some(_) => {
                let file = Arc::new(partial.file.try_clone().map_err(io("keeping a file open"))?);
                Some(digest_of(&file, partial.note.length.unwrap_or(0), &self.granted.hands).await?)
            }
            None => None,
        };
        let done = self.granted.hands.run(move || {
            let done = partial.commit(&tree, seen);
            if matches!(done, Err(StorageError::Mismatch(_))) {
                partial.discard(&tree);
            }
            done
        });
        Ok(done.await?.path)
    }
}

/// The body, until somebody else goes on with the upload.
fn until(body: Body, hold: &Hold) -> Body {
    use futures_util::{StreamExt as _, future, stream};
    let let_go = hold.let_go.clone();
    let end = stream::once(async move {
        let_go.cancelled().await;
        Err(axum::Error::new(std::io::Error::other("another request goes on with this upload")))
    });
    // What came first is taken first; after the body's own end nobody waits for the other.
    let pieces = body.into_data_stream().map(Some).chain(stream::once(future::ready(None)));
    let both = stream::select(pieces, end.map(Some)).take_while(|piece| future::ready(piece.is_some()));
    Body::from_stream(both.filter_map(future::ready))
}
