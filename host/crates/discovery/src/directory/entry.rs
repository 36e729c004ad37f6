//! One endpoint with what the directory knows besides: its lease, its report, its checks.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use plugbay_guard::Streak;

use super::moment::Moment;
use crate::wire::{CheckSpec, Endpoint, Health, HealthReport, HealthStatus};

/// What one check found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckResult {
    /// Passing, warning or critical; unknown counts as nothing.
    pub status: HealthStatus,
    /// Why it is not passing.
    pub error: Option<String>,
}

#[derive(Debug)]
pub(super) struct Entry {
    pub(super) endpoint: Arc<Endpoint>,
    /// The last heartbeat.
    pub(super) renewed: Instant,
    report: Option<HealthReport>,
    check: Option<Checked>,
    /// Since when the status is what it is.
    pub(super) since: Moment,
}

/// The results of an endpoint's checks.
#[derive(Debug)]
struct Checked {
    streak: Streak,
    status: HealthStatus,
    last: Option<SystemTime>,
    error: Option<String>,
    failures_in_a_row: u32,
    passes_in_a_row: u32,
    checks: u64,
    failures: u64,
}

impl Checked {
    fn new(spec: &CheckSpec) -> Self {
        Self {
            streak: Streak::new(spec.fall, spec.rise),
            status: HealthStatus::Unknown,
            last: None,
            error: None,
            failures_in_a_row: 0,
            passes_in_a_row: 0,
            checks: 0,
            failures: 0,
        }
    }

    fn note(&mut self, result: CheckResult, at: SystemTime) {
        let good = result.status.is_usable();
        self.last = Some(at);
        self.checks += 1;
        self.error = result.error;
        if good {
            self.passes_in_a_row = self.passes_in_a_row.saturating_add(1);
            self.failures_in_a_row = 0;
        } else {
            self.failures += 1;
            self.failures_in_a_row = self.failures_in_a_row.saturating_add(1);
            self.passes_in_a_row = 0;
        }
        self.streak.note(good);
        self.status = match (self.streak.health().is_healthy(), good) {
            (false, _) => HealthStatus::Critical,
            (true, true) => result.status,
            // Not failed often enough: it stays what it was.
            (true, false) => self.status,
        };
    }
}

impl Entry {
    pub(super) fn new(endpoint: Endpoint, now: Moment) -> Self {
        let check = endpoint.check.as_ref().map(Checked::new);
        let mut entry = Self {
            endpoint: Arc::new(endpoint),
            renewed: now.mono,
            report: None,
            check,
            since: now,
        };
        let status = entry.status();
        Arc::make_mut(&mut entry.endpoint).health = status;
        entry
    }

    /// Replaces the endpoint by a new registration of it. What is known of its health stays, if its
    /// check is the same.
    pub(super) fn replace(&mut self, endpoint: Endpoint, now: Moment) {
        if endpoint.check != self.endpoint.check {
            self.check = endpoint.check.as_ref().map(Checked::new);
        }
        (self.endpoint, self.renewed) = (Arc::new(endpoint), now.mono);
        let status = self.status();
        Arc::make_mut(&mut self.endpoint).health = status;
    }

    /// The worse of check and report.
    pub(super) fn status(&self) -> HealthStatus {
        let checked = self.check.as_ref().map(|it| it.status);
        let reported = self.report.as_ref().map(|it| it.status);
        checked.into_iter().chain(reported).max().unwrap_or_default()
    }

    pub(super) fn report(&mut self, report: HealthReport) {
        self.report = Some(report).filter(|it| it.status != HealthStatus::Unknown);
    }

    /// Notes what a check found. A result for an endpoint without a check is a late one.
    pub(super) fn note(&mut self, result: CheckResult, at: SystemTime) {
        if let Some(check) = &mut self.check {
            check.note(result, at);
        }
    }

    /// Whether the directory's own check says that it does not work: then it is dead, whatever the
    /// network between it and the directory does to its heartbeats.
    pub(super) fn fails_its_check(&self) -> bool {
        self.check.as_ref().is_some_and(|it| it.status == HealthStatus::Critical)
    }

    /// Whether it was critical for longer than its check allows.
    pub(super) fn critical_for_too_long(&self, now: Instant) -> bool {
        let most = self.endpoint.check.as_ref().and_then(|it| it.deregister_after);
        self.endpoint.health == HealthStatus::Critical
            && most.is_some_and(|most| now.saturating_duration_since(self.since.mono) >= most)
    }

    /// The time since the last heartbeat.
    fn age(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.renewed)
    }

    /// Whether the lease ran out.
    pub(super) fn is_expired(&self, now: Instant) -> bool {
        self.age(now) >= self.endpoint.ttl
    }

    /// Whether two thirds of the lease have passed.
    pub(super) fn is_late(&self, now: Instant) -> bool {
        self.age(now) * 3 >= self.endpoint.ttl * 2
    }

    /// The time since the lease ran out.
    pub(super) fn overdue(&self, now: Instant) -> Duration {
        self.age(now).saturating_sub(self.endpoint.ttl)
    }

    /// What is left of the lease.
    pub(super) fn left(&self, now: Instant) -> Duration {
        self.endpoint.ttl.saturating_sub(self.age(now))
    }

    pub(super) fn health(&self) -> Health {
        let check = self.check.as_ref();
        Health {
            id: self.endpoint.id,
            name: self.endpoint.service.clone(),
            status: self.endpoint.health,
            checked: check.is_some(),
            report: self.report.clone(),
            last_check: check.and_then(|it| it.last),
            last_error: check.and_then(|it| it.error.clone()),
            consecutive_failures: check.map_or(0, |it| it.failures_in_a_row),
            consecutive_successes: check.map_or(0, |it| it.passes_in_a_row),
            checks: check.map_or(0, |it| it.checks),
            failures: check.map_or(0, |it| it.failures),
            since: self.since.wall,
        }
    }
}
