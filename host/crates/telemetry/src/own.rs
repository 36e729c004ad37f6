//! The registry's own figures: which collectors answered, and what they lost.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use crate::described::Described;
use crate::family::Family;
use crate::report::Failure;
use crate::samples::{Collected, DropReason, Limits, Samples};

/// Under which name errors show the registry as the holder of its own families.
pub(crate) const OWN: &str = "collectors";

static UP: Family = Family::gauge(
    "plugbay_collector_up",
    "1 if the collector answered this request within the deadline, otherwise 0.",
)
.labels(&["collector"]);

static FAILURES: Family = Family::counter(
    "plugbay_collector_failures_total",
    "Requests that the collector did not answer, by reason: its figures were missing then.",
)
.labels(&["collector", "reason"]);

static DROPPED: Family = Family::counter(
    "plugbay_collector_dropped_series_total",
    "Series that were left out of an answer, by reason, counted once for each answer.",
)
.labels(&["collector", "reason"]);

static DURATION: Family = Family::gauge(
    "plugbay_collector_duration_seconds",
    "How long the collector took to answer this request.",
)
.labels(&["collector"])
.unit("seconds");

/// The families of the registry itself.
pub(crate) fn described() -> Arc<[Described]> {
    [&UP, &FAILURES, &DROPPED, &DURATION].map(|family| family.clone().into()).into()
}

/// The counts of one collector since it was registered.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    failures: [AtomicU64; Failure::ALL.len()],
    dropped: [AtomicU64; DropReason::ALL.len()],
}

impl Counts {
    pub(crate) fn failed(&self, failure: Failure) {
        self.failures[failure as usize].fetch_add(1, Relaxed);
    }

    pub(crate) fn dropped(&self, dropped: [u64; DropReason::ALL.len()]) {
        for (count, more) in self.dropped.iter().zip(dropped) {
            count.fetch_add(more, Relaxed);
        }
    }
}

/// One collector in one answer.
pub(crate) struct Answer<'a> {
    pub(crate) collector: &'a str,
    pub(crate) counts: &'a Counts,
    pub(crate) failure: Option<Failure>,
    pub(crate) took: Duration,
}

/// The registry's own figures of one answer.
pub(crate) fn collect<'a>(answers: impl Iterator<Item = Answer<'a>>) -> Vec<Collected> {
    let mut samples = Samples::new(&described(), Limits::default());
    for Answer { collector, counts, failure, took } in answers {
        samples.gauge(&UP, &[collector], failure.is_none());
        samples.gauge(&DURATION, &[collector], took.as_secs_f64());
        for (reason, count) in Failure::ALL.iter().zip(&counts.failures) {
            samples.counter(&FAILURES, &[collector, reason.as_str()], count.load(Relaxed));
        }
        for (reason, count) in DropReason::ALL.iter().zip(&counts.dropped) {
            samples.counter(&DROPPED, &[collector, reason.as_str()], count.load(Relaxed));
        }
    }
    samples.finish().0
}
