//! The state machine, with exact times.

use std::time::{Duration, SystemTime};

use super::*;
use crate::store::{Loaded, MemoryStore, Record, Store as _};
use crate::wire::{
    ChangeKind, DeregisterReason, EndpointId, HealthReport, HealthStatus, Registration, Sequence,
    ServiceName,
};

/// A directory and a clock that moves when it is told to.
struct Fixture {
    directory: Directory,
    now: Moment,
    ids: u8,
}

impl Fixture {
    fn new() -> Self {
        Self::with(Limits::default())
    }

    fn with(limits: Limits) -> Self {
        let wall = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000);
        let now = Moment { wall, ..Moment::now() };
        Self { directory: Directory::new(limits, Sequence(0)), now, ids: 0 }
    }

    fn pass(&mut self, seconds: f64) {
        self.now.mono += Duration::from_secs_f64(seconds);
    }

    fn new_id(&mut self) -> EndpointId {
        self.ids += 1;
        EndpointId::new(SystemTime::UNIX_EPOCH, [self.ids; 10])
    }

    fn try_register(&mut self, json: &str) -> Result<Registered, RegisterError> {
        self.register_as(json, &Actor::anyone())
    }

    fn register_as(&mut self, json: &str, actor: &Actor) -> Result<Registered, RegisterError> {
        let registration = Registration::from_json(json.as_bytes()).unwrap();
        let id = self.new_id();
        let Decision { records, answer } =
            self.directory.register(registration, actor, id, self.now)?;
        self.directory.apply(&records, self.now);
        Ok(answer)
    }

    /// Registers an endpoint of `web` with a lease of 30 s.
    fn web(&mut self, port: u16) -> EndpointId {
        self.try_register(&web(port)).unwrap().id
    }

    fn beat(&mut self, id: EndpointId) -> Result<(), EndpointError> {
        self.directory.heartbeat("web", id, &Actor::anyone(), None, self.now).map(drop)
    }

    fn sweep(&mut self) -> Vec<(EndpointId, DeregisterReason)> {
        let records = self.directory.sweep(self.now);
        self.directory.apply(&records, self.now);
        self.directory.flag_retained(self.now);
        let left = |record: Record| match record {
            Record::Remove { id, reason, .. } => Some((id, reason)),
            _ => None,
        };
        records.into_iter().filter_map(left).collect()
    }

    fn visible(&self) -> usize {
        self.directory.lookup("web", &Query::default(), self.now).endpoints.len()
    }
}

fn web(port: u16) -> String {
    format!(r#"{{"name": "web", "host": "10.0.0.1", "port": {port}}}"#)
}

fn checked(port: u16) -> String {
    format!(
        r#"{{"name": "web", "host": "10.0.0.1", "port": {port}, "ttl": 3600,
        "check": {{"tcp": true, "fall": 3, "rise": 2, "deregister_after": 60}}}}"#
    )
}

fn result(status: HealthStatus) -> CheckResult {
    CheckResult { status, error: (status != HealthStatus::Passing).then(|| "why".into()) }
}

#[test]
fn a_lease_ends_without_a_sweep_and_a_heartbeat_renews_it() {
    let mut it = Fixture::new();
    let id = it.web(1);
    it.pass(29.0);
    assert_eq!((it.visible(), it.beat(id)), (1, Ok(())));
    it.pass(29.9);
    assert_eq!(it.visible(), 1);
    it.pass(0.1);
    assert_eq!(it.visible(), 0, "nothing swept");
    assert_eq!(it.directory.services(it.now).count(), 0);
    assert_eq!(it.directory.endpoint("web", id, it.now), None);
    assert_eq!(it.beat(id), Err(EndpointError::NotFound));
    assert_eq!(it.sweep(), [(id, DeregisterReason::Expired)]);
    assert_eq!(it.sweep(), []);
    assert_eq!(it.directory.service_of(id), None, "nothing is left of it");
}

#[test]
fn the_wall_clock_decides_nothing() {
    let mut it = Fixture::new();
    let id = it.web(1);
    for wall in [SystemTime::UNIX_EPOCH, SystemTime::now() + Duration::from_secs(86400 * 365)] {
        it.now.wall = wall;
        assert_eq!((it.visible(), it.sweep().len()), (1, 0));
        it.beat(id).unwrap();
    }
}

#[test]
fn many_heartbeats_have_the_effect_of_one() {
    let mut it = Fixture::new();
    let id = it.web(1);
    let before = it.directory.sequence();
    for _ in 0..100 {
        it.beat(id).unwrap();
    }
    assert_eq!(it.directory.sequence(), before);
    it.pass(30.0);
    assert_eq!(it.visible(), 0, "they do not add up");
}

#[test]
fn an_address_belongs_to_one_endpoint_as_long_as_its_lease() {
    let mut it = Fixture::new();
    let id = it.web(1);
    assert_eq!(it.try_register(&web(1)), Err(RegisterError::AddressTaken { id }));
    let other_service = web(1).replace("web", "db");
    it.try_register(&other_service).unwrap();
    let again = format!(r#"{{"id": "{id}", "tags": ["new"], {}"#, &web(1)[1..]);
    assert_eq!(it.try_register(&again), Ok(Registered { id, created: false, replaced: None }));
    let wrong_service = again.replace("web", "db").replace("10.0.0.1", "10.0.0.2");
    assert_eq!(it.try_register(&wrong_service), Err(RegisterError::IdTaken));
    it.pass(30.0);
    let new = it.try_register(&web(1)).unwrap();
    assert!(new.created && new.id != id && new.replaced == Some(id));
    assert_eq!(it.visible(), 1);
}

#[test]
fn registering_again_may_move_an_endpoint_and_frees_its_old_address() {
    let mut it = Fixture::new();
    let id = it.web(1);
    let moved = format!(r#"{{"id": "{id}", {}"#, &web(2)[1..]);
    it.try_register(&moved).unwrap();
    it.web(1);
    assert_eq!(it.visible(), 2);
    let same = it.directory.sequence();
    it.pass(20.0);
    it.try_register(&moved).unwrap();
    assert_eq!(it.directory.sequence(), same, "nothing changed, so nobody is told");
    it.pass(20.0);
    assert_eq!(it.visible(), 1, "but it renewed the lease");
}

#[test]
fn only_its_owner_and_administrators_may_touch_an_endpoint() {
    let mut it = Fixture::new();
    let [ada, bob] = [Actor::named("ada"), Actor::named("bob")];
    let id = it.register_as(&web(1), &ada).unwrap().id;
    let again = format!(r#"{{"id": "{id}", {}"#, &web(1)[1..]);
    assert_eq!(it.register_as(&again, &bob), Err(RegisterError::NotOwner));
    let now = it.now;
    let beat =
        |it: &mut Fixture, actor| it.directory.heartbeat("web", id, actor, None, now).map(drop);
    assert_eq!(beat(&mut it, &bob), Err(EndpointError::NotOwner));
    assert_eq!(it.directory.deregister("web", id, &bob, now), Err(EndpointError::NotOwner));
    assert_eq!(beat(&mut it, &ada), Ok(()));
    let root = Actor { name: Some("root".into()), admin: true };
    assert!(it.register_as(&again, &root).is_ok());
    let endpoint = it.directory.endpoint("web", id, now).unwrap();
    assert_eq!(endpoint.owner.as_deref(), Some("ada"), "an administrator does not take it over");
    assert!(it.directory.deregister("web", id, &root, now).is_ok());
}

#[test]
fn a_directory_has_bounds() {
    let mut it = Fixture::with(Limits { endpoints: 3, per_service: 2, ..Limits::default() });
    it.web(1);
    it.web(2);
    let full = it.try_register(&web(3)).unwrap_err();
    assert_eq!(full, RegisterError::Full { most: 2, of: "of this service" });
    let db = web(1).replace("web", "db");
    it.try_register(&db).unwrap();
    let full = it.try_register(&db.replace("10.0.0.1", "10.0.0.2")).unwrap_err();
    assert_eq!(full, RegisterError::Full { most: 3, of: "in the directory" });
}

#[test]
fn the_last_set_is_kept_when_most_leases_end_at_once() {
    let mut it = Fixture::new();
    let ids: Vec<_> = (1..=10).map(|port| it.web(port)).collect();
    // Heartbeats come every 10 s, not all at once, until the network fails at 100 s.
    for second in 0..100 {
        it.pass(1.0);
        for id in ids.iter().skip(second % 10).step_by(10) {
            it.beat(*id).unwrap();
        }
    }
    for second in 1..=120 {
        it.pass(1.0);
        it.sweep();
        assert_eq!(it.visible(), 10, "after {second} s");
    }
    let kept = it.directory.lookup("web", &Query::default(), it.now).endpoints;
    assert!(kept.iter().all(|endpoint| endpoint.retained));
    // One after the other comes back.
    for id in &ids[..4] {
        it.beat(*id).unwrap();
    }
    it.sweep();
    let flagged = |it: &Fixture| {
        let kept = it.directory.lookup("web", &Query::default(), it.now).endpoints;
        kept.iter().filter(|endpoint| endpoint.retained).count()
    };
    assert_eq!((it.visible(), flagged(&it)), (10, 6));
    it.beat(ids[4]).unwrap();
    // Half of them are here again: the others are gone indeed.
    assert_eq!(it.visible(), 5);
    assert_eq!(it.sweep().len(), 5);
}

#[test]
fn a_reader_before_the_sweep_sees_what_one_after_it_sees() {
    let mut it = Fixture::new();
    for port in 1..=10 {
        it.web(port);
    }
    it.pass(31.0);
    let read = |it: &Fixture| it.directory.lookup("web", &Query::default(), it.now).endpoints;
    let before: Vec<_> =
        read(&it).iter().map(|endpoint| (endpoint.id, endpoint.retained)).collect();
    it.sweep();
    let after: Vec<_> = read(&it).iter().map(|endpoint| (endpoint.id, endpoint.retained)).collect();
    assert_eq!(before, after);
    assert!(before.iter().all(|(_, retained)| *retained));
}

#[test]
fn a_mass_expiry_keeps_nothing_for_ever_and_no_node_that_fails_its_check() {
    let mut it = Fixture::new();
    for port in 1..=11 {
        it.web(port);
    }
    let dead = it.try_register(&checked(12).replace("3600", "30")).unwrap().id;
    for _ in 0..3 {
        it.directory.checked(dead, result(HealthStatus::Critical), it.now);
    }
    it.pass(31.0);
    assert_eq!(it.sweep(), [(dead, DeregisterReason::Expired)]);
    assert_eq!(it.visible(), 11);
    it.pass(598.0);
    assert_eq!((it.sweep().len(), it.visible()), (0, 11));
    it.pass(2.0);
    assert_eq!((it.visible(), it.sweep().len()), (0, 11));
}

#[test]
fn of_a_small_service_most_may_end_at_once() {
    let mut it = Fixture::new();
    for port in 1..=9 {
        it.web(port);
    }
    it.pass(30.0);
    assert_eq!((it.visible(), it.sweep().len()), (0, 9));
}

#[test]
fn a_retained_endpoint_does_not_keep_its_address_from_a_new_process() {
    let mut it = Fixture::new();
    for port in 1..=10 {
        it.web(port);
    }
    it.pass(31.0);
    it.sweep();
    assert!(it.try_register(&web(1)).unwrap().created);
    assert_eq!(it.visible(), 10);
}

#[test]
fn checks_fall_and_rise_and_no_check_is_not_a_failing_one() {
    use HealthStatus::{Critical, Passing, Unknown, Warning};

    let mut it = Fixture::new();
    let bare = it.web(1);
    let id = it.try_register(&checked(2)).unwrap().id;
    let status = |it: &Fixture, id| it.directory.health("web", id, it.now).unwrap().status;
    assert_eq!((status(&it, bare), status(&it, id)), (Passing, Unknown));
    assert_eq!(it.visible(), 2, "what has not been checked is used");
    let steps = [
        (Passing, Passing),
        (Critical, Passing),
        (Critical, Passing),
        (Warning, Warning),
        (Critical, Warning),
        (Critical, Warning),
        (Critical, Critical),
        (Passing, Critical),
        (Critical, Critical),
        (Passing, Critical),
        (Passing, Passing),
    ];
    for (step, (found, expected)) in steps.into_iter().enumerate() {
        let before = status(&it, id);
        let change = it.directory.checked(id, result(found), it.now);
        assert_eq!(status(&it, id), expected, "step {step}");
        assert_eq!(change.is_some(), before != expected, "step {step}");
        assert!(change.is_none_or(|it| it.kind == ChangeKind::HealthChange));
        assert_eq!(it.visible(), if expected == Critical { 1 } else { 2 });
    }
    let health = it.directory.health("web", id, it.now).unwrap();
    assert_eq!((health.checks, health.failures, health.consecutive_successes), (11, 6, 2));
    assert!(health.last_check.is_some() && health.last_error.is_none());
    let all = Query { include_unhealthy: true, ..Query::default() };
    assert_eq!(it.directory.lookup("web", &all, it.now).endpoints.len(), 2);
    assert!(it.directory.checked(bare, result(Critical), it.now).is_none(), "it has no check");
}

#[test]
fn what_is_critical_for_too_long_leaves() {
    let mut it = Fixture::new();
    let id = it.try_register(&checked(1)).unwrap().id;
    let check = |it: &mut Fixture, status| {
        for _ in 0..3 {
            it.directory.checked(id, result(status), it.now);
        }
    };
    check(&mut it, HealthStatus::Critical);
    it.pass(59.0);
    assert_eq!(it.sweep(), []);
    check(&mut it, HealthStatus::Passing);
    check(&mut it, HealthStatus::Critical);
    it.pass(59.0);
    assert_eq!(it.sweep(), [], "the time counts from the last fall");
    it.pass(1.0);
    assert_eq!(it.sweep(), [(id, DeregisterReason::Critical)]);
}

#[test]
fn an_endpoint_reports_its_own_health_and_the_worse_of_both_counts() {
    use HealthStatus::{Critical, Passing, Unknown, Warning};

    let mut it = Fixture::new();
    let id = it.try_register(&checked(1)).unwrap().id;
    it.directory.checked(id, result(Passing), it.now);
    let now = it.now;
    let mut report = |status| {
        let report = HealthReport { status, output: Some("busy".into()) };
        it.directory.heartbeat("web", id, &Actor::anyone(), Some(report), now).unwrap();
        it.directory.health("web", id, now).unwrap().status
    };
    assert_eq!([Warning, Critical, Passing].map(&mut report), [Warning, Critical, Passing]);
    assert_eq!(report(Critical), Critical);
    it.beat(id).unwrap();
    assert_eq!(it.visible(), 0, "a heartbeat that says nothing leaves the report as it is");
    let withdrawn = HealthReport { status: Unknown, output: None };
    it.directory.heartbeat("web", id, &Actor::anyone(), Some(withdrawn), now).unwrap();
    assert_eq!(it.visible(), 1);
}

#[test]
fn lookups_filter_and_go_from_page_to_page() {
    let mut it = Fixture::new();
    for port in 1..=5 {
        let zone = if port % 2 == 0 { "even" } else { "odd" };
        let json = format!(
            r#"{{"name":"web","host":"h","port":{port},"tags":["{zone}","all"],"metadata":{{"zone":"{zone}"}}}}"#
        );
        it.try_register(&json).unwrap();
    }
    let ports = |query: &Query| {
        let found = it.directory.lookup("web", query, it.now);
        let ports: Vec<_> = found.endpoints.iter().map(|endpoint| endpoint.port.get()).collect();
        (ports, found.next)
    };
    let tags = |tags: &[&str]| tags.iter().map(|tag| (*tag).to_owned()).collect();
    let even = Query { tags: tags(&["even", "all"]), ..Query::default() };
    assert_eq!(ports(&even), (vec![2, 4], None));
    let odd = Query { metadata: vec![("zone".into(), "odd".into())], ..Query::default() };
    assert_eq!(ports(&odd).0, [1, 3, 5]);
    let (first, next) = ports(&Query { limit: Some(2), ..Query::default() });
    assert_eq!(first, [1, 2]);
    let (second, next) = ports(&Query { limit: Some(2), after: next, ..Query::default() });
    assert_eq!(second, [3, 4]);
    let (third, next) = ports(&Query { limit: Some(2), after: next, ..Query::default() });
    assert_eq!((third, next), (vec![5], None));
    assert_eq!(ports(&Query { limit: Some(5), ..Query::default() }).1, None);
}

#[test]
fn watchers_catch_up_and_learn_when_they_cannot() {
    let mut it = Fixture::with(Limits { history: 4, ..Limits::default() });
    let web_scope = Scope::Service("web".parse::<ServiceName>().unwrap());
    it.web(1);
    let seen = it.directory.sequence();
    let since = |it: &Fixture, seen, scope: &Scope| {
        it.directory
            .changes_since(seen, scope)
            .map(|caught| caught.changes.iter().map(|change| change.sequence.0).collect::<Vec<_>>())
    };
    assert_eq!(since(&it, Sequence(0), &Scope::All), Ok(vec![1]));
    assert_eq!(since(&it, seen, &Scope::All), Ok(vec![]));
    for port in 1..=4 {
        it.try_register(&web(port).replace("web", "db")).unwrap();
    }
    assert_eq!(since(&it, seen, &Scope::All), Ok(vec![2, 3, 4, 5]));
    assert_eq!(since(&it, Sequence(0), &Scope::All), Err(HistoryLost { since: Sequence(0) }));
    assert_eq!(since(&it, seen, &web_scope), Ok(vec![]));
    it.try_register(&web(5).replace("web", "db")).unwrap();
    assert!(since(&it, seen, &Scope::All).is_err());
    assert_eq!(since(&it, seen, &web_scope), Ok(vec![]), "others' changes cost it nothing");
    assert!(since(&it, Sequence(0), &web_scope).is_err());
    assert!(since(&it, Sequence(1000), &Scope::All).is_err(), "that number was never given out");
    it.web(2);
    assert_eq!(since(&it, Sequence(6), &web_scope), Ok(vec![7]));
}

#[test]
fn every_change_has_a_number_and_names_the_new_state() {
    let mut it = Fixture::new();
    let id = it.try_register(&checked(1)).unwrap().id;
    it.directory.checked(id, result(HealthStatus::Passing), it.now);
    let removal = it.directory.deregister("web", id, &Actor::anyone(), it.now).unwrap();
    it.directory.apply(&removal.records, it.now);
    let changes = it.directory.changes_since(Sequence(0), &Scope::All).unwrap().changes;
    let seen: Vec<_> =
        changes.iter().map(|it| (it.sequence.0, it.kind, it.endpoint.health, it.reason)).collect();
    assert_eq!(
        seen,
        [
            (1, ChangeKind::Register, HealthStatus::Unknown, None),
            (2, ChangeKind::HealthChange, HealthStatus::Passing, None),
            (
                3,
                ChangeKind::Deregister,
                HealthStatus::Passing,
                Some(DeregisterReason::Deregistered)
            ),
        ]
    );
    assert_eq!(changes[1].endpoint.sequence, Sequence(2));
    let json = serde_json::to_value(&*changes[2]).unwrap();
    assert_eq!(json["type"], "deregister");
    assert_eq!(json["endpoint"]["name"], "web");
    assert_eq!(serde_json::from_value::<crate::wire::Change>(json).unwrap(), *changes[2]);
}

#[test]
fn a_directory_that_starts_again_has_its_endpoints_and_repeats_no_number() {
    let mut store = MemoryStore::default();
    let mut it = Fixture::new();
    let mut keep = |directory: &mut Directory, records: Vec<Record>, now| {
        let records: Vec<_> = records.into_iter().chain(directory.reserve()).collect();
        store.append(&records).unwrap();
        directory.apply(&records, now)
    };
    let id = it.new_id();
    let registration = Registration::from_json(checked(1).as_bytes()).unwrap();
    let decision = it.directory.register(registration, &Actor::named("ada"), id, it.now).unwrap();
    keep(&mut it.directory, decision.records, it.now);
    // Not stored: it must not be needed to know the numbers.
    it.directory.checked(id, result(HealthStatus::Passing), it.now);
    let last = it.directory.sequence();
    it.pass(3599.0);

    let loaded = store.load().unwrap();
    let mut again = Directory::load(Limits::default(), loaded, Sequence(0), it.now);
    let endpoint = again.endpoint("web", id, it.now).unwrap();
    assert_eq!(endpoint.owner.as_deref(), Some("ada"));
    assert_eq!(endpoint.health, HealthStatus::Unknown);
    assert_eq!(again.lease_left("web", id, it.now), Some(Duration::from_secs(3600)));
    assert!(again.changes_since(last, &Scope::All).is_err(), "who was there takes a snapshot");
    let change = again.checked(id, result(HealthStatus::Passing), it.now).unwrap();
    assert!(change.sequence > last);
}

#[test]
fn a_new_store_begins_where_it_is_told() {
    let directory =
        Directory::load(Limits::default(), Loaded::default(), Sequence(7), Moment::now());
    assert_eq!(directory.sequence(), Sequence(7));
    assert!(matches!(directory.reserve(), Some(Record::Ceiling { sequence }) if sequence.0 > 1000));
}
