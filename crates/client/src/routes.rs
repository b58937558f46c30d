//! The routes by name.

use std::fmt::Write as _;

use http::StatusCode;
use madang_ids::RunId;
use madang_model::{TerminalSize, Usage};
use madang_public_api::{
    AppCreate, AppOffer, AppView, BASE_PATH, CompleteRequest, CompletionsView, FileEntry, FolderView, ImageChange,
    ImagePrefetch, ImagePrefetched, ImageView, LanguageView, OneShotRequest, Page, RunRequest, RunView, SessionCommit,
    SessionCommitted, SessionCreate, SessionView,
    bounds::PAGE_LIMIT_MAX,
    session::{LogEntry, SessionSuspend, SessionSuspended, SuspendWhen},
    system::{Health, Version},
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;
use tokio::io::AsyncRead;

use crate::{At, Attachment, Client, ClientError, FileBytes, RunStream};

/// Pages of a list that we follow, so that a server that never ends does not keep us forever.
const PAGES_MAX: usize = 10_000;

impl Client {
    pub async fn version(&self) -> Result<Version, ClientError> {
        self.get(&format!("{BASE_PATH}/version")).await
    }

    /// Whether the server can work now; one that cannot says so in [`Health::status`].
    pub async fn ready(&self) -> Result<Health, ClientError> {
        self.get_either("/readyz", StatusCode::SERVICE_UNAVAILABLE).await
    }

    pub async fn languages(&self) -> Result<Vec<LanguageView>, ClientError> {
        self.list(&format!("{BASE_PATH}/languages")).await
    }

    pub async fn images(&self) -> Result<Vec<ImageView>, ClientError> {
        self.list(&format!("{BASE_PATH}/images")).await
    }

    /// An image of what is in the session's work directory.
    pub async fn session_commit(&self, session: &str, commit: &SessionCommit) -> Result<SessionCommitted, ClientError> {
        self.post(&session_path(session, "/commit"), commit).await
    }

    /// Renames an image that was made of a session, or shares it.
    pub async fn image_change(&self, image: &str, change: &ImageChange) -> Result<ImageView, ClientError> {
        self.patch(&format!("{BASE_PATH}/images/{}", path_encoded(image).replace('/', "%2F")), change).await
    }

    /// All of one that was made of a session, as an OCI layout in a tar.
    pub async fn image_export(&self, image: &str) -> Result<FileBytes, ClientError> {
        let image = path_encoded(image).replace('/', "%2F");
        let (response, lease) = self.bytes(&format!("{BASE_PATH}/images/{image}/export")).await?;
        Ok(FileBytes::new(response.into_body(), lease))
    }

    /// Brings one that was made of a session to nodes.
    pub async fn image_prefetch(&self, image: &str, wanted: &ImagePrefetch) -> Result<ImagePrefetched, ClientError> {
        let image = path_encoded(image).replace('/', "%2F");
        self.post(&format!("{BASE_PATH}/images/{image}/prefetch"), wanted).await
    }

    /// One that was made of a session.
    pub async fn image_remove(&self, image: &str) -> Result<ImageView, ClientError> {
        self.delete(&format!("{BASE_PATH}/images/{}", path_encoded(image).replace('/', "%2F"))).await
    }

    /// Runs a program in a fresh sandbox and waits for its result.
    pub async fn run(&self, request: &OneShotRequest) -> Result<RunView, ClientError> {
        self.post(&format!("{BASE_PATH}/run"), &OneShotRequest { wait: true, ..request.clone() }).await
    }

    /// Runs a program in a fresh sandbox and reads what happens as it does.
    pub async fn run_stream(&self, request: &OneShotRequest) -> Result<RunStream, ClientError> {
        self.post_stream(&format!("{BASE_PATH}/run"), request).await
    }

    /// Begins a program in a fresh sandbox; see [`Client::run_events`] and [`Client::run_attach`].
    pub async fn run_begin(&self, request: &OneShotRequest) -> Result<RunView, ClientError> {
        self.post(&format!("{BASE_PATH}/run"), request).await
    }

    pub async fn run_get(&self, id: RunId) -> Result<RunView, ClientError> {
        self.get(&format!("{BASE_PATH}/runs/{id}")).await
    }

    /// Ends a run now.
    pub async fn run_cancel(&self, id: RunId) -> Result<(), ClientError> {
        self.delete::<Value>(&format!("{BASE_PATH}/runs/{id}")).await.map(drop)
    }

    /// A run's events from the first one.
    pub async fn run_events(&self, id: RunId) -> Result<RunStream, ClientError> {
        self.get_stream(&format!("{BASE_PATH}/runs/{id}/events")).await
    }

    /// A run's events after the one with number `seen`: what a reader asks for whose connection broke.
    pub async fn run_events_after(&self, id: RunId, seen: u64) -> Result<RunStream, ClientError> {
        self.get_stream_after(&format!("{BASE_PATH}/runs/{id}/events"), seen).await
    }

    /// A live run's input, and its events.
    pub async fn run_attach(&self, id: RunId) -> Result<Attachment, ClientError> {
        self.websocket(&format!("{BASE_PATH}/runs/{id}/attach")).await
    }

    pub async fn session_create(&self, request: &SessionCreate) -> Result<SessionView, ClientError> {
        self.post(&format!("{BASE_PATH}/sessions"), request).await
    }

    /// Sessions, newest first: those that a filter finds (`madang_model::session_filter`), or all.
    pub async fn sessions(&self, filter: Option<&str>) -> Result<Vec<SessionView>, ClientError> {
        let filter = filter.map(|filter| format!("?filter={}", path_encoded(filter))).unwrap_or_default();
        self.list(&format!("{BASE_PATH}/sessions{filter}")).await
    }

    /// Folders that we may reach, or all of an owner's, oldest first; those in the trash instead where that is asked for.
    pub async fn folders(&self, owner: Option<&str>, trash: Trash) -> Result<Vec<FolderView>, ClientError> {
        let owner = owner.map(|owner| format!("&owner={}", path_encoded(owner).replace('/', "%2F")));
        let trashed = trash == Trash::Only;
        self.list(&format!("{BASE_PATH}/folders?trashed={trashed}{}", owner.unwrap_or_default())).await
    }

    /// `session` is an id or a name, here and below.
    pub async fn session_get(&self, session: &str) -> Result<SessionView, ClientError> {
        self.get(&session_path(session, "")).await
    }

    pub async fn session_end(&self, session: &str) -> Result<(), ClientError> {
        self.delete::<Value>(&session_path(session, "")).await.map(drop)
    }

    pub async fn session_suspend(&self, session: &str, when: SuspendWhen) -> Result<SessionSuspended, ClientError> {
        self.post(&session_path(session, "/suspend"), &SessionSuspend { when }).await
    }

    /// One that runs is left so.
    pub async fn session_resume(&self, session: &str) -> Result<SessionView, ClientError> {
        self.post(&session_path(session, "/resume"), &Nothing {}).await
    }

    /// Ends every program in it and starts its interpreter anew; files stay.
    pub async fn session_restart<'a>(&self, at: impl Into<At<'a>>) -> Result<(), ClientError> {
        self.post::<Value>(&at_path(at, "/restart"), &Nothing {}).await.map(drop)
    }

    /// Interrupts what its interpreter is doing.
    pub async fn session_interrupt<'a>(&self, at: impl Into<At<'a>>) -> Result<(), ClientError> {
        self.post::<Value>(&at_path(at, "/interrupt"), &Nothing {}).await.map(drop)
    }

    pub async fn session_complete(
        &self,
        session: &str,
        request: &CompleteRequest,
    ) -> Result<CompletionsView, ClientError> {
        self.post(&session_path(session, "/complete"), request).await
    }

    pub async fn session_usage(&self, session: &str) -> Result<Usage, ClientError> {
        self.get(&session_path(session, "/usage")).await
    }

    /// The last lines that its programs wrote, as many as one page holds.
    pub async fn session_logs(&self, session: &str) -> Result<Vec<LogEntry>, ClientError> {
        self.list(&session_path(session, &format!("/logs?limit={PAGE_LIMIT_MAX}"))).await
    }

    /// A run in a session, waited for.
    pub async fn session_run(&self, session: &str, request: &RunRequest) -> Result<RunView, ClientError> {
        self.post(&session_path(session, "/runs"), &RunRequest { wait: true, ..request.clone() }).await
    }

    /// A run in a session, read as it happens.
    pub async fn session_run_stream(&self, session: &str, request: &RunRequest) -> Result<RunStream, ClientError> {
        self.post_stream(&session_path(session, "/runs"), request).await
    }

    /// A run in a session, begun.
    pub async fn session_run_begin(&self, session: &str, request: &RunRequest) -> Result<RunView, ClientError> {
        self.post(&session_path(session, "/runs"), request).await
    }

    /// A terminal in a session: a shell of its own, which ends when the attachment is dropped.
    pub async fn session_terminal<'a>(
        &self,
        at: impl Into<At<'a>>,
        size: TerminalSize,
    ) -> Result<Attachment, ClientError> {
        let TerminalSize { rows, cols } = size;
        self.websocket(&at_path(at, &format!("/terminal?rows={rows}&cols={cols}"))).await
    }

    /// What sessions can open.
    pub async fn app_offers(&self) -> Result<Vec<AppOffer>, ClientError> {
        self.list(&format!("{BASE_PATH}/apps")).await
    }

    /// Starts an app and waits until it answers; one that runs already is meant.
    pub async fn app_create<'a>(&self, at: impl Into<At<'a>>, app: &AppCreate) -> Result<AppView, ClientError> {
        self.post(&at_path(at, "/apps"), app).await
    }

    pub async fn apps<'a>(&self, at: impl Into<At<'a>>) -> Result<Vec<AppView>, ClientError> {
        self.list(&at_path(at, "/apps")).await
    }

    pub async fn app_remove<'a>(&self, at: impl Into<At<'a>>, app: &str) -> Result<(), ClientError> {
        self.delete::<Value>(&at_path(at, &format!("/apps/{}", path_encoded(app)))).await.map(drop)
    }

    /// A tunnel to what listens on a port of the session: bytes both ways, an empty piece ends a direction.
    pub async fn session_port<'a>(&self, at: impl Into<At<'a>>, port: u16) -> Result<Attachment, ClientError> {
        self.websocket(&at_path(at, &format!("/ports/{port}"))).await
    }

    pub async fn file_list<'a>(&self, at: impl Into<At<'a>>, path: &str) -> Result<Vec<FileEntry>, ClientError> {
        self.list(&at_path(at, &format!("/files?path={}", path_encoded(path).replace('/', "%2F")))).await
    }

    pub async fn file_read<'a>(&self, at: impl Into<At<'a>>, path: &str) -> Result<FileBytes, ClientError> {
        let (response, lease) = self.bytes(&at_path(at, &format!("/files/{}", path_encoded(path)))).await?;
        Ok(FileBytes::new(response.into_body(), lease))
    }

    pub async fn file_write<'a>(
        &self,
        at: impl Into<At<'a>>,
        path: &str,
        bytes: impl AsyncRead + Send + 'static,
    ) -> Result<(), ClientError> {
        self.put_bytes(&at_path(at, &format!("/files/{}", path_encoded(path))), bytes).await
    }

    pub async fn file_remove<'a>(&self, at: impl Into<At<'a>>, path: &str) -> Result<(), ClientError> {
        self.delete::<Value>(&at_path(at, &format!("/files/{}", path_encoded(path)))).await.map(drop)
    }

    /// The records of use as they come; `query` is as in the API's document, without its question mark.
    pub async fn usage_records(&self, query: &str) -> Result<FileBytes, ClientError> {
        let (response, lease) = self.bytes(&format!("{BASE_PATH}/usage/records?{query}")).await?;
        Ok(FileBytes::new(response.into_body(), lease))
    }

    /// Every item of a list, page after page.
    async fn list<T: DeserializeOwned>(&self, path: &str) -> Result<Vec<T>, ClientError> {
        let mut items = Vec::new();
        let mut cursor: Option<String> = None;
        for _ in 0..PAGES_MAX {
            let asked = match &cursor {
                Some(cursor) => {
                    let joint = if path.contains('?') { '&' } else { '?' };
                    format!("{path}{joint}cursor={}", path_encoded(cursor))
                }
                None => path.to_owned(),
            };
            let page: Page<T> = self.get(&asked).await?;
            items.extend(page.items);
            cursor = page.next_cursor;
            if cursor.is_none() {
                return Ok(items);
            }
        }
        Err(ClientError::answer(path, format_args!("the list has more than {PAGES_MAX} pages")))
    }
}

/// The same in one of a session's sandboxes.
fn at_path<'a>(at: impl Into<At<'a>>, rest: &str) -> String {
    let at = at.into();
    at.query(session_path(at.session, rest))
}

fn session_path(session: &str, rest: &str) -> String {
    format!("{BASE_PATH}/sessions/{}{rest}", path_encoded(session).replace('/', "%2F"))
}

/// `path` with everything but unreserved characters and slashes percent-encoded.
pub fn path_encoded(path: &str) -> String {
    let mut encoded = String::with_capacity(path.len());
    for byte in path.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => encoded.push(byte as char),
            _ => {
                // Writing to a String cannot fail.
                let _ = write!(encoded, "%{byte:02X}");
            }
        }
    }
    encoded
}

/// Which folders are meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trash {
    LeftOut,
    Only,
}

/// A request without fields.
#[derive(Debug, Serialize)]
struct Nothing {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_cannot_leave_their_place() {
        assert_eq!(path_encoded("a b/ü?#%.txt"), "a%20b/%C3%BC%3F%23%25.txt");
        assert_eq!(session_path("x/../y", "/usage"), "/api/v1/sessions/x%2F..%2Fy/usage");
    }
}
