//! What the balancer knows of each endpoint, and the ready set that follows from it.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use super::member::Record;
use super::{Dice, EjectionReason, Member, ReadySet, Rules, Shared, Strategy, now};
use crate::{Endpoint, EndpointId};

/// An endpoint, for people.
#[derive(Clone, Debug)]
pub struct MemberStatus {
    /// The endpoint and the record of its calls.
    pub member: Arc<Member>,
    /// Whether it is called.
    pub state: MemberState,
}

/// Whether an endpoint is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum MemberState {
    /// It is in the ready set.
    Ready,
    /// It is ejected, and comes back after this time.
    Ejected {
        /// Why.
        reason: EjectionReason,
        /// Until it is in the ready set again.
        remaining: Duration,
    },
    /// The directory says that it is critical.
    Critical,
}

impl fmt::Display for MemberState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ready => f.write_str("ready"),
            Self::Critical => f.write_str("critical"),
            Self::Ejected { reason, remaining } => {
                write!(f, "ejected for {remaining:.1?} ({})", reason.as_str())
            }
        }
    }
}

#[derive(Debug)]
pub(super) struct State {
    strategy: Arc<dyn Strategy>,
    rules: Rules,
    /// In the order of identifiers, which is the order of registration.
    entries: Vec<Entry>,
    maintained: Instant,
    /// When success rates were compared last.
    compared: Instant,
}

#[derive(Debug)]
struct Entry {
    member: Arc<Member>,
    ejection: Option<Ejection>,
    /// Ejections that are not forgiven yet.
    ejections: u32,
}

#[derive(Clone, Copy, Debug)]
struct Ejection {
    reason: EjectionReason,
    until: Instant,
}

impl Entry {
    fn is_usable(&self) -> bool {
        self.member.endpoint().health.is_usable()
    }

    fn is_ready(&self) -> bool {
        self.is_usable() && self.ejection.is_none()
    }
}

impl State {
    pub(super) fn new(strategy: Arc<dyn Strategy>, rules: Rules, now: Instant) -> Self {
        Self { strategy, rules, entries: Vec::new(), maintained: now, compared: now }
    }

    /// Replaces the endpoints. Always a change.
    pub(super) fn replace(
        &mut self,
        endpoints: &[Arc<Endpoint>],
        reports: &Weak<Shared>,
        dice: &Dice,
    ) -> bool {
        // In the order of the entries: the last bits of a sum depend on its order, and a choice between two may depend on
        // these.
        let others = mean_latency(self.entries.iter());
        let mut old: HashMap<EndpointId, Entry> =
            self.entries.drain(..).map(|entry| (entry.member.endpoint().id, entry)).collect();
        for endpoint in endpoints {
            let entry = match old.remove(&endpoint.id) {
                Some(entry) if *entry.member.endpoint() == *endpoint => entry,
                Some(entry) => {
                    let record = Arc::clone(entry.member.record());
                    let member = Member::new(Arc::clone(endpoint), record, Weak::clone(reports));
                    Entry { member: Arc::new(member), ..entry }
                }
                None => {
                    let record = Record::new(&self.rules, others, now(), dice.roll());
                    let member =
                        Member::new(Arc::clone(endpoint), Arc::new(record), Weak::clone(reports));
                    Entry { member: Arc::new(member), ejection: None, ejections: 0 }
                }
            };
            self.entries.push(entry);
        }
        self.entries.sort_unstable_by_key(|entry| entry.member.endpoint().id);
        true
    }

    /// The set that follows from what is known.
    pub(super) fn ready_set(&self, dice: &Dice) -> ReadySet {
        let ready = self.entries.iter().filter(|entry| entry.is_ready());
        let panic = ready.clone().count() * 100
            < self.entries.len() * usize::from(self.rules.panic_threshold);
        let members: Box<[_]> = if panic {
            self.entries.iter().map(|entry| Arc::clone(&entry.member)).collect()
        } else {
            ready.map(|entry| Arc::clone(&entry.member)).collect()
        };
        let picker = self.strategy.picker(&members, dice);
        ReadySet::new(members, picker, panic)
    }

    /// Ejects a member whose breaker has opened, if the rules allow it. Returns whether the set changes.
    pub(super) fn eject(&mut self, member: &Member, now: Instant) -> bool {
        let found = self.entries.iter().position(|entry| entry.member.is_same(member));
        found.is_some_and(|at| self.eject_at(at, EjectionReason::ConsecutiveFailures, now))
    }

    fn eject_at(&mut self, at: usize, reason: EjectionReason, now: Instant) -> bool {
        let members = self.entries.len();
        let ejected = self.entries.iter().filter(|entry| entry.ejection.is_some()).count();
        let entry = &mut self.entries[at];
        if entry.ejection.is_some() || !self.rules.outlier.may_eject(ejected, members) {
            return false;
        }
        entry.ejections = entry.ejections.saturating_add(1);
        let time = self.rules.outlier.ejection_time(entry.ejections);
        let until = now + time;
        entry.ejection = Some(Ejection { reason, until });
        tracing::info!(
            service = %entry.member.endpoint().service,
            endpoint = %entry.member.authority(),
            reason = reason.as_str(),
            pause = ?time,
            "endpoint ejected"
        );
        true
    }

    /// Returns whether the set changes.
    pub(super) fn maintain(&mut self, now: Instant) -> bool {
        let passed = now.saturating_duration_since(self.maintained);
        self.maintained = now;
        let mut changed = false;
        // Before ejections end: one that ends now was not in the set for the interval.
        if now.saturating_duration_since(self.compared) >= self.rules.outlier.interval {
            self.compared = now;
            self.forgive();
            changed = self.compare_success_rates(now);
        }
        for entry in &mut self.entries {
            entry.member.record().latency.fade(passed);
            if entry.ejection.is_some_and(|ejection| ejection.until <= now) {
                entry.ejection = None;
                changed = true;
                tracing::info!(
                    service = %entry.member.endpoint().service,
                    endpoint = %entry.member.authority(),
                    "endpoint back from its ejection"
                );
            }
        }
        changed
    }

    fn forgive(&mut self) {
        for entry in self.entries.iter_mut().filter(|entry| entry.ejection.is_none()) {
            entry.ejections = entry.ejections.saturating_sub(1);
        }
    }

    fn compare_success_rates(&mut self, now: Instant) -> bool {
        let outcomes: Vec<_> =
            self.entries.iter().map(|entry| entry.member.record().take_outcomes()).collect();
        let Some(rules) = self.rules.outlier.success_rate else { return false };
        let Some(threshold) = rules.threshold(&outcomes) else { return false };
        let mut changed = false;
        for (at, outcome) in outcomes.into_iter().enumerate() {
            if rules.rate(outcome).is_some_and(|rate| rate < threshold) {
                changed |= self.eject_at(at, EjectionReason::SuccessRate, now);
            }
        }
        changed
    }

    pub(super) fn status(&self, now: Instant) -> Vec<MemberStatus> {
        let state = |entry: &Entry| match entry.ejection {
            Some(Ejection { reason, until }) => {
                MemberState::Ejected { reason, remaining: until.saturating_duration_since(now) }
            }
            None if entry.is_usable() => MemberState::Ready,
            None => MemberState::Critical,
        };
        let status =
            |entry: &Entry| MemberStatus { member: Arc::clone(&entry.member), state: state(entry) };
        self.entries.iter().map(status).collect()
    }
}

/// The mean of the members' latencies, in seconds.
fn mean_latency<'a>(entries: impl Iterator<Item = &'a Entry>) -> Option<f64> {
    let (sum, count) =
        entries.fold((0.0, 0.0), |(sum, count), entry| (sum + entry.member.latency(), count + 1.0));
    (count > 0.0).then(|| sum / count)
}
