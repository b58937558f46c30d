//! Bytes in and out of a folder, by a ticket: what `storage` answers, without asking control.

use std::{path::Path, sync::Arc, time::Duration};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use futures_util::TryStreamExt as _;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode, header};
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use sha2::{Digest as _, Sha256};
use tokio::{
    fs::File,
    io::{AsyncReadExt as _, AsyncSeekExt as _},
    time::sleep,
};
use tokio_util::io::ReaderStream;

use crate::{Client, ClientError, FileBytes, Place, routes::path_encoded, transport::Body};

/// Larger files go up so that they can be gone on with after a cut.
const PUT_BYTES_MAX: u64 = 8 << 20;
/// Read at once of a file that goes up.
const BLOCK_BYTES: usize = 256 << 10;
/// Cuts in a row without a byte between them, before an upload is given up …
const CUTS_MAX: u32 = 12;
/// … each followed by a wait twice as long as the one before, up to this one.
const CUT_WAIT_MAX: Duration = Duration::from_secs(5);
const CUT_WAIT_MIN: Duration = Duration::from_millis(50);
const OFFSET_STREAM: &str = "application/offset+octet-stream";

/// Told the bytes of a file that have gone up.
pub type Progress = Arc<dyn Fn(u64) + Send + Sync>;

/// A folder, as far as a ticket opens it. Paths go from the folder's top.
#[derive(Debug, Clone)]
pub struct FolderFiles {
    client: Client,
    base: String,
    ticket: String,
}

/// What something in a folder is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FolderEntryKind {
    File,
    Directory,
    /// A symbolic link, which is never followed.
    Link,
    /// A pipe, a socket.
    Other,
}

/// One name in a folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FolderEntry {
    /// For people: bytes that are no UTF-8 are replaced.
    pub name: String,
    /// The name's bytes in base64, where they are no UTF-8.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name_base64: Option<String>,
    /// From the folder's top, percent-encoded.
    pub path: String,
    pub kind: FolderEntryKind,
    pub size_bytes: u64,
    /// Unix time, milliseconds.
    pub modified_ms: i64,
    /// Permission bits.
    pub mode: u32,
}

/// A part of a directory, in the order of names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FolderPage {
    pub entries: Vec<FolderEntry>,
    /// What to ask the next page with; none after the last.
    pub more_after: Option<String>,
}

/// What a search came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FolderFound {
    pub entries: Vec<FolderEntry>,
    /// There is nothing more to find.
    pub complete: bool,
}

/// How a directory is packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Packing {
    Zip,
    Tar,
}

impl Client {
    /// What a ticket opens. `url` is what came with it: a path on this server, or another server's address with one.
    pub fn folder_files(&self, url: &str, ticket: &str) -> Result<FolderFiles, ClientError> {
        let (client, path) = match url.strip_prefix("http://").map(|rest| rest.split_once('/').unwrap_or((rest, ""))) {
            None => (self.clone(), url.trim_start_matches('/').to_owned()),
            Some((authority, path)) => {
                let endpoint = format!("http://{authority}").parse().map_err(ClientError::Endpoint)?;
                (Client::new(Place { endpoint, token: None, key: None }), path.to_owned())
            }
        };
        let path = path.split('?').next().unwrap_or_default();
        Ok(FolderFiles { client, base: format!("/{}", path.trim_end_matches('/')), ticket: ticket.to_owned() })
    }
}

impl FolderFiles {
    /// One page of a directory's entries, those after the name `after`.
    pub async fn list(&self, path: &str, after: Option<&str>) -> Result<FolderPage, ClientError> {
        let after = after.map_or_else(String::new, |after| format!("?after={after}"));
        self.json(Method::GET, &format!("list/{}{after}", path_encoded(path))).await
    }

    pub async fn stat(&self, path: &str) -> Result<FolderEntry, ClientError> {
        self.json(Method::GET, &format!("stat/{}", path_encoded(path))).await
    }

    /// By a part of the name, or all of it with `*` and `?`.
    pub async fn search(&self, path: &str, name: &str) -> Result<FolderFound, ClientError> {
        let name = path_encoded(name).replace('/', "%2F");
        self.json(Method::GET, &format!("search/{}?name={name}", path_encoded(path))).await
    }

    /// A directory, with all above it; one that is there already is fine.
    pub async fn make_directory(&self, path: &str) -> Result<FolderEntry, ClientError> {
        self.json(Method::POST, &format!("directories/{}?parents&exist_ok", path_encoded(path))).await
    }

    /// Another name; what has that name already stays, and the answer says so.
    pub async fn rename(&self, from: &str, to: &str) -> Result<FolderEntry, ClientError> {
        self.json(Method::POST, &format!("move/{}?to={}", path_encoded(from), path_encoded(to))).await
    }

    /// A file, or an empty directory.
    pub async fn remove(&self, path: &str) -> Result<(), ClientError> {
        self.done(Method::DELETE, &format!("files/{}", path_encoded(path))).await
    }

    /// A directory with all beneath it.
    pub async fn remove_all(&self, path: &str) -> Result<(), ClientError> {
        self.done(Method::DELETE, &format!("files/{}?recursive", path_encoded(path))).await
    }

    /// A file's bytes, and how many they are.
    pub async fn read(&self, path: &str) -> Result<(FileBytes, u64), ClientError> {
        let (response, lease) =
            self.send(Method::GET, &format!("files/{}", path_encoded(path)), Ask::default()).await?;
        let length = number(&response, &header::CONTENT_LENGTH).unwrap_or(0);
        Ok((FileBytes::new(response.into_body(), lease), length))
    }

    /// A directory as one file.
    pub async fn pack(&self, path: &str, packing: Packing) -> Result<FileBytes, ClientError> {
        let packing = if packing == Packing::Zip { "zip" } else { "tar" };
        let target = format!("files/{}?archive={packing}", path_encoded(path));
        let (response, lease) = self.send(Method::GET, &target, Ask::default()).await?;
        Ok(FileBytes::new(response.into_body(), lease))
    }

    /// Bytes at hand as a file, with the directories above it.
    pub async fn write(&self, path: &str, bytes: Bytes) -> Result<FolderEntry, ClientError> {
        let digest = format!("sha-256=:{}:", STANDARD.encode(Sha256::digest(&bytes)));
        let mut ask = Ask { body: Full::new(bytes).map_err(|never| match never {}).boxed_unsync(), ..Ask::default() };
        ask.head(HeaderName::from_static("repr-digest"), &digest)?;
        let target = format!("files/{}?parents", path_encoded(path));
        self.read_json(self.send(Method::PUT, &target, ask).await?, &target).await
    }

    /// A file from here, checked to have arrived as it is. A large one goes on where it was when the connection is cut.
    pub async fn upload(&self, from: &Path, path: &str, progress: Progress) -> Result<(), ClientError> {
        let mut file = File::open(from).await.map_err(|error| local(from, error))?;
        let length = file.metadata().await.map_err(|error| local(from, error))?.len();
        if length <= PUT_BYTES_MAX {
            let mut bytes = Vec::new();
            file.read_to_end(&mut bytes).await.map_err(|error| local(from, error))?;
            let sent = bytes.len() as u64;
            self.write(path, bytes.into()).await?;
            progress(sent);
            return Ok(());
        }
        let digest = digest_of(&mut file).await.map_err(|error| local(from, error))?;
        let upload = self.begin(path, length, &digest).await?;
        self.go_on(&upload, from, length, progress).await
    }

    /// Begins an upload that can be gone on with; where to send its bytes.
    async fn begin(&self, path: &str, length: u64, digest: &str) -> Result<String, ClientError> {
        let (path, digest) = (STANDARD.encode(path), STANDARD.encode(digest));
        let mut ask = Ask::default();
        ask.head(HeaderName::from_static("upload-length"), &length.to_string())?;
        let metadata = format!("path {path},parents,sha256 {digest}");
        ask.head(HeaderName::from_static("upload-metadata"), &metadata)?;
        let (response, lease) = self.send(Method::POST, "uploads", ask).await?;
        let location = response.headers().get(header::LOCATION).and_then(|value| value.to_str().ok());
        let id = location.and_then(|location| location.rsplit('/').next()).map(|id| format!("uploads/{id}"));
        self.client.collect_and_keep("beginning an upload", (response, lease)).await?;
        id.ok_or_else(|| ClientError::answer("beginning an upload", "it does not say where"))
    }

    async fn go_on(&self, upload: &str, from: &Path, length: u64, progress: Progress) -> Result<(), ClientError> {
        let (mut at, mut cuts, mut wait) = (0, 0, CUT_WAIT_MIN);
        loop {
            let cut = match self.send_from(upload, (from, length), at, &progress).await {
                Ok(()) => return Ok(()),
                Err(error) if may_go_on(&error) && cuts < CUTS_MAX => error,
                Err(error) => return Err(error),
            };
            sleep(wait).await;
            let seen = match self.offset(upload).await {
                Ok(seen) => seen,
                Err(error) if may_go_on(&error) => at,
                Err(ClientError::Refused(_)) => return Err(cut),
                Err(error) => return Err(error),
            };
            if seen == length {
                return Ok(());
            }
            (cuts, wait) = if seen > at { (0, CUT_WAIT_MIN) } else { (cuts + 1, (2 * wait).min(CUT_WAIT_MAX)) };
            at = seen;
        }
    }

    async fn send_from(
        &self,
        upload: &str,
        (from, length): (&Path, u64),
        at: u64,
        progress: &Progress,
    ) -> Result<(), ClientError> {
        let mut file = File::open(from).await.map_err(|error| local(from, error))?;
        file.seek(std::io::SeekFrom::Start(at)).await.map_err(|error| local(from, error))?;
        let (progress, mut sent) = (Arc::clone(progress), at);
        let blocks = ReaderStream::with_capacity(file.take(length - at), BLOCK_BYTES).map_ok(move |block| {
            sent += block.len() as u64;
            progress(sent);
            Frame::data(block)
        });
        let mut ask = Ask { body: StreamBody::new(blocks).boxed_unsync(), ..Ask::default() };
        ask.head(HeaderName::from_static("upload-offset"), &at.to_string())?;
        ask.head(header::CONTENT_TYPE, OFFSET_STREAM)?;
        ask.head(header::CONTENT_LENGTH, &(length - at).to_string())?;
        let (response, lease) = self.send(Method::PATCH, upload, ask).await?;
        self.client.collect_and_keep(upload, (response, lease)).await.map(drop)
    }

    /// How much of it is there.
    async fn offset(&self, upload: &str) -> Result<u64, ClientError> {
        let (response, lease) = self.send(Method::HEAD, upload, Ask::default()).await?;
        let offset = number(&response, &HeaderName::from_static("upload-offset"));
        self.client.collect_and_keep(upload, (response, lease)).await?;
        offset.ok_or_else(|| ClientError::answer("asking for an upload", "it has no `Upload-Offset`"))
    }

    async fn json<T: DeserializeOwned>(&self, method: Method, target: &str) -> Result<T, ClientError> {
        let answer = self.send(method, target, Ask::default()).await?;
        self.read_json(answer, target).await
    }

    async fn read_json<T: DeserializeOwned>(&self, answer: Answer, doing: &str) -> Result<T, ClientError> {
        let bytes = self.client.collect_and_keep(doing, answer).await?;
        serde_json::from_slice(&bytes).map_err(|error| ClientError::answer(doing, error))
    }

    async fn done(&self, method: Method, target: &str) -> Result<(), ClientError> {
        let answer = self.send(method, target, Ask::default()).await?;
        self.client.collect_and_keep(target, answer).await.map(drop)
    }

    async fn send(&self, method: Method, target: &str, mut ask: Ask) -> Result<Answer, ClientError> {
        ask.head(header::AUTHORIZATION, &format!("Bearer {}", self.ticket))?;
        ask.head(HeaderName::from_static("tus-resumable"), "1.0.0")?;
        self.client.send_with(method, &format!("{}/{target}", self.base), ask.heads, ask.body).await
    }
}

type Answer = (Response<Incoming>, crate::transport::Lease);

/// What a request carries.
struct Ask {
    heads: HeaderMap,
    body: Body,
}

impl Default for Ask {
    fn default() -> Self {
        let body = Full::new(Bytes::new()).map_err(|never| match never {}).boxed_unsync();
        Self { heads: HeaderMap::new(), body }
    }
}

impl Ask {
    fn head(&mut self, name: HeaderName, value: &str) -> Result<(), ClientError> {
        let value = HeaderValue::from_str(value).map_err(|error| ClientError::local("writing a request", error))?;
        self.heads.insert(name, value);
        Ok(())
    }
}

fn number(response: &Response<Incoming>, name: &HeaderName) -> Option<u64> {
    response.headers().get(name)?.to_str().ok()?.parse().ok()
}

/// What a cut looks like, on this side or told by the other.
fn may_go_on(error: &ClientError) -> bool {
    match error {
        ClientError::Broken { .. } | ClientError::Unreachable { .. } => true,
        ClientError::Refused(problem) => {
            let passing = [StatusCode::CONFLICT, StatusCode::TOO_MANY_REQUESTS, StatusCode::SERVICE_UNAVAILABLE];
            passing.iter().any(|status| problem.status == status.as_u16()) && problem.code != "mismatch"
        }
        _ => false,
    }
}

async fn digest_of(file: &mut File) -> std::io::Result<String> {
    let (mut adding, mut block) = (Sha256::new(), vec![0; BLOCK_BYTES]);
    loop {
        match file.read(&mut block).await? {
            0 => break,
            read => adding.update(&block[..read]),
        }
    }
    Ok(adding.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}

fn local(path: &Path, source: std::io::Error) -> ClientError {
    ClientError::Local { doing: path.display().to_string(), source }
}
