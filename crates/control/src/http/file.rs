//! Files of a session. Bytes stream through; nothing is held whole.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use axum::{
    Extension, Json,
    body::Body,
    extract::{Path, Request, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use futures_util::TryStreamExt;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use madang_ids::SandboxId;
use madang_model::service::New;
use madang_node_api::{Depth, FileKind, FileSeen, NodeError, WriteSeen, WriteWhen};
use madang_public_api::{FileEntry, FileWritten, Page, Timestamp, bounds, file::FileEntryKind};
use serde::Deserialize;
use tokio::io::AsyncRead;
use tokio_util::io::{ReaderStream, StreamReader};
use utoipa::IntoParams;

use super::{
    Shared, archive,
    auth::Asking,
    body::{ApiQuery, too_large},
    session_act::{SandboxQuery, usable},
    unpack,
};
use crate::app::{Asker, Failure, live_session::LiveSession};

/// Bytes read from a file at once.
const CHUNK_BYTES: usize = 64 << 10;

/// Which directory, and how deep.
#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub(super) struct ListQuery {
    /// Relative to `/home/work`, which it is if left out.
    path: String,
    /// Everything below, not only the directory's own entries.
    recursive: bool,
    /// The sandbox, where the session has several: `main1` where left out.
    #[param(max_length = 64)]
    sandbox: Option<String>,
}

/// The entries of a directory.
#[utoipa::path(get, path = "/api/v1/sessions/{id}/files", tag = "file", params(("id" = String, Path), ListQuery),
    responses((status = 200, body = Page<FileEntry>)))]
pub(super) async fn file_list(
    State(app): State<Shared>,
    Extension(asker): Asking,
    Path(id): Path<String>,
    ApiQuery(query): ApiQuery<ListQuery>,
) -> Result<Json<Page<FileEntry>>, Failure> {
    let session = usable(&app, &asker, &id).await?;
    app.check_path(&query.path)?;
    let depth = if query.recursive { Depth::All } else { Depth::Children };
    let entries = app.node.file_list(session.sandbox(query.sandbox.as_deref())?, &query.path, depth).await?;
    session.touch();
    Ok(Json(Page { items: entries.into_iter().map(entry).collect(), next_cursor: None }))
}

/// How a directory comes.
#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub(super) struct ReadQuery {
    /// `tar`: the path as an archive, whatever it is.
    archive: Option<String>,
    /// The sandbox, where the session has several: `main1` where left out.
    #[param(max_length = 64)]
    sandbox: Option<String>,
}

/// A file's bytes, and its `ETag`, which changes whenever it is written. A directory comes as a tar archive.
#[utoipa::path(get, path = "/api/v1/sessions/{id}/files/{*path}", tag = "file",
    params(("id" = String, Path), ("path" = String, Path, description = "Relative to `/home/work`"), ReadQuery),
    responses((status = 200, description = "The bytes", content(
        (Vec<u8> = "application/octet-stream"), (Vec<u8> = "application/x-tar"),
    ))))]
pub(super) async fn file_read(
    State(app): State<Shared>,
    Extension(asker): Asking,
    Path((id, path)): Path<(String, String)>,
    ApiQuery(query): ApiQuery<ReadQuery>,
) -> Result<Response, Failure> {
    let session = usable(&app, &asker, &id).await?;
    app.check_path(&path)?;
    let sandbox = session.sandbox(query.sandbox.as_deref())?;
    session.touch();
    match query.archive.as_deref() {
        None => {}
        Some("tar") => return archive::directory(&app, sandbox, path).await,
        Some(_) => return Err(Failure::unsupported("archive", "only `tar` is there")),
    }
    match app.node.file_read(sandbox, &path).await {
        Ok(opened) => {
            let size = opened.seen.size_bytes;
            let body = Body::from_stream(ReaderStream::with_capacity(opened.bytes, CHUNK_BYTES));
            let kind = HeaderValue::from_static("application/octet-stream");
            let mut response = ([(header::CONTENT_TYPE, kind)], body).into_response();
            response.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from(size));
            response.headers_mut().insert(header::ETAG, etag(opened.seen.tag));
            Ok(response)
        }
        // A directory is no file: try it as one before giving up.
        Err(error @ (NodeError::Invalid(_) | NodeError::Conflict(_))) => {
            match app.node.file_list(sandbox, &path, Depth::Children).await {
                Ok(_) => archive::directory(&app, sandbox, path).await,
                Err(_) => Err(error.into()),
            }
        }
        Err(error) => Err(error.into()),
    }
}

/// How the bytes come.
#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub(super) struct WriteQuery {
    /// `tar`: the body is an archive to be unpacked into the directory `path`; `.` is `/home/work`.
    archive: Option<String>,
    /// The sandbox, where the session has several: `main1` where left out.
    #[param(max_length = 64)]
    sandbox: Option<String>,
}

/// Writes a file, all or nothing; missing directories are made. With `If-Match` only over the file that has this `ETag`, with
/// `If-None-Match: *` only where none is; else 412, and what is there stays. Two that write so never overwrite one another unseen; a
/// program in the session that writes between the look and the renaming, which follow one another at once, can still be overwritten.
#[utoipa::path(put, path = "/api/v1/sessions/{id}/files/{*path}", tag = "file",
    params(("id" = String, Path), ("path" = String, Path, description = "Relative to `/home/work`"), WriteQuery,
        ("If-Match" = Option<String>, Header, description = "The `ETag` that reading or writing it gave last"),
        ("If-None-Match" = Option<String>, Header, description = "`*`: only a new file")),
    request_body(content = Option<Vec<u8>>, content_type = "application/octet-stream", description = "None: an empty file"),
    responses((status = 200, body = FileWritten, headers(("ETag" = String, description = "Of what was written")))))]
pub(super) async fn file_write(
    State(app): State<Shared>,
    Extension(asker): Asking,
    Path((id, path)): Path<(String, String)>,
    ApiQuery(query): ApiQuery<WriteQuery>,
    request: Request,
) -> Result<Response, Failure> {
    let (session, sandbox) = write_place(&app, &asker, &id, &path, &query).await?;
    let when = condition(request.headers())?;
    if query.archive.is_some() && when != WriteWhen::Always {
        return Err(Failure::unsupported("archive", "what an archive unpacks to is written unconditionally"));
    }
    let (bytes, exceeded) = upload(request)?;
    let written = match query.archive.as_deref() {
        None => app.node.file_write(sandbox, &path, when, Box::pin(bytes)).await.map_err(Failure::from),
        Some(_) => unpack::unpack(&app, sandbox, &path, bytes).await.map(|size_bytes| WriteSeen { size_bytes, tag: 0 }),
    };
    if exceeded.load(Ordering::Relaxed) {
        return Err(upload_too_large());
    }
    session.touch();
    let WriteSeen { size_bytes, tag } = written?;
    let mut response = Json(FileWritten { size_bytes, path }).into_response();
    if query.archive.is_none() {
        response.headers_mut().insert(header::ETAG, etag(tag));
    }
    Ok(response)
}

fn etag(tag: u64) -> HeaderValue {
    HeaderValue::try_from(format!("\"{tag:016x}\"")).expect("hexadecimal digits are a value")
}

/// What the request wants to be true of the file that is there.
fn condition(headers: &HeaderMap) -> Result<WriteWhen, Failure> {
    let text = |name| headers.get(name).map(|value| value.to_str().unwrap_or("").trim());
    match (text(header::IF_MATCH), text(header::IF_NONE_MATCH)) {
        (None, None) => Ok(WriteWhen::Always),
        (None, Some("*")) => Ok(WriteWhen::Absent),
        // One that was never given is an honest mismatch; zero is no tag of a file.
        (Some(tag), None) if tag != "*" => Ok(WriteWhen::Same(known(tag).unwrap_or(0))),
        _ => Err(Failure::unsupported("If-None-Match", "`If-Match` with one tag, or `If-None-Match: *`")),
    }
}

fn known(tag: &str) -> Option<u64> {
    u64::from_str_radix(tag.strip_prefix('"')?.strip_suffix('"')?, 16).ok()
}

/// Where the bytes go, if they may.
async fn write_place(
    app: &Shared,
    asker: &Asker,
    id: &str,
    path: &str,
    query: &WriteQuery,
) -> Result<(Arc<LiveSession>, SandboxId), Failure> {
    app.check_takes(New::InSession)?;
    let session = usable(app, asker, id).await?;
    app.check_path(path)?;
    let sandbox = session.sandbox(query.sandbox.as_deref())?;
    match query.archive.as_deref() {
        None if path.ends_with('/') => Err(Failure::invalid("path", "a file needs a name")),
        None | Some("tar") => Ok((session, sandbox)),
        Some(_) => Err(Failure::unsupported("archive", "only `tar` is there")),
    }
}

fn upload_too_large() -> Failure {
    too_large("FILE_BODY_BYTES_MAX", bounds::FILE_BODY_BYTES_MAX)
}

/// The body as it comes, and whether it turned out to be over the bound.
fn upload(request: Request) -> Result<(impl AsyncRead + Send + Unpin + use<>, Arc<AtomicBool>), Failure> {
    let length = request.headers().get(header::CONTENT_LENGTH);
    let declared = length.and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    if declared.is_some_and(|declared| declared > bounds::FILE_BODY_BYTES_MAX) {
        return Err(upload_too_large());
    }
    let exceeded = Arc::new(AtomicBool::new(false));
    let seen = Arc::clone(&exceeded);
    let max = usize::try_from(bounds::FILE_BODY_BYTES_MAX).unwrap_or(usize::MAX);
    let bytes = Limited::new(request.into_body(), max).into_data_stream().map_err(move |error| {
        seen.store(error.downcast_ref::<LengthLimitError>().is_some(), Ordering::Relaxed);
        io::Error::other(error)
    });
    Ok((StreamReader::new(bytes), exceeded))
}

/// Removes a file, or a directory with all in it.
#[utoipa::path(delete, path = "/api/v1/sessions/{id}/files/{*path}", tag = "file",
    params(("id" = String, Path), ("path" = String, Path, description = "Relative to `/home/work`"), SandboxQuery),
    responses((status = 204, description = "It is gone")))]
pub(super) async fn file_remove(
    State(app): State<Shared>,
    Extension(asker): Asking,
    Path((id, path)): Path<(String, String)>,
    ApiQuery(query): ApiQuery<SandboxQuery>,
) -> Result<StatusCode, Failure> {
    let session = usable(&app, &asker, &id).await?;
    app.check_path(&path)?;
    app.node.file_remove(session.sandbox(query.sandbox.as_deref())?, &path).await?;
    session.touch();
    Ok(StatusCode::NO_CONTENT)
}

fn entry(seen: FileSeen) -> FileEntry {
    FileEntry {
        path: seen.path,
        kind: match seen.kind {
            FileKind::File => FileEntryKind::File,
            FileKind::Directory => FileEntryKind::Directory,
            FileKind::Symlink => FileEntryKind::Symlink,
            FileKind::Other => FileEntryKind::Other,
        },
        size_bytes: seen.size_bytes,
        mode: seen.mode,
        modified_at: Timestamp(seen.modified_ms),
    }
}
