//! A span that a plugin made itself.

use super::id::SpanId;
use super::span::{Span, SpanKind};
use crate::Correlation;

impl Correlation {
    /// A span with this id within the caller's span, which somebody else made; `None` if the spans of the request are
    /// not recorded. What is known of it is to be set, and then it goes to [`Correlation::record`].
    #[must_use]
    pub fn own_span(&self, id: SpanId) -> Option<Span> {
        let parent = self.trace_parent.filter(|_| self.is_recorded())?;
        let mut span =
            Span::at(parent.with_span(id), self.trace_state.clone(), "".into(), SpanKind::Internal);
        span.parent = Some(parent.span());
        Some(span)
    }

    /// Records a span, if the spans of the request are recorded.
    pub fn record(&self, span: Span) {
        if let Some(sink) = self.sink() {
            sink.record(span);
        }
    }
}
