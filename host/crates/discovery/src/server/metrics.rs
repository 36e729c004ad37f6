//! The figures of a directory, as metrics.

use plugbay_telemetry::{Collector, Described, Family, Histogram, Samples};

use super::live::LiveDirectory;
use crate::wire::{ChangeKind, HealthStatus};

static INSTANCES: Family = Family::gauge(
    "plugbay_directory_instances_by_service",
    "Endpoints whose lease holds, by service and status.",
)
.labels(&["service", "status"]);
static RETAINED: Family = Family::gauge(
    "plugbay_directory_retained_instances",
    "Endpoints whose lease ran out in a mass expiry, and that are kept.",
)
.labels(&["service"]);
static CHANGES: Family =
    Family::counter("plugbay_directory_changes_total", "Changes of the directory, by type.")
        .labels(&["type"]);
static HEARTBEATS: Family = Family::counter(
    "plugbay_directory_heartbeats_total",
    "Heartbeats: renewed, or refused because there is no such endpoint or another token owns it.",
)
.labels(&["result"]);
static CHECKS: Family =
    Family::counter("plugbay_directory_checks_total", "Checks of endpoints, by what they found.")
        .labels(&["status"]);
static WATCHERS: Family =
    Family::gauge("plugbay_directory_watchers", "Watches and blocking queries that wait.");
static LAG: Family = Family::histogram(
    "plugbay_directory_watch_lag_seconds",
    "Time from a change to the moment when a watcher takes it.",
)
.unit("seconds");
static RECONNECTS: Family = Family::counter(
    "plugbay_directory_reconnects_total",
    "Watchers that came back with the number of the last change they saw.",
);
static RESYNCS: Family = Family::counter(
    "plugbay_directory_resyncs_total",
    "Watchers that were too far behind for the history and got a snapshot.",
);
static STORE_FAILURES: Family = Family::counter(
    "plugbay_directory_store_failures_total",
    "Batches of changes that were refused because the store did not keep them.",
);

const KINDS: [ChangeKind; 4] = [
    ChangeKind::Register,
    ChangeKind::Deregister,
    ChangeKind::HealthChange,
    ChangeKind::LeaseChange,
];

/// Shows the figures of a directory.
#[derive(Debug)]
pub struct DirectoryCollector(LiveDirectory);

impl DirectoryCollector {
    /// Of this directory.
    #[must_use]
    pub fn new(directory: LiveDirectory) -> Self {
        Self(directory)
    }
}

impl Collector for DirectoryCollector {
    fn describe(&self) -> Vec<Described> {
        let families = [
            &INSTANCES,
            &RETAINED,
            &CHANGES,
            &HEARTBEATS,
            &CHECKS,
            &WATCHERS,
            &LAG,
            &RECONNECTS,
            &RESYNCS,
            &STORE_FAILURES,
        ];
        families.into_iter().map(|family| family.clone().into()).collect()
    }

    fn collect(&self, samples: &mut Samples) {
        let directory = &self.0;
        let services: Vec<_> = directory.read(|directory, now| {
            directory.services(now).map(|(name, counts)| (name.clone(), counts)).collect()
        });
        for (name, counts) in services {
            for (status, count) in [
                (HealthStatus::Passing, counts.passing),
                (HealthStatus::Unknown, counts.unknown),
                (HealthStatus::Warning, counts.warning),
                (HealthStatus::Critical, counts.critical),
            ] {
                samples.gauge(&INSTANCES, &[name.as_str(), status.as_str()], count);
            }
            samples.gauge(&RETAINED, &[name.as_str()], counts.retained);
        }
        let figures = directory.figures();
        for kind in KINDS {
            samples.counter(&CHANGES, &[kind.as_str()], figures.changes(kind));
        }
        for (result, renewed) in [("renewed", true), ("refused", false)] {
            samples.counter(&HEARTBEATS, &[result], figures.heartbeats(renewed));
        }
        for status in [HealthStatus::Passing, HealthStatus::Warning, HealthStatus::Critical] {
            samples.counter(&CHECKS, &[status.as_str()], figures.checks(status));
        }
        samples.gauge(&WATCHERS, &[], directory.watchers().0);
        let lag = figures.lag();
        let histogram = Histogram { sum: lag.sum(), buckets: lag.buckets(), above: lag.above() };
        samples.histogram(&LAG, &[], histogram);
        samples.counter(&RECONNECTS, &[], figures.reconnects());
        samples.counter(&RESYNCS, &[], figures.resyncs());
        samples.counter(&STORE_FAILURES, &[], figures.store_failures());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::LiveSettings;

    #[test]
    fn the_page_of_metrics_has_a_row_for_each() {
        let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../docs/metrics.md");
        let page = std::fs::read_to_string(page).unwrap();
        let collector = DirectoryCollector::new(LiveDirectory::in_memory(LiveSettings::default()));
        let described = collector.describe();
        for described in &described {
            let Described::Family(family) = described else { panic!("only families") };
            let labels: Vec<_> = family.label_names().iter().map(|it| format!("`{it}`")).collect();
            let (name, kind, help) = (family.name(), family.kind().as_str(), family.help());
            let row = format!("| `{name}` | {kind} | {} | {help} |", labels.join(", "));
            assert!(page.contains(&row), "docs/metrics.md: expected\n{row}");
        }
        let rows = page.lines().filter(|line| line.starts_with("| `plugbay_directory_")).count();
        assert_eq!(rows, described.len());
    }
}
