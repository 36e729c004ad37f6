//! A span that has not ended.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Instant;

use super::attributes;
use super::id::{SpanId, TraceId};
use super::parent::TraceParent;
use super::span::{Attribute, AttributeValue, Span, SpanFailure, SpanKind, SpanSink};
use crate::Correlation;

/// A span that has begun. [`end`](ActiveSpan::end) records it; if it is dropped instead, it is recorded as
/// `cancelled`: its work was given up.
///
/// ```
/// use std::sync::{Arc, Mutex};
///
/// use plugbay_core::Correlation;
/// use plugbay_core::trace::{Sampling, Span, SpanKind, SpanSink};
///
/// #[derive(Default)]
/// struct Kept(Mutex<Vec<Span>>);
///
/// impl SpanSink for Kept {
///     fn record(&self, span: Span) {
///         self.0.lock().unwrap().push(span);
///     }
/// }
///
/// let kept = Arc::new(Kept::default());
/// let sink: Arc<dyn SpanSink> = Arc::clone(&kept) as _;
/// let request = Correlation::default();
/// let outer = Sampling::ALL.begin(&request, &sink, SpanKind::Server, || "GET /".into()).unwrap();
/// // A call is made with the correlation of its caller's span.
/// let inner = outer.correlation().begin(SpanKind::Internal, || "codec:json".into()).unwrap();
/// inner.end();
/// outer.end();
///
/// let spans = kept.0.lock().unwrap();
/// assert_eq!(spans[0].parent, Some(spans[1].place.span()));
/// assert_eq!(spans[0].place.trace(), spans[1].place.trace());
/// ```
#[derive(Debug)]
pub struct ActiveSpan {
    correlation: Arc<Correlation>,
    sink: Arc<dyn SpanSink>,
    /// `None` once it is recorded.
    span: Option<Box<Span>>,
    began: Instant,
}

impl ActiveSpan {
    /// The first span of a request in this host: within the span of the client, or of a new trace.
    pub(super) fn first(
        request: &Correlation,
        trace: Option<TraceId>,
        sink: &Arc<dyn SpanSink>,
        kind: SpanKind,
        name: Cow<'static, str>,
    ) -> Self {
        let id = SpanId::random();
        let (place, parent) = match (trace, request.trace_parent) {
            (None, Some(parent)) => (parent.with_span(id), Some(parent.span())),
            (trace, _) => (TraceParent::first(trace.unwrap_or_else(TraceId::random), id), None),
        };
        let mut span = Self::new(request, place, Arc::clone(sink), kind, name);
        if let Some(begun) = &mut span.span {
            (begun.parent, begun.has_remote_parent) = (parent, parent.is_some());
        }
        span
    }

    /// A span within that of `caller`, at `parent`.
    fn within(
        caller: &Correlation,
        parent: TraceParent,
        sink: Arc<dyn SpanSink>,
        kind: SpanKind,
        name: Cow<'static, str>,
    ) -> Self {
        let mut span = Self::new(caller, parent.with_span(SpanId::random()), sink, kind, name);
        if let Some(begun) = &mut span.span {
            begun.parent = Some(parent.span());
        }
        span
    }

    fn new(
        caller: &Correlation,
        place: TraceParent,
        sink: Arc<dyn SpanSink>,
        kind: SpanKind,
        name: Cow<'static, str>,
    ) -> Self {
        let correlation = Arc::new(caller.within(place, Arc::clone(&sink)));
        let span = Span::at(place, caller.trace_state.clone(), name, kind);
        Self { correlation, sink, span: Some(Box::new(span)), began: Instant::now() }
    }

    /// The correlation for calls that are made within this span: they see it as their parent.
    #[must_use]
    pub fn correlation(&self) -> &Arc<Correlation> {
        &self.correlation
    }

    /// Adds an attribute. `name` is one of [`attributes`].
    pub fn set(&mut self, name: &'static str, value: impl Into<AttributeValue>) {
        if let Some(span) = &mut self.span {
            span.attributes.push(Attribute { name: name.into(), value: value.into() });
        }
    }

    /// Notes that it failed: why, as a stable word, and a message for people.
    pub fn fail(
        &mut self,
        error: impl Into<AttributeValue>,
        message: impl Into<Cow<'static, str>>,
    ) {
        self.set(attributes::ERROR_TYPE, error);
        if let Some(span) = &mut self.span {
            span.failure = Some(SpanFailure { message: message.into() });
        }
    }

    /// Ends it now, and records it.
    pub fn end(mut self) {
        self.record();
    }

    /// Forgets it: there was nothing to do.
    pub fn discard(mut self) {
        self.span = None;
    }

    fn record(&mut self) {
        if let Some(mut span) = self.span.take() {
            // The clock of the system may be set meanwhile.
            span.ended = span.began + self.began.elapsed();
            self.sink.record(*span);
        }
    }
}

impl Correlation {
    /// Begins a span for a part of the work for the request, if its spans are recorded.
    #[inline]
    pub fn begin(
        &self,
        kind: SpanKind,
        name: impl FnOnce() -> Cow<'static, str>,
    ) -> Option<ActiveSpan> {
        let (sink, parent) = (self.sink()?, self.trace_parent?);
        Some(ActiveSpan::within(self, parent, Arc::clone(sink), kind, name()))
    }
}

impl Drop for ActiveSpan {
    fn drop(&mut self) {
        if self.span.is_some() {
            self.fail("cancelled", "");
            self.record();
        }
    }
}
