//! Contexts as the W3C's Trace Context writes them.

use std::collections::HashMap;

use madang_trace::{Carrier, Context, TRACEPARENT, TRACESTATE};
use opentelemetry::{propagation::TextMapPropagator as _, trace::TraceContextExt as _};
use opentelemetry_sdk::propagation::TraceContextPropagator;
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

#[derive(Debug, Default)]
pub(crate) struct W3c(TraceContextPropagator);

impl Carrier for W3c {
    fn begin(&self, span: &Span, context: &Context) {
        let fields = [(TRACEPARENT, context.parent()), (TRACESTATE, context.state())];
        let fields: HashMap<String, String> =
            fields.map(|(name, value)| (name.to_owned(), value.to_owned())).into_iter().collect();
        // Nothing but what was said: whatever is done here now may be part of another trace.
        let parent = self.0.extract_with_context(&opentelemetry::Context::new(), &fields);
        if parent.span().span_context().is_valid() {
            // One that has begun keeps the trace that it has.
            let _ = span.set_parent(parent);
        }
    }

    fn context(&self, span: &Span) -> Option<(String, String)> {
        let mut fields: HashMap<String, String> = HashMap::new();
        self.0.inject_context(&span.context(), &mut fields);
        Some((fields.remove(TRACEPARENT)?, fields.remove(TRACESTATE).unwrap_or_default()))
    }
}
