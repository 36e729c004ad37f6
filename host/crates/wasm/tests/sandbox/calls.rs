//! Two clocks, and calls that nobody waits for any more.

use std::time::{Duration, Instant};

use plugbay_core::{CallErrorKind, Grants, Policy};
use plugbay_fixtures::{Behaviour, Export, Guest};

use crate::site::{Site, probe, probe_under, start, tokio, until, wait};

const LONG: Duration = Duration::from_secs(50);

/// A handler that waits for the host's clock, `long` unless the call comes first.
fn waiting(name: &str, long: Duration, policy: Policy) -> Site {
    start(&Guest::handler(name).on(Export::Handle, Behaviour::Wait(long)), name, policy)
}

#[test]
fn waiting_for_the_host_costs_no_cpu_time() {
    let policy = Policy { cpu: Duration::from_millis(50), ..Policy::default() };
    let site = waiting("waits", Duration::from_millis(300), policy);
    let begin = Instant::now();
    assert_eq!(wait(site.ask("in")).unwrap(), "in");
    assert!(begin.elapsed() >= Duration::from_millis(300));
}

#[test]
fn waiting_for_the_host_ends_at_the_deadline() {
    let policy = Policy { deadline: Duration::from_millis(100), ..Policy::default() };
    let site = waiting("late", LONG, policy);
    let begin = Instant::now();
    let error = wait(site.ask("in")).unwrap_err();
    assert_eq!(error.kind(), CallErrorKind::Deadline, "{error}");
    assert!(begin.elapsed() >= Duration::from_millis(100) && begin.elapsed() < LONG / 2);
    assert_eq!(site.stats().discarded, 1);
}

#[test]
fn a_codec_that_waits_ends_at_the_deadline() {
    let policy = Policy { deadline: Duration::from_millis(100), ..Policy::default() };
    let guest = Guest::codec("slow").on(Export::Encode, Behaviour::Wait(LONG));
    let site = start(&guest, "slow", policy);
    let begin = Instant::now();
    assert_eq!(site.encode().unwrap_err().kind(), CallErrorKind::Deadline);
    assert!(begin.elapsed() < LONG / 2);
}

#[test]
fn a_dropped_call_costs_the_next_one_nothing_but_an_instance() {
    // The one instance sleeps, then spins, then waits for its turn: each time nobody waits.
    let policy = Policy { instances: 1, deadline: LONG, ..Policy::default() };
    let site = probe_under("dropped", Policy { cpu: LONG, ..policy.clone() });
    for (round, body) in (1..).zip(["passes 50000", "ask-time 4000000000"]) {
        let begin = Instant::now();
        let dropped =
            wait(async { tokio::time::timeout(Duration::from_millis(100), site.ask(body)).await });
        assert!(dropped.is_err(), "{dropped:?}");
        assert_eq!(site.stats().discarded, round);
        assert_eq!(site.attempt("time"), "0");
        assert!(begin.elapsed() < LONG / 2, "{:?}", begin.elapsed());
        assert_eq!(site.stats().instantiations, 1 + round);
    }
    assert_eq!(site.stats().instances, 1);
}

#[test]
fn a_dropped_call_leaves_the_queue() {
    let policy = Policy { instances: 1, deadline: LONG, ..Policy::default() };
    let site = std::sync::Arc::new(waiting("queued", LONG, policy));
    let ask = || {
        let site = std::sync::Arc::clone(&site);
        tokio().spawn(async move { site.ask("in").await })
    };
    let first = ask();
    until("it has the instance", || site.stats().instantiations == 1);
    let second = ask();
    until("one waits", || site.stats().waiting == 1);
    second.abort();
    until("none waits", || site.stats().waiting == 0);
    first.abort();
    until("the instance is gone", || site.stats().instances == 0);
    assert_eq!(site.stats().discarded, 1);
}

/// Its two worlds have the lifecycle in common; the linker merges them.
#[test]
fn a_component_of_two_kinds_serves_both() {
    let site = probe("two-kinds", Grants::default());
    assert_eq!(site.attempt("variable HOME"), "unset");
    assert_eq!(site.decode(&[0xf6]).unwrap(), [0xf6]);
    assert_eq!(site.decode(&[0x1c]).unwrap_err().kind(), CallErrorKind::InvalidInput);
}
