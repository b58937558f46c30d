//! That an app is used: bytes into and out of a sandbox are counted on their way, and who sends some to one that is frozen wakes it.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    task::{Context, Poll, ready},
};

use madang_ids::AppId;
use madang_node_api::NodeError;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::connect::GuestStream;
use crate::sandbox::Sandbox;

/// What connections to programs of a sandbox have carried since this agent has it.
#[derive(Debug, Default)]
pub struct AppUse {
    into: AtomicU64,
    out: AtomicU64,
    /// Somebody is waking the sandbox.
    waking: AtomicBool,
}

impl AppUse {
    /// Both ways.
    pub fn bytes(&self) -> u64 {
        self.sent_bytes().saturating_add(self.out.load(Ordering::Relaxed))
    }

    /// What was sent to programs.
    pub fn sent_bytes(&self) -> u64 {
        self.into.load(Ordering::SeqCst)
    }
}

/// A connection to a program of a sandbox.
pub struct Used {
    stream: GuestStream,
    sandbox: Arc<Sandbox>,
}

impl Used {
    /// To an app.
    pub async fn of_app(sandbox: Arc<Sandbox>, app: AppId) -> Result<Self, NodeError> {
        let stream = {
            let _awake = sandbox.awake().await?;
            sandbox.apps.connect(&sandbox.link, app).await?
        };
        Ok(Self { stream, sandbox })
    }

    /// To whatever listens on a port.
    pub async fn of_port(sandbox: Arc<Sandbox>, port: u16) -> Result<Self, NodeError> {
        let stream = {
            let _awake = sandbox.awake().await?;
            sandbox.apps.connect_port(&sandbox.link, port).await?
        };
        Ok(Self { stream, sandbox })
    }

    /// Counted first and looked after it: a freeze looks the other way round, so that one of both sees the other.
    fn wrote(&self, bytes: usize) {
        self.sandbox.app_use.into.fetch_add(bytes as u64, Ordering::SeqCst);
        if self.sandbox.freezer.is_frozen() && !self.sandbox.app_use.waking.swap(true, Ordering::SeqCst) {
            let sandbox = Arc::clone(&self.sandbox);
            tokio::spawn(async move {
                let awake = sandbox.awake().await;
                // While it cannot be frozen again: whoever comes after that wakes it themselves.
                sandbox.app_use.waking.store(false, Ordering::SeqCst);
                if let Err(error) = awake {
                    tracing::warn!(sandbox = %sandbox.spec.id, %error, "a sandbox does not wake for its app");
                }
            });
        }
    }
}

impl AsyncRead for Used {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, buf))?;
        let read = buf.filled().len() - before;
        self.sandbox.app_use.out.fetch_add(read as u64, Ordering::Relaxed);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Used {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.stream).poll_write(cx, bytes))?;
        self.wrote(written);
        Poll::Ready(Ok(written))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
