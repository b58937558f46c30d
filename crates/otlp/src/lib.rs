//! Spans, sent to a collector over OTLP: HTTP with protobuf.
//!
//! `cli` calls it, if it was built with its feature `otlp`: [`Settings::resolve`] says whether there is a collector, [`Traces::start`]
//! gives a layer for the log's subscriber, [`Traces::end`] sends what is left. What ends waits in a bounded queue; one task sends it in
//! batches. Nothing that answers requests ever waits for a collector: what does not fit, or is not taken, is counted and forgotten, which the
//! log says once. This crate begins no span, and takes events of the log nowhere. Start at [`Traces`].

mod carrier;
mod client;
mod queue;
mod settings;

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use opentelemetry::{KeyValue, trace::TracerProvider as _};
use opentelemetry_otlp::{Protocol, WithExportConfig as _, WithHttpConfig as _};
use opentelemetry_sdk::{Resource, trace::SdkTracerProvider, trace::SpanExporter as _};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tracing::{Subscriber, level_filters::LevelFilter};
use tracing_subscriber::{Layer, filter::Targets, registry::LookupSpan};

pub use client::ClientError;
pub use settings::{Collector, Settings, SettingsError};

use crate::{carrier::W3c, client::Client, queue::Queue};

/// Where `OTEL_SERVICE_NAME` and the configuration say nothing.
const SERVICE: &str = "madang";

/// Why spans cannot be sent.
#[derive(Debug, thiserror::Error)]
pub enum TracesError {
    #[error("no certificate authorities on this machine to know a collector by")]
    Client(#[from] ClientError),
    #[error("preparing to send spans to {endpoint}")]
    Exporter { endpoint: String, source: opentelemetry_otlp::ExporterBuildError },
}

/// Spans on their way to a collector.
#[derive(Debug)]
pub struct Traces {
    provider: SdkTracerProvider,
    ending: CancellationToken,
    lost: Arc<AtomicU64>,
    sending: JoinHandle<()>,
    end_wait: Duration,
}

impl Traces {
    /// Begins to send; call within a runtime, once for each process. `role` is what this process does.
    pub fn start(collector: &Collector, role: &'static str) -> Result<Self, TracesError> {
        let failed = |source| TracesError::Exporter { endpoint: collector.endpoint.clone(), source };
        let exporter = opentelemetry_otlp::SpanExporter::builder()
            .with_http()
            .with_http_client(Client::new(collector.send_wait)?)
            .with_protocol(Protocol::HttpBinary)
            .with_endpoint(&collector.endpoint);
        let mut exporter = exporter.build().map_err(failed)?;
        let resource = resource(collector, role);
        exporter.set_resource(&resource);
        let ending = CancellationToken::new();
        let lost = Arc::new(AtomicU64::new(0));
        let (queue, work) = Queue::new(exporter, ending.clone(), Arc::clone(&lost));
        let provider = SdkTracerProvider::builder().with_resource(resource).with_span_processor(queue).build();
        madang_trace::carry_with(Box::new(W3c::default()));
        Ok(Self { provider, ending, lost, sending: tokio::spawn(work), end_wait: collector.end_wait })
    }

    /// Spans that no collector has taken, or will.
    pub fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }

    /// Takes our spans, and nothing else, from whatever is logged.
    pub fn layer<S>(&self) -> impl Layer<S> + Send + Sync + 'static
    where
        S: Subscriber + for<'span> LookupSpan<'span> + Send + Sync,
    {
        let ours = Targets::new().with_target(madang_trace::TARGET, LevelFilter::TRACE);
        tracing_opentelemetry::layer()
            .with_tracer(self.provider.tracer(SERVICE))
            .with_context_activation(false)
            .with_location(false)
            .with_threads(false)
            .with_target(false)
            .with_tracked_inactivity(false)
            .with_filter(ours)
    }

    /// Sends what has ended, for so long as that may take.
    pub async fn end(self) {
        self.ending.cancel();
        if tokio::time::timeout(self.end_wait, self.sending).await.is_err() {
            tracing::warn!("the last spans are lost: the collector does not take them in time");
        }
    }
}

fn resource(collector: &Collector, role: &'static str) -> Resource {
    let known = [("service.version", env!("CARGO_PKG_VERSION").to_owned()), ("madang.role", role.to_owned())];
    let known = known.map(|(key, value)| KeyValue::new(key, value));
    // What the environment says of the service comes before anything else.
    let builder = Resource::builder().with_attributes(known);
    match &collector.service {
        Some(service) => builder.with_service_name(service.clone()).build(),
        None => builder.with_service_name(SERVICE).build(),
    }
}
