//! Connections to apps: made, kept for the next request, bounded for each app.
//!
//! A connection is driven by whoever uses it, in the same task as the client's: nothing is handed between threads, and a
//! connection that waits costs no task.

use std::{
    collections::HashMap,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    task::{Context, Poll, Waker},
};

use bytes::Bytes;
use hyper::client::conn::http1::{Builder, Connection, SendRequest};
use hyper_util::rt::TokioIo;
use madang_ids::{AppId, SandboxId};
use tokio::time::Instant;

use crate::{
    body::RequestBody,
    limits::{CONNECT_WAIT, CONNECTIONS_PER_APP_MAX, HEAD_BYTES_MAX, HEADERS_MAX, IDLE_PER_APP_MAX, IDLE_WAIT},
    refusal::Refusal,
    upstream::{BoxStream, ConnectError, Upstream},
};

/// What connections are kept by: an app ends with its sandbox.
pub(crate) type Key = (AppId, SandboxId);

/// All connections to apps.
pub(crate) struct Pool {
    upstream: Arc<dyn Upstream>,
    shelves: Mutex<HashMap<Key, Shelf>>,
}

/// Connections to one app.
#[derive(Default)]
struct Shelf {
    /// Those that wait, the longest first.
    idle: Vec<Idle>,
    /// All, those that wait included.
    open: usize,
}

struct Idle {
    since: Instant,
    channel: Channel,
}

/// One connection to an app, between requests or with one.
pub(crate) struct Channel {
    pub sender: SendRequest<RequestBody>,
    pub connection: Driven,
    place: Place,
}

/// What reads and writes, for as long as it is asked to.
pub(crate) struct Driven(Box<Connection<TokioIo<BoxStream>, RequestBody>>);

impl Driven {
    /// Reads and writes what it can; ready once the connection has ended, and not to be asked again then.
    pub fn drive(&mut self, cx: &mut Context<'_>) -> Poll<hyper::Result<()>> {
        Pin::new(&mut *self.0).poll(cx)
    }
}

/// Counts a connection for as long as it is there.
pub(crate) struct Place {
    pool: Weak<Pool>,
    key: Key,
}

impl Pool {
    pub fn new(upstream: Arc<dyn Upstream>) -> Arc<Self> {
        Arc::new(Self { upstream, shelves: Mutex::default() })
    }

    /// A connection that has waited, if there is one that is still good.
    pub fn waiting(&self, key: Key) -> Option<Channel> {
        loop {
            let idle = self.shelves().get_mut(&key)?.idle.pop()?;
            if idle.since.elapsed() < IDLE_WAIT
                && let Some(channel) = idle.channel.rested()
            {
                return Some(channel);
            }
        }
    }

    /// A new connection that speaks HTTP.
    pub async fn open(self: &Arc<Self>, key: Key) -> Result<Channel, Refusal> {
        let (stream, place) = self.connect(key).await?;
        let mut builder = Builder::new();
        builder.max_buf_size(BUFFER_BYTES_MAX).max_header_size(HEAD_BYTES_MAX).max_headers(HEADERS_MAX);
        let made = builder.handshake(TokioIo::new(stream)).await;
        let (sender, connection) = made.map_err(|_| Refusal::Silent)?;
        Ok(Channel { sender, connection: Driven(Box::new(connection)), place })
    }

    /// A new connection for bytes of any kind.
    pub async fn connect(self: &Arc<Self>, key: Key) -> Result<(BoxStream, Place), Refusal> {
        let place = self.place(key)?;
        let connecting = tokio::time::timeout(CONNECT_WAIT, self.upstream.connect(key.0, key.1));
        let stream = connecting.await.unwrap_or_else(|_| Err(ConnectError::Unavailable("it took too long".to_owned())));
        let stream = stream.map_err(|error| {
            tracing::debug!(app = %key.0, sandbox = %key.1, %error, "no connection to an app");
            match error {
                ConnectError::Gone(_) => Refusal::Gone,
                ConnectError::Unavailable(_) => Refusal::Silent,
            }
        })?;
        Ok((stream, place))
    }

    /// Room for one more connection to the app.
    fn place(self: &Arc<Self>, key: Key) -> Result<Place, Refusal> {
        let mut shelves = self.shelves();
        let shelf = shelves.entry(key).or_default();
        if shelf.open >= CONNECTIONS_PER_APP_MAX {
            return Err(Refusal::Busy);
        }
        shelf.open += 1;
        Ok(Place { pool: Arc::downgrade(self), key })
    }

    /// Ends what has waited too long.
    pub fn sweep(&self) {
        let mut late = Vec::new();
        for shelf in self.shelves().values_mut() {
            let fresh = shelf.idle.iter().position(|idle| idle.since.elapsed() < IDLE_WAIT);
            late.extend(shelf.idle.drain(..fresh.unwrap_or(shelf.idle.len())));
        }
        // Ending one takes the lock: not while it is held.
        drop(late);
    }

    fn shelves(&self) -> MutexGuard<'_, HashMap<Key, Shelf>> {
        self.shelves.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What is read of an app's answer before it goes on to the client.
const BUFFER_BYTES_MAX: usize = 256 << 10;

impl Channel {
    /// After an answer: the connection waits for the next request, if it can take one.
    pub fn give_back(mut self) {
        let Some(pool) = self.place.pool.upgrade() else { return };
        if self.connection.drive(&mut Context::from_waker(Waker::noop())).is_ready() || !self.sender.is_ready() {
            return;
        }
        let mut shelves = pool.shelves();
        if let Some(shelf) = shelves.get_mut(&self.place.key)
            && shelf.idle.len() < IDLE_PER_APP_MAX
        {
            shelf.idle.push(Idle { since: Instant::now(), channel: self });
        } else {
            drop(shelves);
            drop(self);
        }
    }

    /// The connection after a rest, unless the app has closed it, or has said what nobody asked.
    fn rested(mut self) -> Option<Self> {
        let alive =
            self.connection.drive(&mut Context::from_waker(Waker::noop())).is_pending() && self.sender.is_ready();
        alive.then_some(self)
    }

    /// After an upgrade: the bytes' own ends, and what came too early.
    pub fn into_stream(self) -> (BoxStream, Bytes, Place) {
        let parts = self.connection.0.into_parts();
        (parts.io.into_inner(), parts.read_buf, self.place)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let Some(pool) = self.pool.upgrade() else { return };
        let mut shelves = pool.shelves();
        if let Some(shelf) = shelves.get_mut(&self.key) {
            shelf.open -= 1;
            if shelf.open == 0 {
                shelves.remove(&self.key);
            }
        }
    }
}
