//! A file, or a directory as an archive, to whoever may read it.

use std::{os::fd::OwnedFd, sync::Arc};

use axum::{
    body::Body,
    extract::Request,
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header, request::Parts},
    response::{IntoResponse, Response},
};
use madang_ticket::FolderMay;
use rustix::fs::{Stat, fstat};

use super::{Asked, Problem};
use crate::{
    StorageError,
    transfer::{
        Archive, ArchiveKind, DIGEST_BYTES_MAX, Range, Ranges, Segment, blocks, date::http_date, digest_of, paced,
        token,
    },
    tree::{etag, modified_ms, percent_encoded},
};

const OCTET_STREAM: &str = "application/octet-stream";
/// What may be shown in place (`?inline`): nothing that runs anything. By the name's ending, since the bytes are a stranger's.
const SHOWN: &[(&str, &str)] = &[
    ("txt", "text/plain; charset=utf-8"),
    ("log", "text/plain; charset=utf-8"),
    ("md", "text/plain; charset=utf-8"),
    ("csv", "text/plain; charset=utf-8"),
    ("png", "image/png"),
    ("jpg", "image/jpeg"),
    ("jpeg", "image/jpeg"),
    ("gif", "image/gif"),
    ("webp", "image/webp"),
];

pub(super) async fn read(asked: Asked, request: Request) -> Result<Response, Problem> {
    let tree = asked.tree(FolderMay::Read).await?;
    let turn = asked.shared.traffic.download(asked.granted.user)?;
    let (request, _) = request.into_parts();
    let wanted = archive_wanted(&asked, &request.headers)?;
    if asked.query.bytes("archive").is_none() {
        let (path, opened) = (asked.path.clone(), Arc::clone(&tree));
        match (asked.granted.hands.run(move || opened.file(&path)).await, wanted) {
            (Ok((file, stat)), _) => return file_answer(asked, &request, file, stat, turn).await,
            (Err(StorageError::Conflict(_)), Some(_)) => {}
            (Err(StorageError::Conflict(why)), None) => {
                return Err(StorageError::Conflict(format!("{why}: ask for ?archive=zip or tar, or list it")).into());
            }
            (Err(error), _) => return Err(error.into()),
        }
    }
    let Some(kind) = wanted else { return Err(Problem::malformed("`archive` is `zip` or `tar`")) };
    let packing = asked.shared.traffic.archive(asked.granted.user)?;
    let path = asked.path.clone();
    let archive = asked.run(move || Archive::of(&tree, &path, kind)).await?;
    let name = asked
        .path
        .split_last()
        .map_or_else(|| asked.granted.folder.to_string().into_bytes(), |(_, name)| name.to_vec());
    let name = [&name[..], b".", kind.ending().as_bytes()].concat();
    let body = match request.method {
        Method::HEAD => Body::empty(),
        _ => {
            let blocks = archive.into_blocks(Arc::clone(&asked.granted.hands));
            Body::from_stream(paced(blocks, (turn, packing)))
        }
    };
    let heads = [(header::CONTENT_TYPE, HeaderValue::from_static(kind.media_type())), disposition("attachment", &name)];
    Ok((heads, body).into_response())
}

/// By the query, else by `Accept`; what is unknown in the query is refused.
fn archive_wanted(asked: &Asked, headers: &HeaderMap) -> Result<Option<ArchiveKind>, Problem> {
    match asked.query.bytes("archive") {
        Some(b"zip") => return Ok(Some(ArchiveKind::Zip)),
        Some(b"tar") => return Ok(Some(ArchiveKind::Tar)),
        Some(_) => return Err(Problem::malformed("`archive` is `zip` or `tar`")),
        None => {}
    }
    let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let kinds = [ArchiveKind::Zip, ArchiveKind::Tar];
    let first = accept.split(',').filter_map(|one| one.split(';').next()).map(str::trim);
    Ok(first.filter_map(|one| kinds.into_iter().find(|kind| kind.media_type() == one)).next())
}

async fn file_answer(
    asked: Asked,
    request: &Parts,
    file: OwnedFd,
    stat: Stat,
    turn: impl Send + 'static,
) -> Result<Response, Problem> {
    let (headers, size) = (&request.headers, u64::try_from(stat.st_size).unwrap_or(0));
    let tag = etag(&stat, asked.shared.now_ms());
    let mut heads = heads_of(&asked, &tag, &stat)?;
    let is_this = |name: HeaderName| header_text(headers, name).map(|list| matches(list, &tag));
    if is_this(header::IF_MATCH) == Some(false) {
        return Err(Problem::precondition("the file has changed"));
    }
    if is_this(header::IF_NONE_MATCH) == Some(true) {
        return Ok((StatusCode::NOT_MODIFIED, heads).into_response());
    }
    let file = Arc::new(file);
    match header_text(headers, HeaderName::from_static("want-repr-digest")) {
        Some(wanted) if wanted.contains("sha-256") && size <= DIGEST_BYTES_MAX => {
            with_digest(&asked, &file, &mut heads).await?;
        }
        _ => {}
    }
    // A weak tag, or one of another file: the whole (RFC 9110 §13.1.5).
    let same = header_text(headers, header::IF_RANGE).is_none_or(|known| known == tag && !tag.starts_with("W/"));
    let ranges = match header_text(headers, header::RANGE) {
        Some(range) if same && request.method == Method::GET => Ranges::of(range, size),
        _ => Ranges::Whole,
    };
    let whole = || Segment::File(Range { start: 0, end: size });
    let (status, segments) = match ranges {
        Ranges::Whole if size == 0 => (StatusCode::OK, Vec::new()),
        Ranges::Whole => (StatusCode::OK, vec![whole()]),
        Ranges::None => {
            let problem =
                Problem::new(StatusCode::RANGE_NOT_SATISFIABLE, "range", format!("the file has {size} bytes"));
            return Err(problem.with(header::CONTENT_RANGE, value(&format!("bytes */{size}"))));
        }
        Ranges::Parts(parts) => (StatusCode::PARTIAL_CONTENT, parts_of(&parts, size, &mut heads)?),
    };
    let bytes: u64 = segments.iter().map(bytes_of).sum();
    heads.insert(header::CONTENT_LENGTH, HeaderValue::from(bytes));
    if request.method == Method::HEAD {
        return Ok((status, heads).into_response());
    }
    let blocks = blocks(file, segments, Arc::clone(&asked.granted.hands));
    Ok((status, heads, Body::from_stream(paced(blocks, turn))).into_response())
}

fn bytes_of(segment: &Segment) -> u64 {
    match segment {
        Segment::Text(text) => text.len() as u64,
        Segment::File(range) => range.bytes(),
    }
}

/// One part as it is, several as `multipart/byteranges` (RFC 9110 §14.6).
fn parts_of(parts: &[Range], size: u64, heads: &mut HeaderMap) -> Result<Vec<Segment>, Problem> {
    if let [part] = parts {
        heads.insert(header::CONTENT_RANGE, value(&part.content_range(size)));
        return Ok(vec![Segment::File(*part)]);
    }
    let boundary = token()?;
    let mut segments = Vec::with_capacity(2 * parts.len() + 1);
    for part in parts {
        let range = part.content_range(size);
        let head = format!("\r\n--{boundary}\r\nContent-Type: {OCTET_STREAM}\r\nContent-Range: {range}\r\n\r\n");
        segments.extend([Segment::Text(head.into()), Segment::File(*part)]);
    }
    segments.push(Segment::Text(format!("\r\n--{boundary}--\r\n").into()));
    heads.insert(header::CONTENT_TYPE, value(&format!("multipart/byteranges; boundary={boundary}")));
    Ok(segments)
}

/// Reads all of it first. A file that changes meanwhile gets none.
async fn with_digest(asked: &Asked, file: &Arc<OwnedFd>, heads: &mut HeaderMap) -> Result<(), Problem> {
    let now = || {
        let seen =
            fstat(file).map_err(|errno| StorageError::Io { doing: "looking at a file".into(), source: errno.into() });
        seen.map(|stat| (stat.st_ctime, stat.st_ctime_nsec, stat.st_size))
    };
    let before = now()?;
    let digest = digest_of(file, u64::try_from(before.2).unwrap_or(0), &asked.granted.hands).await?;
    if before == now()? {
        heads.insert(HeaderName::from_static("repr-digest"), value(&digest.to_repr()));
    }
    Ok(())
}

fn heads_of(asked: &Asked, tag: &str, stat: &Stat) -> Result<HeaderMap, Problem> {
    let name = asked.path.split_last().map_or_else(Vec::new, |(_, name)| name.to_vec());
    let ending = name.rsplit(|byte| *byte == b'.').next().unwrap_or_default().to_ascii_lowercase();
    let shown = SHOWN.iter().find(|(known, _)| known.as_bytes() == ending).map(|(_, kind)| *kind);
    let (kind, how) = match shown.filter(|_| asked.query.is_set("inline").unwrap_or(false)) {
        Some(kind) => (kind, "inline"),
        None => (OCTET_STREAM, "attachment"),
    };
    let heads = [
        (header::CONTENT_TYPE, HeaderValue::from_static(kind)),
        (header::ACCEPT_RANGES, HeaderValue::from_static("bytes")),
        (header::ETAG, value(tag)),
        (header::LAST_MODIFIED, value(&http_date(u64::try_from(modified_ms(stat)).unwrap_or(0)))),
        disposition(how, &name),
    ];
    Ok(heads.into_iter().collect())
}

fn disposition(how: &str, name: &[u8]) -> (HeaderName, HeaderValue) {
    let text = String::from_utf8_lossy(name);
    let encoded = percent_encoded(text.as_bytes()).replace('/', "%2F");
    (header::CONTENT_DISPOSITION, value(&format!("{how}; filename*=UTF-8''{encoded}")))
}

fn value(text: &str) -> HeaderValue {
    // Everything that comes here is ASCII.
    HeaderValue::from_str(text).unwrap_or(HeaderValue::from_static(""))
}

pub(super) fn header_text(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim)
}

/// Whether a list of tags names this one, weak or not: for reading again that is the same.
pub(super) fn matches(list: &str, tag: &str) -> bool {
    let bare = |tag: &str| tag.trim().trim_start_matches("W/").to_owned();
    list.trim() == "*" || list.split(',').any(|one| bare(one) == bare(tag))
}
