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
use tokio::time::{Instant, Sleep};

use crate::{
    body::RequestBody,
    limits::{CONNECT_WAIT, CONNECTIONS_PER_APP_MAX, HEAD_BYTES_MAX, IDLE_PER_APP_MAX, IDLE_WAIT},
    refusal::Refusal,
    upstream::{BoxStream, ConnectError, Upstream},
};

/// What connections are kept by: an app ends with its sandbox.
pub(crate) type Key = (AppId, SandboxId);

/// All connections to apps.
pub(crate) struct Connections {
    upstream: Arc<dyn Upstream>,
    /// How many each app has, those that wait included.
    open: Mutex<HashMap<Key, usize>>,
}

/// Those of one thread that wait, the longest first.
pub(crate) struct Pool {
    all: Arc<Connections>,
    idle: Mutex<HashMap<Key, Vec<Idle>>>,
}

struct Idle {
    since: Instant,
    channel: Channel,
}

/// One connection to an app, between requests or with one.
pub(crate) struct Channel {
    pub sender: SendRequest<RequestBody>,
    pub connection: Driven,
    /// When the app has to have answered; it stays with the connection, for moving a timer costs less than making one.
    pub limit: Option<Pin<Box<Sleep>>>,
    place: Place,
    pool: Weak<Pool>,
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
    all: Arc<Connections>,
    key: Key,
}

impl Pool {
    pub fn new(all: Arc<Connections>) -> Arc<Self> {
        Arc::new(Self { all, idle: Mutex::default() })
    }

    /// A connection that has waited, if there is one that is still good.
    pub fn waiting(&self, key: Key) -> Option<Channel> {
        loop {
            let idle = self.idle().get_mut(&key)?.pop()?;
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
        builder.max_buf_size(BUFFER_BYTES_MAX).max_header_size(HEAD_BYTES_MAX);
        let made = builder.handshake(TokioIo::new(stream)).await;
        let (sender, connection) = made.map_err(|_| Refusal::Silent)?;
        Ok(Channel { sender, connection: Driven(Box::new(connection)), limit: None, place, pool: Arc::downgrade(self) })
    }

    /// A new connection for bytes of any kind.
    pub async fn connect(&self, key: Key) -> Result<(BoxStream, Place), Refusal> {
        let place = self.all.place(key)?;
        let connecting = tokio::time::timeout(CONNECT_WAIT, self.all.upstream.connect(key.0, key.1));
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

    /// Ends what has waited too long.
    pub fn sweep(&self) {
        let mut late = Vec::new();
        self.idle().retain(|_, waiting| {
            let fresh = waiting.iter().position(|idle| idle.since.elapsed() < IDLE_WAIT);
            late.extend(waiting.drain(..fresh.unwrap_or(waiting.len())));
            !waiting.is_empty()
        });
        // Ending one takes time: not while the lock is held.
        drop(late);
    }

    fn idle(&self) -> MutexGuard<'_, HashMap<Key, Vec<Idle>>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Connections {
    pub fn new(upstream: Arc<dyn Upstream>) -> Arc<Self> {
        Arc::new(Self { upstream, open: Mutex::default() })
    }

    /// Room for one more connection to the app.
    fn place(self: &Arc<Self>, key: Key) -> Result<Place, Refusal> {
        let mut all = self.open();
        let open = all.entry(key).or_default();
        if *open >= CONNECTIONS_PER_APP_MAX {
            return Err(Refusal::Busy);
        }
        *open += 1;
        Ok(Place { all: Arc::clone(self), key })
    }

    fn open(&self) -> MutexGuard<'_, HashMap<Key, usize>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What is read of an app's answer before it goes on to the client.
const BUFFER_BYTES_MAX: usize = 256 << 10;

impl Channel {
    /// After an answer: the connection waits for the next request, if it can take one.
    pub fn give_back(mut self) {
        let Some(pool) = self.pool.upgrade() else { return };
        if self.connection.drive(&mut Context::from_waker(Waker::noop())).is_ready() || !self.sender.is_ready() {
            return;
        }
        let mut idle = pool.idle();
        let waiting = idle.entry(self.place.key).or_default();
        if waiting.len() < IDLE_PER_APP_MAX {
            waiting.push(Idle { since: Instant::now(), channel: self });
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
        let mut all = self.all.open();
        if let Some(open) = all.get_mut(&self.key) {
            *open -= 1;
            if *open == 0 {
                all.remove(&self.key);
            }
        }
    }
}
