//! Spans that have ended wait here until a collector takes them, so many at most.

use std::{
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use opentelemetry::Context;
use opentelemetry_sdk::{
    error::OTelSdkResult,
    trace::{Span, SpanData, SpanExporter, SpanProcessor},
};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// Spans that wait; one more is lost.
const WAITING_MAX: usize = 4_096;
/// Spans that are sent at once.
const BATCH_MAX: usize = 512;
/// How long the first span of a batch waits for others.
const GATHER: Duration = Duration::from_secs(1);

/// Where spans go when they end.
#[derive(Debug)]
pub(crate) struct Queue {
    spans: mpsc::Sender<SpanData>,
    lost: Arc<AtomicU64>,
}

impl Queue {
    /// The queue, and the work of emptying it, which is done soon after `ending`. What is lost is added to `lost`.
    pub fn new<E: SpanExporter + 'static>(
        exporter: E,
        ending: CancellationToken,
        lost: Arc<AtomicU64>,
    ) -> (Self, impl Future<Output = ()> + Send) {
        let (spans, waiting) = mpsc::channel(WAITING_MAX);
        let sender = Sender { exporter, waiting, ending, lost: Arc::clone(&lost), failing: false, told: false };
        (Self { spans, lost }, sender.work())
    }
}

impl SpanProcessor for Queue {
    fn on_start(&self, _: &mut Span, _: &Context) {}

    /// Nothing is logged here: whoever ends a span may be in the midst of anything.
    fn on_end(&self, span: SpanData) {
        if span.span_context.is_sampled() && self.spans.try_send(span).is_err() {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Sending is the work's alone.
    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _: Duration) -> OTelSdkResult {
        Ok(())
    }
}

struct Sender<E> {
    exporter: E,
    waiting: mpsc::Receiver<SpanData>,
    ending: CancellationToken,
    lost: Arc<AtomicU64>,
    /// The collector has not taken the last batch.
    failing: bool,
    /// The log has said that some are lost.
    told: bool,
}

impl<E: SpanExporter> Sender<E> {
    async fn work(mut self) {
        loop {
            let batch = self.gather().await;
            if batch.is_empty() {
                break;
            }
            self.send(batch).await;
            if self.failing && self.ending.is_cancelled() {
                // Who did not take this does not take the rest.
                self.lost.fetch_add(self.waiting.len() as u64, Ordering::Relaxed);
                break;
            }
        }
        let lost = self.lost.load(Ordering::Relaxed);
        if lost > 0 {
            tracing::warn!(lost, "spans were lost since this process began");
        }
    }

    /// What comes within a while of the first; nothing at the end.
    async fn gather(&mut self) -> Vec<SpanData> {
        let mut batch = Vec::new();
        tokio::select! {
            biased;
            () = self.ending.cancelled() => {
                self.waiting.close();
                self.waiting.recv_many(&mut batch, BATCH_MAX).await;
                return batch;
            }
            _ = self.waiting.recv_many(&mut batch, BATCH_MAX) => {}
        }
        let late = tokio::time::sleep(GATHER);
        tokio::pin!(late);
        while !batch.is_empty() && batch.len() < BATCH_MAX {
            let room = BATCH_MAX - batch.len();
            tokio::select! {
                () = &mut late => break,
                () = self.ending.cancelled() => break,
                came = self.waiting.recv_many(&mut batch, room) => if came == 0 { break },
            }
        }
        batch
    }

    async fn send(&mut self, batch: Vec<SpanData>) {
        let count = batch.len() as u64;
        match self.exporter.export(batch).await {
            Err(error) => {
                self.lost.fetch_add(count, Ordering::Relaxed);
                if !std::mem::replace(&mut self.failing, true) {
                    tracing::warn!(%error, "spans are lost from now on: the collector does not take them");
                }
            }
            Ok(()) => {
                let lost = self.lost.load(Ordering::Relaxed);
                if std::mem::take(&mut self.failing) {
                    tracing::info!(lost, "the collector takes spans again; so many were lost");
                } else if lost > 0 && !self.told {
                    tracing::warn!(lost, "spans are lost: more end than the collector takes");
                }
                self.told |= lost > 0;
            }
        }
    }
}
