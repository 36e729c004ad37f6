//! What a client knows of one service: a state machine that events go into. It reads no clock.

use std::collections::{BTreeMap, btree_map};
use std::sync::Arc;
use std::time::Instant;

use super::snapshot::ServiceSnapshot;
use crate::{Change, ChangeKind, Endpoint, EndpointId, Sequence, ServiceName};

/// The endpoints of a service as of one sequence number.
#[derive(Debug)]
pub(super) struct View {
    service: ServiceName,
    /// `None` until the first snapshot.
    sequence: Option<Sequence>,
    endpoints: BTreeMap<EndpointId, Arc<Endpoint>>,
    /// Endpoints that a new directory does not know yet, and how long they are kept.
    kept: BTreeMap<EndpointId, (Arc<Endpoint>, Instant)>,
}

impl View {
    pub(super) fn new(service: ServiceName) -> Self {
        Self { service, sequence: None, endpoints: BTreeMap::new(), kept: BTreeMap::new() }
    }

    pub(super) fn sequence(&self) -> Option<Sequence> {
        self.sequence
    }

    /// Takes a change. Returns whether it was news: changes come again after a reconnection.
    pub(super) fn apply(&mut self, change: &Change) -> bool {
        let is_old = self.sequence.is_none_or(|sequence| change.sequence <= sequence);
        if is_old || change.endpoint.service != self.service {
            return false;
        }
        self.sequence = Some(change.sequence);
        let id = change.endpoint.id;
        self.kept.remove(&id);
        if change.kind == ChangeKind::Deregister {
            self.endpoints.remove(&id);
        } else {
            self.endpoints.insert(id, Arc::clone(&change.endpoint));
        }
        true
    }

    /// Replaces everything. The sequence may be lower than before: the numbers may be of another directory.
    ///
    /// A directory that has just started knows few endpoints, until they register again with their next
    /// heartbeats. If more than half of the endpoints that were known are missing, they are kept for the
    /// length of their leases: by then each has registered again, or it is gone.
    pub(super) fn replace(
        &mut self,
        sequence: Sequence,
        endpoints: impl IntoIterator<Item = Arc<Endpoint>>,
        now: Instant,
    ) {
        let new: BTreeMap<_, _> = endpoints
            .into_iter()
            .filter(|endpoint| endpoint.service == self.service)
            .map(|endpoint| (endpoint.id, endpoint))
            .collect();
        let known = self.endpoints.len();
        let missing: Vec<_> =
            self.endpoints.values().filter(|old| !new.contains_key(&old.id)).cloned().collect();
        self.kept.retain(|id, _| !new.contains_key(id));
        if missing.len() * 2 > known {
            for endpoint in missing {
                let until = now + endpoint.ttl;
                self.kept.insert(endpoint.id, (endpoint, until));
            }
        }
        self.endpoints = new;
        self.sequence = Some(sequence);
    }

    /// Forgets the endpoints that were kept for long enough. Returns whether there were any.
    pub(super) fn expire(&mut self, now: Instant) -> bool {
        let before = self.kept.len();
        self.kept.retain(|_, (_, until)| *until > now);
        self.kept.len() < before
    }

    /// All that is known, for subscribers. An endpoint that is kept is marked as retained, and left out if
    /// another one has its address by now.
    pub(super) fn snapshot(&self) -> ServiceSnapshot {
        let mut all = self.endpoints.clone();
        for (id, (endpoint, _)) in &self.kept {
            let is_replaced = self
                .endpoints
                .values()
                .any(|new| (&new.host, new.port) == (&endpoint.host, endpoint.port));
            if !is_replaced && let btree_map::Entry::Vacant(vacant) = all.entry(*id) {
                vacant.insert(Arc::new(Endpoint { retained: true, ..Endpoint::clone(endpoint) }));
            }
        }
        ServiceSnapshot {
            service: self.service.clone(),
            sequence: self.sequence.unwrap_or_default(),
            endpoints: all.into_values().collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::client::testing::{endpoint, endpoints};

    fn view(known: u16) -> (View, Instant) {
        let now = Instant::now();
        let mut view = View::new("orders".parse().unwrap());
        view.replace(Sequence(10), endpoints(known), now);
        (view, now)
    }

    fn change(sequence: u64, kind: ChangeKind, port: u16) -> Change {
        Change { sequence: Sequence(sequence), kind, reason: None, endpoint: endpoint(port) }
    }

    fn ports(view: &View) -> Vec<u16> {
        view.snapshot().endpoints.iter().map(|endpoint| endpoint.port.get()).collect()
    }

    #[test]
    fn changes_are_applied_once_and_in_order() {
        let (mut view, _) = view(2);
        assert!(view.apply(&change(12, ChangeKind::Register, 3)));
        assert_eq!(ports(&view), [1, 2, 3]);
        assert!(!view.apply(&change(12, ChangeKind::Register, 4)), "the number was seen");
        assert!(!view.apply(&change(11, ChangeKind::Deregister, 3)), "an older number");
        assert!(view.apply(&change(15, ChangeKind::Deregister, 1)));
        assert_eq!((ports(&view), view.sequence()), (vec![2, 3], Some(Sequence(15))));
    }

    #[test]
    fn nothing_is_applied_before_the_first_snapshot() {
        let mut view = View::new("orders".parse().unwrap());
        assert!(!view.apply(&change(12, ChangeKind::Register, 3)));
        assert_eq!(view.sequence(), None);
    }

    #[test]
    fn endpoints_of_other_services_are_not_taken() {
        let mut view = View::new("others".parse().unwrap());
        view.replace(Sequence(1), endpoints(2), Instant::now());
        assert!(!view.apply(&change(2, ChangeKind::Register, 3)));
        assert!(ports(&view).is_empty());
    }

    #[test]
    fn a_directory_that_forgot_most_is_not_believed_for_a_lease() {
        let (mut view, now) = view(4);
        view.replace(Sequence(3), [endpoint(1)], now);
        assert_eq!(ports(&view), [1, 2, 3, 4]);
        let retained: Vec<_> = view.snapshot().endpoints.iter().map(|it| it.retained).collect();
        assert_eq!(retained, [false, true, true, true]);
        // One registers again with a new identifier, one with its own, and one says that it leaves.
        let mut again = change(4, ChangeKind::Register, 20);
        Arc::make_mut(&mut again.endpoint).port = endpoint(2).port;
        assert!(view.apply(&again) && view.apply(&change(5, ChangeKind::Register, 3)));
        assert!(view.apply(&change(6, ChangeKind::Deregister, 4)));
        assert_eq!(ports(&view), [1, 3, 2]);
        assert!(!view.expire(now + Duration::from_secs(29)));
        assert!(view.expire(now + Duration::from_secs(30)));
        assert_eq!(ports(&view), [1, 3, 2]);
    }

    #[test]
    fn a_directory_that_lost_few_is_believed() {
        let (mut view, now) = view(4);
        view.replace(Sequence(20), [endpoint(1), endpoint(4)], now);
        assert_eq!(ports(&view), [1, 4]);
    }
}
