//! The span of a reconciliation. Its parts are spans within it: `read`, `prepare`, `start`, `publish`, `drain`.
//!
//! Most reconciliations find nothing new, and nobody wants to see these. So the spans are held until the
//! reconciliation has ended, and recorded if it did something.

use std::sync::{Arc, Mutex, PoisonError};

use plugbay_core::Correlation;
use plugbay_core::trace::{ActiveSpan, Sampling, Span, SpanKind, SpanSink, attributes};

use crate::report::{Rejected, ReloadOutcome, Report};

/// The span of a reconciliation that has not ended.
pub(crate) struct ReloadSpan {
    span: ActiveSpan,
    held: Arc<HeldSpans>,
    /// What was refused before.
    rejected: Arc<[Rejected]>,
}

impl ReloadSpan {
    /// Begins the span. `rejected` is what was refused before.
    pub(crate) fn begin(sink: &Arc<dyn SpanSink>, rejected: &Arc<[Rejected]>) -> Option<Self> {
        let held = Arc::new(HeldSpans { to: Arc::clone(sink), state: Mutex::default() });
        let sink: Arc<dyn SpanSink> = Arc::clone(&held) as _;
        let none = Correlation::default();
        let span = Sampling::ALL.begin(&none, &sink, SpanKind::Internal, || "reconcile".into())?;
        Some(Self { span, held, rejected: Arc::clone(rejected) })
    }

    /// The correlation for its parts.
    pub(crate) fn correlation(&self) -> &Arc<Correlation> {
        self.span.correlation()
    }

    /// Ends the span. It is recorded if the reconciliation did something, or if `wanted`: a caller asked for it.
    pub(crate) fn end(self, report: &Report, wanted: bool) {
        let Self { mut span, held, rejected } = self;
        let changed =
            report.published || !report.preparing.is_empty() || *rejected != *report.rejected;
        span.set(attributes::OUTCOME, ReloadOutcome::of(report).as_str());
        span.set(attributes::GENERATION, report.generation);
        span.end();
        held.decide(|spans| wanted || changed || spans.iter().any(is_work));
    }
}

/// Whether the span is of work that a reconciliation does only for what is new.
fn is_work(span: &Span) -> bool {
    matches!(&*span.name, "prepare" | "start")
}

/// Holds spans until it is decided whether they are recorded.
struct HeldSpans {
    to: Arc<dyn SpanSink>,
    state: Mutex<State>,
}

enum State {
    Held(Vec<Span>),
    Decided { recorded: bool },
}

impl Default for State {
    fn default() -> Self {
        Self::Held(Vec::new())
    }
}

impl HeldSpans {
    /// Records the spans, those that end later as well, if `is_wanted`.
    fn decide(&self, is_wanted: impl FnOnce(&[Span]) -> bool) {
        let mut state = self.lock();
        let State::Held(spans) = std::mem::take(&mut *state) else { return };
        let recorded = is_wanted(&spans);
        *state = State::Decided { recorded };
        drop(state);
        if recorded {
            for span in spans {
                self.to.record(span);
            }
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl SpanSink for HeldSpans {
    fn record(&self, span: Span) {
        match &mut *self.lock() {
            State::Held(spans) => return spans.push(span),
            State::Decided { recorded: false } => return,
            State::Decided { recorded: true } => {}
        }
        self.to.record(span);
    }
}
