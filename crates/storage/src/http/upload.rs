//! A plain PUT: one request, one file, whole or not at all.

use std::sync::Arc;

use axum::{
    Json,
    extract::Request,
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use madang_ticket::FolderMay;

use super::{
    Asked, Problem,
    download::{header_text, matches},
};
use crate::{
    StorageError,
    transfer::{Algorithm, Digest, Digesting, Done, Feeding, Note, Partial, feed},
    tree::{Entry, Tree, etag},
};

/// `?parents`; `If-None-Match: *` makes a new file only, `If-Match` replaces only what the client knows, `Repr-Digest` is checked.
pub(super) async fn write(asked: Asked, request: Request) -> Result<Response, Problem> {
    let tree = asked.tree(FolderMay::Write).await?;
    let (parts, body) = request.into_parts();
    let headers = &parts.headers;
    if headers.contains_key(header::CONTENT_RANGE) {
        return Err(Problem::malformed("a part of a file cannot be put: use an upload"));
    }
    let length = content_length(headers)?;
    let digest = match header_text(headers, HeaderName::from_static("repr-digest")) {
        Some(text) => Digest::from_repr(text)?,
        None => None,
    };
    let (new_only, known) = preconditions(headers)?;
    if let Some(known) = known {
        let (path, looked) = (asked.path.clone(), Arc::clone(&tree));
        let stat = asked.run(move || looked.stat(&path)).await?;
        if !matches(&known, &etag(&stat, asked.shared.now_ms())) {
            return Err(Problem::precondition("the file has changed"));
        }
    }
    let note = Note {
        path: asked.path.to_percent(),
        length,
        sha256: digest.as_ref().map(Digest::to_hex),
        replace: !new_only,
        parents: asked.query.is_set("parents")?,
        metadata: None,
    };
    let turns = asked.shared.traffic.upload(&asked.granted)?;
    // A client that goes away must not stop what follows half-way: a partial file would be left.
    let put = tokio::spawn(async move {
        let _turns = turns;
        let done = put(&asked, &tree, note, body).await.map_err(|error| match error {
            StorageError::Full(_) => tree.full(),
            StorageError::Conflict(_) if new_only => StorageError::Conflict("the file is there already".to_owned()),
            error => error,
        })?;
        Ok((asked, done))
    });
    let broken = |_| Problem::from(StorageError::Unavailable("an upload broke off".to_owned()));
    let (asked, done) = match put.await.map_err(broken)? {
        Ok(put) => put,
        Err(StorageError::Conflict(why)) if new_only => return Err(Problem::precondition(why)),
        Err(error) => return Err(error.into()),
    };
    let tag = etag(&done.stat, asked.shared.now_ms());
    let tag = HeaderValue::from_str(&tag).unwrap_or(HeaderValue::from_static(""));
    Ok((StatusCode::CREATED, [(header::ETAG, tag)], Json(Entry::of(&done.path, &done.stat))).into_response())
}

async fn put(asked: &Asked, tree: &Arc<Tree>, note: Note, body: axum::body::Body) -> Result<Done, StorageError> {
    let hands = &asked.granted.hands;
    let length = note.length;
    let digesting = note.sha256.is_some().then(|| Digesting::new(Algorithm::Sha256));
    let made = Arc::clone(tree);
    let partial = hands.run(move || {
        made.check_room(length.unwrap_or(0))?;
        Partial::plain(&made, note)
    });
    let partial = partial.await?;
    let feeding = Feeding {
        file: Arc::new(partial.file.try_clone().map_err(io("keeping a file open"))?),
        at: 0,
        bytes_max: length.unwrap_or(u64::MAX),
        digesting,
        hands: Arc::clone(hands),
    };
    let fed = feed(feeding, body).await;
    let ended = Arc::clone(tree);
    hands
        .run(move || {
            let short = length.is_some_and(|length| fed.at != length);
            let end = match fed.end {
                Ok(()) if short => Err(StorageError::Broken("the body ended before its end".to_owned())),
                end => end,
            };
            let seen = fed.digesting.map(|adding| Digest { algorithm: Algorithm::Sha256, bytes: adding.end() });
            let done = end.and_then(|()| partial.commit(&ended, seen));
            if done.is_err() {
                partial.discard(&ended);
            }
            done
        })
        .await
}

pub(super) fn io(doing: &'static str) -> impl Fn(std::io::Error) -> StorageError {
    move |source| StorageError::Io { doing: doing.to_owned(), source }
}

fn content_length(headers: &HeaderMap) -> Result<Option<u64>, Problem> {
    let wrong = || Problem::malformed("`Content-Length` is a number");
    header_text(headers, header::CONTENT_LENGTH).map(|text| text.parse().map_err(|_| wrong())).transpose()
}

/// Whether nothing may be there, and what must be.
fn preconditions(headers: &HeaderMap) -> Result<(bool, Option<String>), Problem> {
    let new_only = match header_text(headers, header::IF_NONE_MATCH) {
        None => false,
        Some("*") => true,
        Some(_) => return Err(Problem::malformed("`If-None-Match` of a PUT is `*`")),
    };
    Ok((new_only, header_text(headers, header::IF_MATCH).map(str::to_owned)))
}
