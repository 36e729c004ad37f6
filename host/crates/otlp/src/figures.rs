//! How many spans were sent and dropped.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use plugbay_telemetry::{Collector, Described, Family, Samples};

static EXPORTED: Family =
    Family::counter("plugbay_spans_exported_total", "Spans that the collector accepted.");
static DROPPED: Family = Family::counter(
    "plugbay_spans_dropped_total",
    "Spans that were dropped, by reason: queue-full (more were made than the collector takes), \
     failed (a batch could not be sent in time), rejected (the collector did not want them), stopped (the \
     process ended).",
)
.labels(&["reason"]);

/// Why a span was dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DropReason {
    /// The queue had no room.
    QueueFull,
    /// Its batch could not be sent in time, or was refused.
    Failed,
    /// The collector accepted its batch without it.
    Rejected,
    /// The exporter was stopped.
    Stopped,
}

impl DropReason {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::QueueFull, Self::Failed, Self::Rejected, Self::Stopped];

    /// The stable word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::QueueFull => "queue-full",
            Self::Failed => "failed",
            Self::Rejected => "rejected",
            Self::Stopped => "stopped",
        }
    }
}

/// The counts of an exporter.
#[derive(Debug, Default)]
pub struct SpanCounts {
    exported: AtomicU64,
    dropped: [AtomicU64; DropReason::ALL.len()],
}

impl SpanCounts {
    /// Spans that the collector accepted.
    #[must_use]
    pub fn exported(&self) -> u64 {
        self.exported.load(Ordering::Relaxed)
    }

    /// Spans that were dropped for this reason.
    #[must_use]
    pub fn dropped(&self, reason: DropReason) -> u64 {
        self.dropped[reason as usize].load(Ordering::Relaxed)
    }

    pub(crate) fn add_exported(&self, count: u64) {
        self.exported.fetch_add(count, Ordering::Relaxed);
    }

    pub(crate) fn add_dropped(&self, reason: DropReason, count: u64) {
        self.dropped[reason as usize].fetch_add(count, Ordering::Relaxed);
    }
}

/// Shows the counts as metrics.
pub(crate) struct SpanCollector(pub(crate) Arc<SpanCounts>);

impl Collector for SpanCollector {
    fn describe(&self) -> Vec<Described> {
        vec![EXPORTED.clone().into(), DROPPED.clone().into()]
    }

    fn collect(&self, samples: &mut Samples) {
        samples.counter(&EXPORTED, &[], self.0.exported());
        for reason in DropReason::ALL {
            samples.counter(&DROPPED, &[reason.as_str()], self.0.dropped(reason));
        }
    }
}
