//! Calls in flight while their plugin is replaced, and calls that wait for an instance.

use std::time::Duration;

use plugbay::{CallOptions, Codec, Error, Outcome};
use plugbay_fixtures::{Behaviour, Export, Guest};

use crate::support::{Site, place, request, until, wait};

/// Long enough for a swap on a busy machine, short enough for a test.
const SLOW: Behaviour = Behaviour::Wait(Duration::from_millis(1500));

fn handler(stamp: &str, behaviour: Behaviour) -> Guest {
    Guest::handler("h").version(&format!("{stamp}.0.0")).stamp(stamp).on(Export::Handle, behaviour)
}

fn drained(site: &Site, label: &str) -> usize {
    site.count(|it| matches!(it, Outcome::Drained { plugin, .. } if plugin == label))
}

#[test]
fn a_slow_request_finishes_on_the_version_it_began_with() {
    let site = place().plugin("h.wasm", handler("1", SLOW)).unwatched().host();
    std::thread::scope(|scope| {
        let slow = scope.spawn(|| site.handle("h", "").unwrap());
        until("the request is in flight", || site.running("h").unwrap().leases == 1);
        site.drop_in("h.wasm", handler("2", Behaviour::Normal));
        let report = site.reconcile();
        assert_eq!(
            (&report.loaded[..], &report.retired[..]),
            (&["h@2.0.0".to_owned()][..], &["h@1.0.0".to_owned()][..])
        );
        assert_eq!(site.handle("h", "").unwrap(), "2");
        let draining = site.status().draining;
        assert_eq!(draining.len(), 1);
        assert_eq!((&*draining[0].plugin, draining[0].leases), ("h@1.0.0", 1));
        assert_eq!(drained(&site, "h@1.0.0"), 0);
        assert_eq!(slow.join().unwrap(), "1");
    });
    site.wait_for_event(
        "the drain",
        |it| matches!(it, Outcome::Drained { plugin, .. } if plugin == "h@1.0.0"),
    );
    until("no version drains", || site.status().draining.is_empty());
    assert_eq!(drained(&site, "h@1.0.0"), 1);
}

#[test]
fn a_slow_call_reaches_the_other_plugins_of_its_own_generation() {
    let chain = Behaviour::Chain(vec!["slow".into(), "inner".into()]);
    let inner = |stamp: &str| Guest::codec("inner").version(&format!("{stamp}.0.0")).stamp(stamp);
    let site = place()
        .plugin("outer.wasm", Guest::codec("outer").on(Export::Encode, chain))
        .plugin("slow.wasm", Guest::codec("slow").on(Export::Encode, SLOW))
        .plugin("inner.wasm", inner("1"))
        .unwatched()
        .host();
    std::thread::scope(|scope| {
        let slow = scope.spawn(|| site.encode("outer"));
        until("the call is in flight", || site.running("outer").unwrap().leases == 1);
        site.drop_in("inner.wasm", inner("2"));
        site.reconcile();
        assert_eq!(site.encode("inner"), "2");
        // The call has not reached `inner` yet, so version 1 of `inner` must not be shut down.
        assert_eq!(drained(&site, "inner@1.0.0"), 0);
        assert_eq!(slow.join().unwrap(), "1");
    });
    site.wait_for_event(
        "the drain",
        |it| matches!(it, Outcome::Drained { plugin, .. } if plugin == "inner@1.0.0"),
    );
    assert_eq!(site.encode("outer"), "2");
}

#[test]
fn a_snapshot_leases_from_its_own_generation_until_that_is_retired() {
    let codec = |stamp: &str| Guest::codec("c").version(&format!("{stamp}.0.0")).stamp(stamp);
    let site = place().plugin("c.wasm", codec("1")).unwatched().host();
    let snapshot = site.host.snapshot();
    let held = snapshot.lease::<Codec>("c").unwrap();
    assert_eq!((held.generation(), &*held.description().name), (1, "c"));
    site.drop_in("c.wasm", codec("2"));
    site.reconcile();
    // A leased capability still answers. Others are retired, and the next generation answers.
    assert_eq!(held.encode_document(CallOptions::default(), b"\xf6").unwrap(), b"\xf61");
    let late = snapshot.lease::<Codec>("c").unwrap();
    assert_eq!(late.generation(), 2);
    assert_eq!(late.encode_document(CallOptions::default(), b"\xf6").unwrap(), b"\xf62");
    assert_eq!(drained(&site, "c@1.0.0"), 0);
    drop(held);
    site.wait_for_event(
        "the drain",
        |it| matches!(it, Outcome::Drained { plugin, .. } if plugin == "c@1.0.0"),
    );
    let Err(Error::NotFound(_)) = snapshot.lease::<Codec>("d") else { panic!("there is no d") };
}

#[test]
fn a_call_that_outlasts_the_drain_deadline_is_reported_and_finishes() {
    let slow = handler("1", SLOW);
    let site = place().plugin("h.wasm", slow).host_key("drain = '50ms'").unwatched().host();
    std::thread::scope(|scope| {
        let slow = scope.spawn(|| site.handle("h", "").unwrap());
        until("the request is in flight", || site.running("h").unwrap().leases == 1);
        site.drop_in("h.wasm", handler("2", Behaviour::Normal));
        site.reconcile();
        site.wait_for_event(
            "the deadline",
            |it| matches!(it, Outcome::DrainDeadline { plugin, leases: 1, others: 0 } if plugin == "h@1.0.0"),
        );
        assert_eq!(site.handle("h", "").unwrap(), "2");
        // The call ends on its version.
        assert_eq!(slow.join().unwrap(), "1");
    });
    assert_eq!(drained(&site, "h@1.0.0"), 0);
}

#[test]
fn a_removed_plugin_finishes_its_calls() {
    let site = place().plugin("h.wasm", handler("1", SLOW)).unwatched().host();
    std::thread::scope(|scope| {
        let slow = scope.spawn(|| site.handle("h", "").unwrap());
        until("the request is in flight", || site.running("h").unwrap().leases == 1);
        site.remove("h.wasm");
        site.reconcile();
        assert!(site.handler("h").is_err());
        assert_eq!(slow.join().unwrap(), "1");
    });
}

#[test]
fn a_routed_request_keeps_its_snapshot() {
    let version = |stamp: &str| Guest::handler("h").version(&format!("{stamp}.0.0")).stamp(stamp);
    let site = place().plugin("h.wasm", version("1")).unwatched().host();
    let old = site.snapshot();
    let plugbay::RouteMatch::Found(routed) = old.route("POST", "/h") else {
        panic!("expected a route")
    };
    site.drop_in("h.wasm", version("2"));
    site.reconcile();
    assert_eq!((routed.generation(), site.snapshot().generation()), (1, 2));
    // A call that had not begun is served by the current generation.
    let response = wait(routed.handle(CallOptions::default(), request(""))).unwrap();
    assert_eq!(response.body, b"2");
}

#[test]
fn shutdown_waits_for_calls_and_names_late_plugins() {
    for (deadline, late) in [(Duration::from_secs(60), 0), (Duration::from_millis(10), 1)] {
        let site = place().plugin("h.wasm", handler("1", SLOW)).unwatched().host();
        std::thread::scope(|scope| {
            let slow = scope.spawn(|| site.handle("h", "").unwrap());
            until("the request is in flight", || site.running("h").unwrap().leases == 1);
            let names = wait(site.shutdown(deadline));
            assert_eq!(names, vec!["h@1.0.0".to_owned(); late]);
            let error = site.handle("h", "").unwrap_err();
            assert_eq!(error.reason(), "retired");
            assert_eq!(slow.join().unwrap(), "1");
        });
    }
}

#[test]
fn shutdown_waits_for_calls_of_an_older_generation() {
    let chain = Behaviour::Chain(vec!["slow".into(), "inner".into()]);
    let site = place()
        .plugin("outer.wasm", Guest::codec("outer").on(Export::Encode, chain))
        .plugin("slow.wasm", Guest::codec("slow").on(Export::Encode, SLOW))
        .plugin("inner.wasm", Guest::codec("inner").stamp("inner"))
        .unwatched()
        .host();
    std::thread::scope(|scope| {
        let slow = scope.spawn(|| site.encode("outer"));
        until("the call is in flight", || site.running("outer").unwrap().leases == 1);
        // The generation of the call is replaced, and all three of its plugins are also in the next
        // one.
        site.drop_in("other.wasm", Guest::codec("other"));
        assert!(site.reconcile().published);
        assert!(wait(site.shutdown(Duration::from_secs(60))).is_empty());
        assert_eq!(slow.join().unwrap(), "inner");
    });
}

#[test]
fn a_provider_among_several_counts_the_calls_that_may_reach_it() {
    let config = "[capabilities.'handler:h']\nstrategy = 'failover'\nproviders = ['a', 'b']\n";
    let provider = |name: &str| Guest::handler("h").named(name).on(Export::Handle, SLOW);
    let site = place()
        .plugin("a.wasm", provider("a"))
        .plugin("b.wasm", provider("b"))
        .config(config)
        .host_key("drain = '50ms'")
        .unwatched()
        .host();
    std::thread::scope(|scope| {
        let slow = scope.spawn(|| site.handle("h", "").unwrap());
        until("the request is in flight", || site.running("a").unwrap().stats.instances == 1);
        site.drop_in("a.wasm", provider("a").version("2.0.0"));
        site.reconcile();
        site.wait_for_event("the deadline", |it| matches!(it, Outcome::DrainDeadline { plugin, others: 1, .. } if plugin.starts_with("a@")));
        slow.join().unwrap();
    });
}

#[test]
fn more_callers_than_instances_wait_and_all_succeed() {
    let wait_a_little = Behaviour::Wait(Duration::from_millis(5));
    let guest = Guest::both("a")
        .on(Export::Encode, wait_a_little.clone())
        .on(Export::Handle, wait_a_little);
    let config = "[plugins.a]\ninstances = 2\ndeadline = '5m'";
    let site = place().plugin("a.wasm", guest).config(config).unwatched().host();
    std::thread::scope(|scope| {
        for caller in 0..16 {
            let site = &site;
            scope.spawn(move || {
                for _ in 0..10 {
                    if caller % 2 == 0 {
                        assert_eq!(site.encode("a"), "");
                    } else {
                        assert_eq!(site.handle("a", "in").unwrap(), "in");
                    }
                }
            });
        }
    });
    let stats = site.running("a").unwrap().stats;
    assert_eq!((stats.instances, stats.instantiations, stats.discarded), (2, 2, 0));
}

#[test]
fn more_callers_than_fresh_instances_wait_and_all_succeed() {
    let config = "[plugins.a]\ninstances = 1\nreuse = 'fresh'\ndeadline = '5m'";
    let site = place().plugin("a.wasm", Guest::both("a")).config(config).unwatched().host();
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..20 {
                    assert_eq!(site.encode("a"), "");
                    assert_eq!(site.handle("a", "in").unwrap(), "in");
                }
            });
        }
    });
    let stats = site.running("a").unwrap().stats;
    assert_eq!((stats.instances, stats.instantiations), (0, 1 + 8 * 20 * 2));
}

#[test]
fn waiting_for_an_instance_ends_at_the_deadline() {
    let spins = || Behaviour::Spin;
    let guest = Guest::both("a").on(Export::Encode, spins()).on(Export::Handle, spins());
    let config = "[plugins.a]\ninstances = 1\ncpu = '1h'\ndeadline = '500ms'\nbreaker_failures = 0";
    let site = place().plugin("a.wasm", guest).config(config).unwatched().host();
    let encode = || site.codec("a").unwrap().encode_document(b"").unwrap_err();
    let handle = || site.handle("a", "").unwrap_err();
    let errors: Vec<Error> = std::thread::scope(|scope| {
        let calls =
            (0..8).map(|call| scope.spawn(move || if call < 4 { encode() } else { handle() }));
        let calls: Vec<_> = calls.collect();
        calls.into_iter().map(|call| call.join().unwrap()).collect()
    });
    for error in &errors {
        let Error::Call(error) = error else { panic!("expected a failed call, found {error}") };
        assert_eq!(error.plugin(), Some("a@1.0.0"));
        assert!(error.message().contains("within 500ms"), "{error}");
    }
    // The call with the instance reaches its deadline, and so does the one that waits for it.
    let reasons: std::collections::BTreeSet<_> = errors.iter().map(Error::reason).collect();
    assert_eq!(reasons, ["deadline", "overloaded"].into());
    // A discarded instance is replaced.
    until("the plugin decodes", || site.codec("a").unwrap().decode_document(b"\xf6").is_ok());
}
