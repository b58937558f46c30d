//! Somebody who takes spans, over HTTP, and keeps them.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, OnceLock},
    time::Instant,
};

use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use madang_otlp::{Collector, Settings, Traces};
use opentelemetry_proto::tonic::{
    collector::trace::v1::ExportTraceServiceRequest,
    common::v1::{KeyValue, any_value::Value},
    trace::v1::Span,
};
use prost::Message as _;
use tokio::net::TcpListener;
use tracing_subscriber::layer::SubscriberExt as _;

use crate::world::PATIENCE;

static TAKEN: OnceLock<Arc<Mutex<Taken>>> = OnceLock::new();

#[derive(Default)]
struct Taken {
    spans: Vec<Span>,
    resource: Vec<KeyValue>,
}

/// A span as it was taken.
#[derive(Debug, Clone)]
pub struct Seen(Span);

impl Seen {
    pub fn name(&self) -> &str {
        &self.0.name
    }

    pub fn id(&self) -> String {
        hex(&self.0.span_id)
    }

    pub fn parent(&self) -> String {
        hex(&self.0.parent_span_id)
    }

    pub fn attribute(&self, key: &str) -> Option<String> {
        self.0.attributes.iter().find(|attribute| attribute.key == key).map(text)
    }

    pub fn attributes(&self) -> Vec<(String, String)> {
        self.0.attributes.iter().map(|attribute| (attribute.key.clone(), text(attribute))).collect()
    }

    pub fn is_failure(&self) -> bool {
        self.0.status.as_ref().is_some_and(|status| status.code == 2)
    }

    pub fn is_within(&self, other: &Self) -> bool {
        other.0.start_time_unix_nano <= self.0.start_time_unix_nano
    }

    pub fn events(&self) -> usize {
        self.0.events.len()
    }
}

/// The collector of this process, and spans on their way to it from the first call on.
pub fn shared() -> Arc<Shared> {
    static SHARED: OnceLock<Arc<Shared>> = OnceLock::new();
    // In a thread of its own: whoever asks is within a runtime, which ends with its test.
    let begin = || Arc::new(std::thread::spawn(begin).join().unwrap());
    Arc::clone(SHARED.get_or_init(begin))
}

fn begin() -> Shared {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
    let address = listener.local_addr().unwrap();
    runtime.spawn(serve(listener));
    let traces = {
        let _inside = runtime.enter();
        Traces::start(&at(address), "test").unwrap()
    };
    tracing::subscriber::set_global_default(tracing_subscriber::registry().with(traces.layer())).unwrap();
    Shared { _runtime: runtime, _traces: traces }
}

/// Where a collector is.
pub fn at(address: SocketAddr) -> Collector {
    let settings = Settings { endpoint: Some(format!("http://{address}")), service: Some("tried".to_owned()) };
    let collector = settings.resolve(|_| None).unwrap().unwrap();
    // A machine that stands still is no collector that does not answer.
    Collector { send_wait: PATIENCE, end_wait: PATIENCE, ..collector }
}

pub struct Shared {
    _runtime: tokio::runtime::Runtime,
    _traces: Traces,
}

impl Shared {
    /// The spans of a trace, once they are as wanted; says which there are if they never are.
    pub async fn trace(&self, trace: &str, wanted: impl Fn(&[Seen]) -> bool) -> Vec<Seen> {
        let began = Instant::now();
        loop {
            let seen = Self::of(trace);
            if wanted(&seen) {
                return seen;
            }
            assert!(began.elapsed() < PATIENCE, "of {trace} there is only {seen:#?}");
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    }

    fn of(trace: &str) -> Vec<Seen> {
        let taken = TAKEN.get_or_init(Arc::default).lock().unwrap();
        taken.spans.iter().filter(|span| hex(&span.trace_id) == trace).cloned().map(Seen).collect()
    }

    pub fn resource(&self, key: &str) -> Option<String> {
        let taken = TAKEN.get_or_init(Arc::default).lock().unwrap();
        taken.resource.iter().find(|attribute| attribute.key == key).map(text)
    }
}

async fn serve(listener: TcpListener) {
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        let serving = http1::Builder::new().serve_connection(TokioIo::new(stream), service_fn(take));
        tokio::spawn(serving);
    }
}

async fn take(request: Request<Incoming>) -> Result<Response<Full<bytes::Bytes>>, hyper::Error> {
    assert_eq!(request.uri().path(), "/v1/traces");
    assert_eq!(request.headers()["content-type"], "application/x-protobuf");
    let body = request.into_body().collect().await?.to_bytes();
    let mut taken = TAKEN.get_or_init(Arc::default).lock().unwrap();
    for resource in ExportTraceServiceRequest::decode(body).unwrap().resource_spans {
        taken.resource = resource.resource.map(|resource| resource.attributes).unwrap_or_default();
        taken.spans.extend(resource.scope_spans.into_iter().flat_map(|scope| scope.spans));
    }
    Ok(Response::builder().status(StatusCode::OK).body(Full::default()).unwrap())
}

fn text(attribute: &KeyValue) -> String {
    match attribute.value.as_ref().and_then(|value| value.value.as_ref()) {
        Some(Value::StringValue(text)) => text.clone(),
        Some(Value::IntValue(number)) => number.to_string(),
        Some(Value::BoolValue(yes)) => yes.to_string(),
        other => format!("{other:?}"),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
