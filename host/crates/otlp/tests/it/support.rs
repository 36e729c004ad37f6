//! An exporter, and spans for it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use plugbay_core::Correlation;
use plugbay_core::trace::{Sampling, SpanKind, SpanSink};
use plugbay_otlp::{DropReason, Exporter, Protocol, Settings, SpanCounts};

use crate::receiver::By;

/// The longest time that a test waits.
const SOON: Duration = Duration::from_mins(1);

pub(crate) fn settings(by: By, endpoint: &str) -> Settings {
    Settings {
        endpoint: endpoint.to_owned(),
        protocol: if by == By::Grpc { Protocol::Grpc } else { Protocol::Http },
        service_name: "shop".into(),
        headers: vec![("authorization".into(), "Bearer secret".into())],
        timeout: Duration::from_secs(30),
    }
}

pub(crate) fn start(by: By, endpoint: &str, timeout: Duration) -> Exporter {
    Exporter::start(&Settings { timeout, ..settings(by, endpoint) }).unwrap()
}

/// Records a span.
pub(crate) fn record(sink: &Arc<dyn SpanSink>, name: &'static str) {
    let request = Correlation::default();
    let span = Sampling::ALL.begin(&request, sink, SpanKind::Internal, || name.into());
    span.expect("sampled").end();
}

/// Waits for counts that `done` accepts.
pub(crate) async fn until(exporter: &Exporter, what: &str, done: impl Fn(&SpanCounts) -> bool) {
    let end = Instant::now() + SOON;
    while !done(exporter.counts()) {
        assert!(Instant::now() < end, "{what}: not within {SOON:?}: {exporter:?}");
        tokio::task::yield_now().await;
    }
}

/// The spans that were dropped for any reason.
pub(crate) fn dropped(counts: &SpanCounts) -> u64 {
    DropReason::ALL.map(|reason| counts.dropped(reason)).iter().sum()
}
