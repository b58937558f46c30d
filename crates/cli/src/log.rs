//! The log of a process with a role of its own, and its spans beside it, if this program was built to send them.

use std::io::{self, IsTerminal as _};

use tracing_subscriber::EnvFilter;

use crate::{config, exit::Failure};

/// What is logged where `MADANG_LOG` does not say.
const LOG_DEFAULT: &str = "info";

/// What is to be done when the process ends.
pub(crate) struct Log {
    #[cfg(feature = "otlp")]
    traces: Option<madang_otlp::Traces>,
}

impl Log {
    /// Before anything is logged, within the runtime. `role`: the command.
    pub fn begin(role: &'static str) -> Result<Self, Failure> {
        let wanted = config::traces()?;
        #[cfg(feature = "otlp")]
        let log = Self::with_traces(wanted, role);
        #[cfg(not(feature = "otlp"))]
        let log = Self::alone(&wanted, role);
        log
    }

    #[cfg(feature = "otlp")]
    fn with_traces(wanted: config::Traces, role: &'static str) -> Result<Self, Failure> {
        use madang_otlp::{Settings, Traces};

        let settings = Settings { endpoint: wanted.endpoint, service: wanted.service };
        let collector = settings.resolve(|name| std::env::var(name).ok());
        let Some(collector) = collector.map_err(|error| Failure::usage(error.to_string()))? else {
            to_stderr();
            return Ok(Self { traces: None });
        };
        let traces = Traces::start(&collector, role);
        let traces = traces.map_err(|error| Failure::internal(crate::up::chain(&error)))?;
        to_stderr_beside(traces.layer());
        tracing::info!(endpoint = collector.endpoint, "spans are sent");
        Ok(Self { traces: Some(traces) })
    }

    #[cfg(not(feature = "otlp"))]
    fn alone(wanted: &config::Traces, _role: &'static str) -> Result<Self, Failure> {
        to_stderr();
        if wanted.endpoint.is_some() {
            return Err(Failure::usage(
                "`traces.endpoint`: this program was built without its feature `otlp`".to_owned(),
            ));
        }
        let variables = ["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"];
        if variables.into_iter().any(|name| std::env::var_os(name).is_some_and(|value| !value.is_empty())) {
            tracing::warn!("no spans are sent: this program was built without its feature `otlp`");
        }
        Ok(Self {})
    }

    /// Sends what is left, for a moment at most.
    #[cfg(feature = "otlp")]
    pub async fn end(self) {
        if let Some(traces) = self.traces {
            traces.end().await;
        }
    }

    #[cfg(not(feature = "otlp"))]
    pub async fn end(self) {}
}

fn filter() -> EnvFilter {
    EnvFilter::new(std::env::var("MADANG_LOG").unwrap_or_else(|_| LOG_DEFAULT.to_owned()))
}

fn to_stderr() {
    let log = tracing_subscriber::fmt().with_env_filter(filter()).with_writer(io::stderr);
    // Whoever read the log may be gone: saying so to where nobody reads would panic, and end the task that had something to say.
    let log = log.log_internal_errors(false);
    // A second subscriber would mean that a test set one up before.
    let _ = if io::stderr().is_terminal() { log.try_init() } else { log.json().try_init() };
}

#[cfg(feature = "otlp")]
fn to_stderr_beside(spans: impl tracing_subscriber::Layer<tracing_subscriber::Registry> + Send + Sync) {
    use tracing_subscriber::{Layer as _, fmt, layer::SubscriberExt as _, util::SubscriberInitExt as _};

    // As in `to_stderr`.
    let log = fmt::layer().with_writer(io::stderr).log_internal_errors(false);
    let log = if io::stderr().is_terminal() { log.boxed() } else { log.json().boxed() };
    let _ = tracing_subscriber::registry().with(spans).with(log.with_filter(filter())).try_init();
}
