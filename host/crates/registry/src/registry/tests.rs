use std::convert::Infallible;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::Duration;

use super::errors::{ChangeError, RegisterErrorKind as Kind};
use super::*;

/// Far longer than anything here takes; reached only by a lost wake-up.
const LONG: Duration = Duration::from_secs(30);

fn codecs(names: &[&str]) -> Registry<u32> {
    let registry = Registry::new("codec");
    for (name, value) in names.iter().zip(1..) {
        registry.must_register(*name, value);
    }
    registry
}

fn panic_text(act: impl FnOnce()) -> String {
    let panic = catch_unwind(AssertUnwindSafe(act)).expect_err("it panics");
    *panic.downcast::<String>().expect("a formatted message")
}

// === R1: register and get ===

#[test]
fn what_was_registered_is_found() {
    let codecs = codecs(&["json", "yaml"]);
    assert_eq!((*codecs.must_get("json"), *codecs.must_get("yaml")), (1, 2));
    assert!(codecs.contains("json") && !codecs.contains("toml"));
    assert!(codecs.lookup("toml").is_none());
    assert_eq!((codecs.len(), codecs.what()), (2, "codec"));
}

#[test]
fn an_empty_name_and_a_duplicate_are_refused() {
    let codecs = codecs(&["json"]);
    let empty = codecs.register("", 9).expect_err("empty");
    let twice = codecs.register("json", 9).expect_err("twice");
    assert_eq!((empty.kind, twice.kind), (Kind::EmptyName, Kind::Duplicate));
    assert_eq!((empty.reason(), twice.reason()), ("empty-name", "duplicate"));
    assert_eq!(empty.to_string(), "the name of a codec is empty; known: json");
    assert_eq!(twice.to_string(), r#"codec "json" is registered already; known: json"#);
    assert_eq!((codecs.names(), *codecs.must_get("json")), (vec!["json".to_owned()], 1));
}

#[test]
fn a_miss_lists_the_names_and_the_nearest() {
    let missed = codecs(&["yaml", "json"]).get("jsn").expect_err("a typo");
    assert_eq!(missed.known, ["json", "yaml"]);
    assert_eq!(missed.nearest.as_deref(), Some("json"));
    assert_eq!(missed.to_string(), r#"no codec "jsn"; known: json, yaml; did you mean "json"?"#);
}

#[test]
fn the_must_twins_panic_with_the_name_and_the_names_there_are() {
    let codecs = codecs(&["json", "yaml"]);
    let twice = panic_text(|| codecs.must_register("json", 9));
    assert_eq!(twice, r#"codec "json" is registered already; known: json, yaml"#);
    let missed = panic_text(|| drop(codecs.must_get("toml")));
    assert_eq!(missed, r#"no codec "toml"; known: json, yaml"#);
}

// === R3: names ===

#[test]
fn names_are_a_sorted_copy() {
    let codecs = codecs(&["yaml", "cbor", "json"]);
    let mut names = codecs.names();
    assert_eq!(names, ["cbor", "json", "yaml"]);
    names.clear();
    assert_eq!(codecs.len(), 3);
}

// === R6: scopes ===

#[test]
fn registries_of_one_type_share_nothing() {
    let start = Barrier::new(2);
    thread::scope(|scope| {
        for (mine, other) in [("a", "b"), ("b", "a")] {
            let start = &start;
            scope.spawn(move || {
                let registry = codecs(&[mine]);
                let mut changes = registry.subscribe();
                start.wait();
                for _ in 0..100 {
                    registry.replace(mine, 7).expect("it is there");
                    assert!(registry.lookup(other).is_none());
                }
                assert_eq!(changes.wait(Duration::ZERO), Some(101));
                assert_eq!(registry.names(), [mine]);
            });
        }
    });
}

// === R7: hot swap ===

#[test]
fn replace_wants_a_name_that_is_there_and_retires_the_old_entry() {
    let codecs = codecs(&["json"]);
    let missing = codecs.replace("jsn", 9).expect_err("not there");
    assert_eq!(missing.kind, Kind::Missing);
    assert_eq!(missing.to_string(), r#"no codec "jsn"; known: json; did you mean "json"?"#);

    let lease = codecs.must_get("json");
    let old = codecs.replace("json", 2).expect("it is there");
    assert_eq!((*lease, *codecs.must_get("json")), (1, 2));
    assert!(old.is_closed() && !old.is_drained());
    drop(lease);
    assert!(old.is_drained());
}

#[test]
fn an_unregistered_entry_stays_good_for_its_holders_and_closes_after_the_last() {
    let closes = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&closes);
    let entry = Leased::with_close(1, move |_| {
        seen.fetch_add(1, SeqCst);
    });
    let codecs = codecs(&[]);
    codecs.register_entry("json", Arc::new(entry)).expect("new");
    let (one, two) = (codecs.must_get("json"), codecs.must_get("json"));
    let snapshot = codecs.snapshot();

    codecs.unregister("json").expect("it is there");
    assert!(codecs.get("json").is_err());
    assert!(snapshot.table.contains("json"), "a snapshot does not change");
    let refused = snapshot.lease("json").expect_err("no new lease");
    assert!(refused.closed);
    drop(one);
    assert_eq!((*two, closes.load(SeqCst)), (1, 0));
    drop(two);
    assert_eq!(closes.load(SeqCst), 1);
    assert_eq!(codecs.unregister("json").expect_err("gone").kind, Kind::Missing);
}

#[test]
fn publish_shares_what_stays_and_closes_what_leaves() {
    let codecs = codecs(&["cbor", "json", "yaml"]);
    let old = codecs.snapshot();
    let keep = Arc::clone(old.table.get("json").expect("there"));
    let next = [("json", keep), ("toml", 5.into_entry()), ("yaml", 4.into_entry())];
    let change = codecs.publish(next).expect("not frozen");

    assert_eq!(change.added, ["toml"]);
    assert_eq!(change.replaced, ["yaml"]);
    assert_eq!(change.removed, ["cbor"]);
    assert_eq!(change.kept, 1);
    assert_eq!(change.generation.number, old.number + 1);
    let retired: Vec<_> =
        change.retired.iter().map(|(name, entry)| (name.as_str(), ***entry)).collect();
    assert_eq!(retired, [("cbor", 1), ("yaml", 3)]);
    assert!(change.retired.iter().all(|(_, entry)| entry.is_drained()));
    assert!(!codecs.entry("json").expect("there").is_closed());
    assert_eq!(old.table.names().collect::<Vec<_>>(), ["cbor", "json", "yaml"]);
}

#[test]
fn an_entry_under_two_names_is_closed_when_the_second_goes() {
    let codecs = codecs(&["json"]);
    let entry = codecs.entry("json").expect("there");
    codecs.register_entry("application/json", Arc::clone(&entry)).expect("new");
    codecs.unregister("json").expect("there");
    assert!(!entry.is_closed());
    let moved = codecs.publish([("text/json", Arc::clone(&entry))]).expect("not frozen");
    assert!(moved.retired.is_empty() && !entry.is_closed());
    codecs.replace("text/json", 2).expect("there");
    assert!(entry.is_closed());
}

#[test]
fn a_refused_publish_changes_nothing() {
    let codecs = codecs(&["json"]);
    let retired = codecs.replace("json", 2).expect("there");
    let before = codecs.snapshot();
    let kinds = [
        codecs.publish([("a", 1), ("a", 2)]),
        codecs.publish([("", 1)]),
        codecs.publish([("json", retired)]),
    ]
    .map(|refused| refused.expect_err("refused").kind);
    assert_eq!(kinds, [Kind::Duplicate, Kind::EmptyName, Kind::Closed]);
    assert!(Arc::ptr_eq(&before, &codecs.snapshot()));
}

#[test]
fn update_compares_before_it_stores() {
    let codecs = codecs(&["json"]);
    let mut runs = 0;
    let change = codecs
        .update(|now| {
            runs += 1;
            if runs == 1 {
                codecs.must_register("meanwhile", 9);
            }
            Ok::<_, Infallible>(now.table.with("yaml", 2.into_entry()))
        })
        .expect("not frozen");
    assert_eq!((runs, change.added), (2, vec!["yaml".to_owned()]));
    assert_eq!(codecs.names(), ["json", "meanwhile", "yaml"]);
    assert_eq!(codecs.update(|_| Err("no")).expect_err("its own"), ChangeError::Failed("no"));
}

#[test]
fn a_close_hook_that_panics_does_not_spare_the_others() {
    let codecs = codecs(&[]);
    let bad = Arc::new(Leased::with_close(1, |_| panic!("its own trouble")));
    codecs.register_entry("a", bad).expect("new");
    codecs.must_register("b", 2);
    let kept = codecs.entry("b").expect("there");
    let mut changes = codecs.subscribe();
    assert!(catch_unwind(AssertUnwindSafe(|| codecs.publish([("c", 3)]))).is_err());
    assert!(kept.is_closed());
    assert_eq!(codecs.names(), ["c"]);
    assert!(changes.wait(Duration::ZERO).is_some(), "and the subscribers were told");
}

#[test]
fn an_entry_closed_by_hand_is_an_error_and_no_endless_search() {
    let codecs = codecs(&["json"]);
    codecs.entry("json").expect("there").close();
    let missed = codecs.get("json").expect_err("closed");
    assert_eq!(missed.to_string(), r#"codec "json" is closed; known: json"#);
    let lazily = codecs.get_or_register("json", || Ok::<_, Infallible>(2)).expect_err("closed");
    assert!(matches!(lazily, ChangeError::Refused(refused) if refused.kind == Kind::Closed));
    codecs.replace("json", 2).expect("replacing it is the way out");
    assert_eq!(*codecs.must_get("json"), 2);
}

#[test]
fn a_name_that_stays_is_found_through_every_swap() {
    let codecs = codecs(&["json"]);
    let done = AtomicUsize::new(0);
    thread::scope(|scope| {
        scope.spawn(|| {
            for value in 0..2_000 {
                codecs.replace("json", value).expect("there");
            }
            done.store(1, SeqCst);
        });
        while done.load(SeqCst) == 0 {
            assert!(codecs.get("json").is_ok(), "refused, and not looked up again");
        }
    });
}

// === R8: life cycles ===

#[test]
fn a_frozen_registry_refuses_every_change_and_still_answers() {
    let codecs = codecs(&["json"]);
    let mut changes = codecs.subscribe();
    let before = codecs.snapshot();
    codecs.freeze();
    codecs.freeze();
    assert!(codecs.is_frozen());

    let refused = codecs.register("yaml", 2).expect_err("frozen");
    let text = r#"the codec registry is frozen, "yaml" stays as it is; known: json"#;
    assert_eq!(refused.to_string(), text);
    let mut made = false;
    let lazily = codecs.get_or_register("yaml", || {
        made = true;
        Ok::<_, Infallible>(2)
    });
    assert!(!made, "not made in vain");
    let update = codecs.update(|now| Ok::<_, Infallible>(now.table.clone())).expect_err("frozen");
    let kinds = [
        refused.kind,
        codecs.replace("json", 2).expect_err("frozen").kind,
        codecs.unregister("json").expect_err("frozen").kind,
        codecs.publish([("yaml", 2)]).expect_err("frozen").kind,
    ];
    assert_eq!(kinds, [Kind::Frozen; 4]);
    for attempt in [lazily.expect_err("frozen"), update] {
        assert!(matches!(attempt, ChangeError::Refused(refused) if refused.kind == Kind::Frozen));
    }
    assert_eq!(*codecs.must_get("json"), 1);
    assert_eq!(codecs.get_or_register("json", || Err(())).map(|lease| *lease), Ok(1));
    assert_eq!(codecs.snapshot().number, before.number);
    assert_eq!(changes.wait(Duration::ZERO), None);
}

#[test]
fn get_or_register_makes_once_and_hands_its_error_back() {
    let codecs = codecs(&[]);
    assert_eq!(codecs.get_or_register("json", || Err("no")).err(), Some(ChangeError::Failed("no")));
    assert!(codecs.is_empty());
    assert_eq!(*codecs.get_or_register("json", || Ok::<_, Infallible>(1)).expect("made"), 1);
    let unused = || -> Result<u32, Infallible> { unreachable!("it is there") };
    assert_eq!(*codecs.get_or_register("json", unused).expect("there"), 1);
    let empty = codecs.get_or_register("", || Ok::<_, Infallible>(1)).expect_err("empty");
    assert!(matches!(empty, ChangeError::Refused(refused) if refused.kind == Kind::EmptyName));
}

#[test]
fn of_those_who_make_the_same_name_at_once_all_get_the_winners() {
    struct Made(Arc<AtomicUsize>);
    impl Drop for Made {
        fn drop(&mut self) {
            self.0.fetch_add(1, SeqCst);
        }
    }
    const RACERS: usize = 4;
    let drops = Arc::new(AtomicUsize::new(0));
    let registry = Registry::new("thing");
    // Inside the constructors: nobody gets on before all have found it missing,
    // which also shows that no lock is held there.
    let all_make = Barrier::new(RACERS);
    thread::scope(|scope| {
        let racers: Vec<_> = (0..RACERS)
            .map(|_| {
                scope.spawn(|| {
                    registry.get_or_register("one", || {
                        all_make.wait();
                        Ok::<_, Infallible>(Made(Arc::clone(&drops)))
                    })
                })
            })
            .collect();
        let leases: Vec<_> = racers
            .into_iter()
            .map(|racer| racer.join().expect("no panic").expect("made"))
            .collect();
        assert!(
            leases.iter().all(|lease| Arc::ptr_eq(Lease::entry(lease), Lease::entry(&leases[0])))
        );
        assert_eq!(Lease::entry(&leases[0]).leases(), RACERS);
    });
    assert_eq!(drops.load(SeqCst), RACERS - 1, "the losers' values");
    assert_eq!(registry.snapshot().number, 1);
}

// === Changes ===

#[test]
fn a_subscriber_is_told_the_newest_once() {
    let codecs = codecs(&["json"]);
    let mut changes = codecs.subscribe();
    assert_eq!(changes.wait(Duration::ZERO), None, "nothing new yet");
    let mut second = changes.clone();
    for value in 0..3 {
        codecs.replace("json", value).expect("there");
    }
    assert_eq!(changes.wait(LONG), Some(4));
    assert_eq!(changes.wait(Duration::ZERO), None);
    assert_eq!((changes.seen(), second.wait(LONG)), (4, Some(4)));
}

#[test]
fn the_last_change_is_reported_before_the_end() {
    let codecs = codecs(&[]);
    let mut changes = codecs.subscribe();
    codecs.must_register("json", 1);
    drop(codecs);
    assert_eq!((changes.wait(LONG), changes.wait(LONG)), (Some(1), None));
}

#[test]
fn a_blocked_subscriber_hears_every_last_word() {
    let codecs = codecs(&["json"]);
    let mut changes = codecs.subscribe();
    thread::scope(|scope| {
        let listener = scope.spawn(move || {
            let mut told = Vec::new();
            while changes.seen() < 501 {
                told.push(changes.wait(LONG).expect("told in time"));
            }
            told
        });
        for value in 0..500 {
            codecs.replace("json", value).expect("there");
        }
        let told = listener.join().expect("no panic");
        assert!(told.is_sorted() && told.last() == Some(&501), "{told:?}");
    });
}

#[test]
fn with_holds_a_lease_while_it_works_and_misses_like_get() {
    let registry = Registry::new("codec");
    registry.register("json", 7).unwrap();
    let entry = Arc::clone(Lease::entry(&registry.get("json").unwrap()));
    let seen = registry.with("json", |value| (*value, entry.leases())).unwrap();
    assert_eq!(seen, (7, 1));
    assert_eq!(entry.leases(), 0);
    let missed = registry.with("jsn", |value| *value).unwrap_err();
    assert_eq!(missed.to_string(), registry.get("jsn").unwrap_err().to_string());
    registry.unregister("json").unwrap();
    assert!(registry.with("json", |value| *value).is_err());
}
