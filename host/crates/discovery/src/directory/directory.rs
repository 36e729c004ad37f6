//! The state machine: its state, and how records change it.
//!
//! - `decide.rs` says what a registration, a deregistration or a sweep would change.
//! - This file applies that.
//! - `lease.rs` has what is applied without a decision: heartbeats, and results of checks.
//! - `read.rs` answers lookups and watchers.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::entry::Entry;
use super::history::History;
use super::limits::Limits;
use super::moment::Moment;
use super::service::Service;
use crate::store::{Loaded, Record};
use crate::wire::{
    Change, ChangeKind, DeregisterReason, Endpoint, EndpointId, Sequence, ServiceName,
};

/// How many sequence numbers are reserved by one record, so that changes that are not stored need no
/// write.
const RESERVED: u64 = 1 << 20;

/// The directory as a state machine: it reads no clock, makes no random number, and never waits.
///
/// ```
/// use plugbay_discovery::{Actor, Directory, EndpointId, Limits, Moment, Query, Registration, Sequence};
///
/// let mut directory = Directory::new(Limits::default(), Sequence(0));
/// let web = Registration::from_json(br#"{"name": "web", "host": "10.0.0.1", "port": 80}"#)?;
/// let now = Moment::now();
/// let decision = directory.register(web, &Actor::anyone(), EndpointId::new(now.wall, [7; 10]), now)?;
/// assert_eq!(directory.services(now).count(), 0, "nothing is changed before the records are kept");
/// let changes = directory.apply(&decision.records, now);
/// assert_eq!(changes[0].sequence, Sequence(1));
/// assert_eq!(directory.lookup("web", &Query::default(), now).endpoints.len(), 1);
///
/// let later = Moment { mono: now.mono + std::time::Duration::from_secs(30), ..now };
/// assert!(directory.lookup("web", &Query::default(), later).endpoints.is_empty(), "before any sweep");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Directory {
    pub(super) services: BTreeMap<ServiceName, Service>,
    pub(super) ids: HashMap<EndpointId, ServiceName>,
    pub(super) history: History,
    pub(super) limits: Limits,
    /// No number from here on may be given out before a record says so.
    ceiling: Sequence,
}

impl Directory {
    /// An empty directory, whose first change has the number after `last`.
    #[must_use]
    pub fn new(limits: Limits, last: Sequence) -> Self {
        let history = History::new(limits.history, last);
        Self {
            services: BTreeMap::new(),
            ids: HashMap::new(),
            history,
            limits,
            ceiling: last.next(),
        }
    }

    /// A directory with what a store kept. All leases begin again in full at `now`. Its first sequence
    /// number is the one after `last`, or a higher one that the store reserved.
    #[must_use]
    pub fn load(limits: Limits, loaded: Loaded, last: Sequence, now: Moment) -> Self {
        // Both, because a directory whose disk failed for long may have gone beyond what it reserved.
        let reserved = loaded.ceiling.map_or(0, |first| first.0.saturating_sub(1));
        let last = last.max(Sequence(reserved));
        let mut directory = Self::new(limits, last);
        for endpoint in loaded.endpoints {
            let (id, name) = (endpoint.id, endpoint.service.clone());
            let endpoint = Endpoint { sequence: last, retained: false, ..endpoint };
            let service = directory.services.entry(name.clone()).or_default();
            service.modified = last;
            service.insert(Entry::new(endpoint, now));
            directory.ids.insert(id, name);
        }
        directory
    }

    /// The record that reserves more sequence numbers, if few are left. A directory with a store
    /// appends it before it goes on.
    #[must_use]
    pub fn reserve(&self) -> Option<Record> {
        let left = self.ceiling.0.saturating_sub(self.history.last().0);
        let sequence = Sequence(self.history.last().0 + RESERVED);
        (left < RESERVED / 2).then_some(Record::Ceiling { sequence })
    }

    /// The number of the last change.
    #[must_use]
    pub fn sequence(&self) -> Sequence {
        self.history.last()
    }

    /// Applies records that were decided on this state, and are kept if they should be. Returns the
    /// changes that watchers see, in order.
    pub fn apply(&mut self, records: &[Record], now: Moment) -> Vec<Arc<Change>> {
        records.iter().filter_map(|record| self.apply_one(record, now)).collect()
    }

    fn apply_one(&mut self, record: &Record, now: Moment) -> Option<Arc<Change>> {
        match record {
            Record::Put { endpoint } => self.put(endpoint.clone(), now),
            Record::Remove { service, id, reason } => self.remove(service, *id, *reason, now),
            Record::Ceiling { sequence } => {
                self.ceiling = *sequence;
                None
            }
        }
    }

    fn put(&mut self, endpoint: Endpoint, now: Moment) -> Option<Arc<Change>> {
        let (id, name) = (endpoint.id, endpoint.service.clone());
        let service = self.services.entry(name.clone()).or_default();
        service.forget_address(id);
        let entry = match service.entries.remove(&id) {
            Some(mut entry) => {
                let before = Arc::clone(&entry.endpoint);
                entry.replace(Endpoint { sequence: before.sequence, ..endpoint }, now);
                if entry.endpoint == before {
                    service.insert(entry);
                    return None;
                }
                if entry.endpoint.health != before.health {
                    entry.since = now;
                }
                entry
            }
            None => Entry::new(endpoint, now),
        };
        service.insert(entry);
        self.ids.insert(id, name.clone());
        self.changed(&name, id, ChangeKind::Register, now)
    }

    fn remove(
        &mut self,
        name: &ServiceName,
        id: EndpointId,
        reason: DeregisterReason,
        now: Moment,
    ) -> Option<Arc<Change>> {
        let service = self.services.get_mut(name)?;
        let entry = service.remove(id)?;
        let sequence = self.history.last().next();
        service.modified = sequence;
        if service.entries.is_empty() {
            self.services.remove(name);
        }
        self.ids.remove(&id);
        let kind = ChangeKind::Deregister;
        let change = Change { sequence, kind, reason: Some(reason), endpoint: entry.endpoint };
        Some(self.record(change, now))
    }

    /// Gives a change of an endpoint its number.
    pub(super) fn changed(
        &mut self,
        name: &ServiceName,
        id: EndpointId,
        kind: ChangeKind,
        now: Moment,
    ) -> Option<Arc<Change>> {
        let sequence = self.history.last().next();
        let service = self.services.get_mut(name)?;
        let entry = service.entries.get_mut(&id)?;
        service.modified = sequence;
        Arc::make_mut(&mut entry.endpoint).sequence = sequence;
        let endpoint = Arc::clone(&entry.endpoint);
        Some(self.record(Change { sequence, kind, reason: None, endpoint }, now))
    }

    fn record(&mut self, change: Change, now: Moment) -> Arc<Change> {
        let change = Arc::new(change);
        self.history.push(&change, now.mono);
        change
    }
}
