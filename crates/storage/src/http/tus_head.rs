//! The heads of tus 1.0.0, read. Pure.

use axum::http::{HeaderMap, HeaderName, Method, header};
use base64::{Engine, engine::general_purpose::STANDARD};

use super::{Problem, download::header_text};
use crate::{
    StorageError,
    transfer::{Digest, Note},
    tree::TreePath,
};

const UPLOAD_LENGTH: HeaderName = HeaderName::from_static("upload-length");
const UPLOAD_DEFER_LENGTH: HeaderName = HeaderName::from_static("upload-defer-length");
const UPLOAD_OFFSET: HeaderName = HeaderName::from_static("upload-offset");
const UPLOAD_METADATA: HeaderName = HeaderName::from_static("upload-metadata");
const UPLOAD_CHECKSUM: HeaderName = HeaderName::from_static("upload-checksum");
const METHOD_OVERRIDE: HeaderName = HeaderName::from_static("x-http-method-override");
/// What the body of a PATCH is.
const OFFSET_STREAM: &str = "application/offset+octet-stream";
/// No file system has larger files; what is larger is a mistake.
pub(super) const UPLOAD_BYTES_MAX: u64 = 1 << 53;
const METADATA_BYTES_MAX: usize = 16 << 10;

/// What a client wants of an upload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Heads {
    pub method: Method,
    pub length: Option<u64>,
    pub offset: Option<u64>,
    pub checksum: Option<Digest>,
    /// The body is bytes of the file.
    pub has_bytes: bool,
}

impl Heads {
    pub fn read(method: &Method, headers: &HeaderMap) -> Result<Self, Problem> {
        let method = match header_text(headers, METHOD_OVERRIDE) {
            Some(name) => Method::from_bytes(name.as_bytes()).map_err(|_| Problem::malformed("no such method"))?,
            None => method.clone(),
        };
        let checksum = header_text(headers, UPLOAD_CHECKSUM).map(Digest::from_tus).transpose()?;
        Ok(Self {
            method,
            length: number(headers, &UPLOAD_LENGTH)?,
            offset: number(headers, &UPLOAD_OFFSET)?,
            checksum,
            has_bytes: header_text(headers, header::CONTENT_TYPE) == Some(OFFSET_STREAM),
        })
    }

    /// What a creation asks for.
    pub fn note(&self, headers: &HeaderMap) -> Result<Note, Problem> {
        let deferred = match header_text(headers, UPLOAD_DEFER_LENGTH) {
            None => false,
            Some("1") => true,
            Some(_) => return Err(Problem::malformed("`Upload-Defer-Length` is 1")),
        };
        if deferred == self.length.is_some() {
            return Err(Problem::malformed("a creation has either `Upload-Length` or `Upload-Defer-Length: 1`"));
        }
        let raw = header_text(headers, UPLOAD_METADATA).unwrap_or_default();
        let metadata = Metadata::read(raw)?;
        let path = metadata.get("path").ok_or_else(|| {
            Problem::malformed("`Upload-Metadata` has to have `path`, in base64: from the folder's top to the new file")
        })?;
        let sha256 = match metadata.get("sha256") {
            Some(digits) => Some(Digest::from_hex(&String::from_utf8_lossy(digits))?.to_hex()),
            None => None,
        };
        Ok(Note {
            path: TreePath::parse(path)?.to_percent(),
            length: self.length,
            sha256,
            replace: metadata.get("new").is_none(),
            parents: metadata.get("parents").is_some(),
            metadata: Some(raw.to_owned()),
        })
    }
}

fn number(headers: &HeaderMap, name: &HeaderName) -> Result<Option<u64>, Problem> {
    let Some(text) = header_text(headers, name.clone()) else { return Ok(None) };
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let number = digits.then(|| text.parse().ok()).flatten().filter(|number| *number <= UPLOAD_BYTES_MAX);
    let number = number.ok_or_else(|| Problem::malformed(format!("`{name}` is a number up to {UPLOAD_BYTES_MAX}")))?;
    Ok(Some(number))
}

/// `key BASE64,key BASE64,key`.
struct Metadata(Vec<(String, Vec<u8>)>);

impl Metadata {
    fn read(text: &str) -> Result<Self, StorageError> {
        let wrong = || StorageError::Invalid("`Upload-Metadata` is a list of a key and base64".to_owned());
        if text.len() > METADATA_BYTES_MAX {
            return Err(StorageError::Invalid(format!("`Upload-Metadata` has at most {METADATA_BYTES_MAX} bytes")));
        }
        let mut all: Vec<(String, Vec<u8>)> = Vec::new();
        for pair in text.split(',').map(str::trim).filter(|pair| !pair.is_empty()) {
            let (key, value) = pair.split_once(' ').unwrap_or((pair, ""));
            if key.is_empty() || !key.is_ascii() || all.iter().any(|(known, _)| known == key) {
                return Err(wrong());
            }
            all.push((key.to_owned(), STANDARD.decode(value.trim()).map_err(|_| wrong())?));
        }
        Ok(Self(all))
    }

    fn get(&self, key: &str) -> Option<&[u8]> {
        self.0.iter().find(|(known, _)| known == key).map(|(_, value)| value.as_slice())
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;
    use proptest::prelude::*;

    use super::*;

    fn heads(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let pair = |(name, value): &(&'static str, &str)| {
            (HeaderName::from_static(name), HeaderValue::from_str(value).unwrap())
        };
        pairs.iter().map(pair).collect()
    }

    #[test]
    fn a_creation_says_where_and_how_much() {
        let path = STANDARD.encode("a/b");
        let read = |pairs: &[(&'static str, &str)]| {
            let heads = heads(pairs);
            Heads::read(&Method::POST, &heads).and_then(|read| read.note(&heads))
        };
        let note = read(&[("upload-length", "7"), ("upload-metadata", &format!("path {path},parents"))]).unwrap();
        assert_eq!((note.path.as_str(), note.length, note.replace, note.parents), ("a/b", Some(7), true, true));
        let up = format!("path {}", STANDARD.encode("../x"));
        for bad in [
            vec![("upload-length", "7")],
            vec![("upload-metadata", path.as_str())],
            vec![("upload-length", "-1"), ("upload-metadata", "path YQ==")],
            vec![("upload-length", "9007199254740993"), ("upload-metadata", "path YQ==")],
            vec![("upload-length", "7"), ("upload-defer-length", "1"), ("upload-metadata", "path YQ==")],
            vec![("upload-length", "7"), ("upload-metadata", "path ???")],
            vec![("upload-length", "7"), ("upload-metadata", "path YQ==,path YQ==")],
            vec![("upload-length", "7"), ("upload-metadata", &up)],
            vec![("upload-length", "7"), ("upload-metadata", "path YQ==,sha256 AAAA")],
            vec![("upload-length", "7"), ("upload-checksum", "md5 AAAA")],
        ] {
            assert!(read(&bad).is_err(), "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn no_heads_break_the_reader(
            length in "[ -~]{0,30}", metadata in "[ -~]{0,200}", checksum in "[ -~]{0,60}", method in "[ -~]{0,10}",
        ) {
            let all = heads(&[
                ("upload-length", &length), ("upload-metadata", &metadata), ("upload-checksum", &checksum),
                ("upload-offset", &length), ("x-http-method-override", &method),
            ]);
            if let Ok(read) = Heads::read(&Method::POST, &all)
                && let Ok(note) = read.note(&all)
            {
                prop_assert!(TreePath::from_percent(&note.path).is_ok());
            }
        }
    }
}
