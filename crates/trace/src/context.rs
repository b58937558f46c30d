//! Where a trace is: what goes from one process to another, as the W3C's Trace Context says it.

use std::sync::OnceLock;

use tracing::Span;

/// The header, and field of an order, that names the trace and the span in it.
pub const TRACEPARENT: &str = "traceparent";
/// What tracing systems on the way have added to it.
pub const TRACESTATE: &str = "tracestate";
/// Version 00 has 55 characters; later ones may append.
const PARENT_CHARS_MAX: usize = 128;
/// What has to be passed on at least; more is left out, which the standard allows.
const STATE_CHARS_MAX: usize = 512;

static CARRIER: OnceLock<Box<dyn Carrier>> = OnceLock::new();

/// Knows which trace a span belongs to.
pub trait Carrier: Send + Sync {
    /// Lets a span that nobody has entered yet go on with the trace; one that cannot be read is no trace.
    fn begin(&self, span: &Span, context: &Context);
    /// `traceparent` and `tracestate` of what is done inside the span.
    fn context(&self, span: &Span) -> Option<(String, String)>;
}

/// From now on, and once: who carries traces from process to process.
pub fn carry_with(carrier: Box<dyn Carrier>) {
    // The first one stays.
    let _ = CARRIER.set(carrier);
}

/// Where a trace is, or that there is none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Context {
    parent: String,
    state: String,
}

impl Context {
    /// Of what is being done now.
    pub fn here() -> Self {
        if CARRIER.get().is_some() { Self::of(&Span::current()) } else { Self::default() }
    }

    pub fn of(span: &Span) -> Self {
        let known = CARRIER.get().filter(|_| !span.is_disabled()).and_then(|carrier| carrier.context(span));
        known.map_or_else(Self::default, |(parent, state)| Self { parent, state })
    }

    /// As somebody else says; empty where nobody carries traces. What is too long is not believed.
    pub fn said(parent: Option<&str>, state: Option<&str>) -> Self {
        let within =
            |text: Option<&str>, max: usize| text.filter(|text| text.len() <= max).unwrap_or_default().to_owned();
        if CARRIER.get().is_none() || parent.is_none() {
            return Self::default();
        }
        Self { parent: within(parent, PARENT_CHARS_MAX), state: within(state, STATE_CHARS_MAX) }
    }

    pub fn is_empty(&self) -> bool {
        self.parent.is_empty()
    }

    /// `traceparent`; empty where there is no trace.
    pub fn parent(&self) -> &str {
        &self.parent
    }

    /// `tracestate`; empty where there is none.
    pub fn state(&self) -> &str {
        &self.state
    }

    /// The span goes on with the trace, if there is one.
    pub fn begin(&self, span: Span) -> Span {
        if let (false, false, Some(carrier)) = (self.is_empty(), span.is_disabled(), CARRIER.get()) {
            carrier.begin(&span, self);
        }
        span
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Echo;

    impl Carrier for Echo {
        fn begin(&self, _: &Span, _: &Context) {}

        fn context(&self, _: &Span) -> Option<(String, String)> {
            Some(("here".to_owned(), String::new()))
        }
    }

    #[test]
    fn without_a_carrier_there_is_no_trace_and_too_much_is_not_believed() {
        assert!(Context::said(Some("00-1-2-01"), None).is_empty());
        carry_with(Box::new(Echo));
        let said = Context::said(Some("00-1-2-01"), Some("a=b"));
        assert_eq!((said.parent(), said.state()), ("00-1-2-01", "a=b"));
        let long = "x".repeat(STATE_CHARS_MAX + 1);
        assert_eq!(Context::said(Some("00-1-2-01"), Some(&long)).state(), "");
        assert!(Context::said(Some(&long), None).is_empty());
        assert!(Context::said(None, Some("a=b")).is_empty());
        assert!(Context::here().is_empty(), "nothing is being done");
    }
}
