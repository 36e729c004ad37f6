//! Which requests are recorded.

use std::borrow::Cow;
use std::sync::Arc;

use super::active::ActiveSpan;
use super::id::TraceId;
use super::span::{SpanKind, SpanSink};
use crate::Correlation;

/// Decides whether a request is recorded: if it has a trace, as its client decided; otherwise by chance.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sampling {
    /// The share of requests without a trace that are recorded.
    share: f64,
}

impl Sampling {
    /// Records every request, except those whose client says that it does not record the trace.
    pub const ALL: Self = Self { share: 1.0 };

    /// Records this share of the requests without a trace, from 0 to 1.
    #[must_use]
    pub fn share(share: f64) -> Self {
        Self { share }
    }

    /// Begins the first span of a request, if the request is recorded. Otherwise nothing is made: neither a span
    /// nor the id of a trace.
    #[inline]
    pub fn begin(
        self,
        request: &Correlation,
        sink: &Arc<dyn SpanSink>,
        kind: SpanKind,
        name: impl FnOnce() -> Cow<'static, str>,
    ) -> Option<ActiveSpan> {
        let trace = match &request.trace_parent {
            Some(parent) if parent.is_sampled() => None,
            Some(_) => return None,
            None => Some(self.draw()?),
        };
        Some(ActiveSpan::first(request, trace, sink, kind, name()))
    }

    /// The id of a new trace, if it is to be recorded.
    fn draw(self) -> Option<TraceId> {
        if self.share <= 0.0 {
            return None;
        }
        let trace = TraceId::random();
        (self.share >= 1.0 || fraction(trace) < self.share).then_some(trace)
    }
}

/// The last seven bytes of an id, which are random by the standard, as a fraction of their range.
fn fraction(trace: TraceId) -> f64 {
    const BITS: u32 = 56;
    const RANGE: f64 = 72_057_594_037_927_936.0; // 2^56
    let last = trace.bytes().last_chunk().map_or(0, |bytes| u64::from_be_bytes(*bytes));
    #[expect(clippy::cast_precision_loss, reason = "a share has no 56 significant bits")]
    let drawn = (last & !(u64::MAX << BITS)) as f64;
    drawn / RANGE
}

#[cfg(test)]
mod tests {
    use super::super::parent::TraceParent;
    use super::super::span::Span;
    use super::*;

    struct Ignored;

    impl SpanSink for Ignored {
        fn record(&self, _: Span) {}
    }

    fn begin(share: f64, parent: Option<&str>) -> Option<ActiveSpan> {
        let parent = parent.map(|parent| parent.parse().unwrap());
        let request = Correlation::default().trace_parent(parent);
        let sink: Arc<dyn SpanSink> = Arc::new(Ignored);
        Sampling::share(share).begin(&request, &sink, SpanKind::Server, || "request".into())
    }

    fn place(span: &ActiveSpan) -> TraceParent {
        span.correlation().trace_parent.unwrap()
    }

    const SAMPLED: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    const NOT_SAMPLED: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00";

    #[test]
    fn the_client_decides_on_its_trace() {
        let span = begin(0.0, Some(SAMPLED)).unwrap();
        assert_eq!(place(&span).trace_id(), "0af7651916cd43dd8448eb211c80319c");
        assert_ne!(place(&span).span_id(), "b7ad6b7169203331");
        assert!(begin(1.0, Some(NOT_SAMPLED)).is_none());
    }

    #[test]
    fn a_share_of_the_others_is_recorded() {
        assert!(begin(0.0, None).is_none());
        assert!(place(&begin(1.0, None).unwrap()).is_sampled());
        let recorded = (0..10_000).filter(|_| begin(0.25, None).is_some()).count();
        // The standard deviation is 43.
        assert!((2_200..2_800).contains(&recorded), "{recorded}");
    }
}
