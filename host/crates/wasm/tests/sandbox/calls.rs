//! CPU time and wall time, and calls that were dropped.

use std::pin::pin;
use std::time::{Duration, Instant};

use futures_lite::future::poll_once;
use plugbay_core::{CallErrorKind, Grants, Policy};
use plugbay_fixtures::{Behaviour, Export, Guest};

use crate::support::{TestPlugin, probe, probe_under, start, tokio, until, wait};

const LONG: Duration = Duration::from_secs(50);

/// A handler that waits for `long` by the host's clock.
fn waiting(name: &str, long: Duration, policy: Policy) -> TestPlugin {
    start(&Guest::handler(name).on(Export::Handle, Behaviour::Wait(long)), name, policy)
}

#[test]
fn waiting_for_the_host_costs_no_cpu_time() {
    let policy = Policy { cpu: Duration::from_millis(50), ..Policy::default() };
    let plugin = waiting("waits", Duration::from_millis(300), policy);
    let begin = Instant::now();
    assert_eq!(wait(plugin.ask("in")).unwrap(), "in");
    assert!(begin.elapsed() >= Duration::from_millis(300));
}

#[test]
fn waiting_for_the_host_ends_at_the_deadline() {
    let policy = Policy { deadline: Duration::from_millis(100), ..Policy::default() };
    let plugin = waiting("late", LONG, policy);
    let begin = Instant::now();
    let error = wait(plugin.ask("in")).unwrap_err();
    assert_eq!(error.kind(), CallErrorKind::Deadline, "{error}");
    assert!(begin.elapsed() >= Duration::from_millis(100) && begin.elapsed() < LONG / 2);
    assert_eq!(plugin.stats().discarded, 1);
}

#[test]
fn a_codec_that_waits_ends_at_the_deadline() {
    let policy = Policy { deadline: Duration::from_millis(100), ..Policy::default() };
    let guest = Guest::codec("slow").on(Export::Encode, Behaviour::Wait(LONG));
    let plugin = start(&guest, "slow", policy);
    let begin = Instant::now();
    assert_eq!(plugin.encode().unwrap_err().kind(), CallErrorKind::Deadline);
    assert!(begin.elapsed() < LONG / 2);
}

#[test]
fn after_a_dropped_call_the_next_one_gets_a_new_instance() {
    // The one instance sleeps in the first round, and spins in the second.
    let policy = Policy { instances: 1, deadline: LONG, ..Policy::default() };
    let plugin = probe_under("dropped", Policy { cpu: LONG, ..policy.clone() });
    for (round, body) in (1..).zip(["passes 50000", "ask-time 4000000000"]) {
        let begin = Instant::now();
        let dropped = wait(async {
            tokio::time::timeout(Duration::from_millis(100), plugin.ask(body)).await
        });
        assert!(dropped.is_err(), "{dropped:?}");
        assert_eq!(plugin.stats().discarded, round);
        assert_eq!(plugin.attempt("time"), "0");
        assert!(begin.elapsed() < LONG / 2, "{:?}", begin.elapsed());
        assert_eq!(plugin.stats().instantiations, 1 + round);
    }
    assert_eq!(plugin.stats().instances, 1);
}

#[test]
fn a_dropped_call_leaves_the_queue() {
    let policy = Policy { instances: 1, deadline: LONG, ..Policy::default() };
    let plugin = std::sync::Arc::new(waiting("queued", LONG, policy));
    // The instance was made when the plugin started, so only a poll tells that a call has taken it.
    let ask = || {
        let plugin = std::sync::Arc::clone(&plugin);
        let (polled, is_polled) = std::sync::mpsc::channel();
        let call = tokio().spawn(async move {
            let mut call = pin!(plugin.ask("in"));
            assert!(poll_once(&mut call).await.is_none());
            polled.send(()).unwrap();
            call.await
        });
        is_polled.recv().unwrap();
        call
    };
    let (first, second) = (ask(), ask());
    until("the second call waits", || plugin.stats().waiting == 1);
    second.abort();
    until("no call waits", || plugin.stats().waiting == 0);
    first.abort();
    until("the instance is dropped", || plugin.stats().instances == 0);
    assert_eq!(plugin.stats().discarded, 1);
}

/// The probe's two worlds have the lifecycle in common; the linker merges them.
#[test]
fn a_component_of_two_kinds_serves_both() {
    let plugin = probe("two-kinds", Grants::default());
    assert_eq!(plugin.attempt("variable HOME"), "unset");
    assert_eq!(plugin.decode(&[0xf6]).unwrap(), [0xf6]);
    assert_eq!(plugin.decode(&[0x1c]).unwrap_err().kind(), CallErrorKind::InvalidInput);
}
