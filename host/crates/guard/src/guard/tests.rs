use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
use std::thread;
use std::time::{Duration, Instant};

use super::word::Breaker;
use super::{AdmissionError, BreakerState, Guard, Permit, Rules, Transition, Verdict};
use crate::Health;

const MS: Duration = Duration::from_millis(1);

fn rules() -> Rules {
    Rules { failures: 3, probes: 2, successes: 3, ..Rules::default() }
}

/// A guard that opened at `now`, and the time at which it is half-open.
fn open(rules: Rules, now: Instant) -> (Guard, Instant) {
    let guard = Guard::new(rules, now, 1);
    let last = (0..rules.failures).filter_map(|_| guard.failed(now)).last();
    let Some(Transition::Opened { duration, .. }) = last else { panic!("expected it to open") };
    (guard, now + duration)
}

fn before(time: Instant, by: Duration) -> Instant {
    time.checked_sub(by).unwrap()
}

fn duration(transition: Option<Transition>) -> Duration {
    let Some(Transition::Opened { duration, .. }) = transition else {
        panic!("expected it to open, found {transition:?}")
    };
    duration
}

#[test]
fn a_held_guard_admits_nothing_and_goes_on_counting() {
    let now = Instant::now();
    let (guard, half_open) = open(rules(), now);
    assert!(guard.hold(true) && !guard.hold(true) && guard.is_held());
    // Not even a probe, whatever the breaker and the health say.
    assert_eq!(guard.admit(half_open).unwrap_err(), AdmissionError::Held);
    let _ = guard.set_health(Health::Unhealthy);
    assert_eq!(guard.admit(half_open).unwrap_err(), AdmissionError::Held);
    let _ = guard.set_health(Health::Healthy);
    assert!(guard.hold(false));
    let probe = guard.admit(half_open).unwrap().permit;
    // A call that was admitted before counts when it ends.
    guard.hold(true);
    assert!(matches!(probe.failed(half_open), Some(Transition::Opened { .. })));
    assert!(guard.is_held() && !guard.is_clear());
    guard.hold(false);
    assert!(matches!(guard.state(half_open), BreakerState::Open { .. }));
}

#[test]
fn a_reset_closes_whatever_was_counted() {
    let now = Instant::now();
    let (guard, _) = open(rules(), now);
    assert_eq!(guard.reset(), Some(Transition::Closed));
    assert!(guard.is_clear());
    assert_eq!((guard.failed(now), guard.failures()), (None, 1));
    assert_eq!((guard.reset(), guard.is_clear()), (None, true));
    guard.hold(true);
    assert_eq!((guard.reset(), guard.is_held()), (None, true), "the hold is another switch");
}

#[test]
fn failures_in_a_row_open_it_and_a_success_ends_the_row() {
    let now = Instant::now();
    let guard = Guard::new(rules(), now, 1);
    for _ in 0..2 {
        assert_eq!(guard.failed(now), None);
    }
    assert_eq!((guard.failures(), guard.is_clear()), (2, false));
    guard.succeeded();
    assert_eq!((guard.failures(), guard.is_clear()), (0, true));
    assert_eq!(guard.failed(now), None);
    assert_eq!(guard.pass().ended(Verdict::Neutral, now), None);
    assert_eq!(guard.failed(now), None, "the neutral one neither counted nor ended the row");
    let reported = guard.failed(now);
    let remaining = duration(reported);
    assert_eq!(reported, Some(Transition::Opened { failures: 3, duration: remaining }));
    assert_eq!(guard.state(now), BreakerState::Open { remaining });
    assert_eq!(guard.failed(now), None, "reported once");
    assert!(remaining >= rules().open.mul_f64(0.9) && remaining <= rules().open.mul_f64(1.1));
}

#[test]
fn a_call_that_is_admitted_while_failures_are_counted_is_no_probe() {
    let now = Instant::now();
    let guard = Guard::new(rules(), now, 1);
    assert_eq!(guard.failed(now), None);
    let admitted = guard.admit(now).unwrap();
    assert!(!admitted.permit.is_probe());
    assert_eq!(admitted.permit.succeeded(), None);
    assert!(guard.is_clear());
}

#[test]
fn no_failures_is_never_and_counts_nothing() {
    let now = Instant::now();
    let guard = Guard::new(Rules { failures: 0, ..rules() }, now, 1);
    for _ in 0..1000 {
        assert_eq!(guard.failed(now), None);
    }
    assert!(guard.is_clear(), "or each call would pay for a breaker that is switched off");
}

#[test]
fn an_open_one_refuses_and_says_for_how_long() {
    let now = Instant::now();
    let (guard, until) = open(rules(), now);
    let refused = guard.admit(before(until, 7 * MS)).unwrap_err();
    assert_eq!(refused, AdmissionError::Open { wait: 7 * MS });
    assert_eq!((refused.retry_after(), refused.reason()), (Some(7 * MS), "breaker-open"));
    assert_eq!(
        refused.to_string(),
        "the plugin failed too often in a row; the next call is admitted in 7.0ms"
    );
    guard.succeeded();
    assert_eq!(
        guard.state(before(until, MS)),
        BreakerState::Open { remaining: MS },
        "a late success is late"
    );
    assert_eq!(guard.state(until), BreakerState::HalfOpen);
}

#[test]
fn half_open_lets_few_through_at_a_time_and_successes_close_it() {
    let now = Instant::now();
    let (guard, until) = open(rules(), now);
    let first = guard.admit(until).unwrap();
    assert_eq!(first.transition, Some(Transition::HalfOpened));
    let second = guard.admit(until).unwrap();
    assert_eq!(second.transition, None, "reported once");
    assert!(first.permit.is_probe() && second.permit.is_probe());
    assert_eq!(guard.admit(until).unwrap_err(), AdmissionError::Probing);
    drop(second.permit);
    let third = guard.admit(until).unwrap().permit;
    assert_eq!(first.permit.succeeded(), None);
    assert_eq!(third.succeeded(), None, "the dropped one did not count");
    assert_eq!(guard.admit(until).unwrap().permit.succeeded(), Some(Transition::Closed));
    assert!(guard.is_clear());
    assert_eq!(guard.state(until), BreakerState::Closed);
}

#[test]
fn a_failed_probe_opens_it_for_twice_as_long_up_to_the_longest() {
    let start = Instant::now();
    let (guard, mut until) = open(rules(), start);
    for nominal in [10, 20, 40, 60, 60] {
        let again = duration(guard.admit(until).unwrap().permit.failed(until));
        let nominal = Duration::from_secs(nominal);
        assert!(again.abs_diff(nominal) <= nominal / 10 + MS, "{again:?} for {nominal:?}");
        until += again;
    }
    for _ in 0..3 {
        guard.admit(until).unwrap().permit.succeeded();
    }
    let fresh = duration((0..3).filter_map(|_| guard.failed(until)).last());
    assert!(fresh < Duration::from_secs(6), "closing forgets the doublings, found {fresh:?}");
}

#[test]
fn a_probe_of_an_earlier_episode_holds_no_slot_of_a_later_one() {
    let now = Instant::now();
    let (guard, until) = open(rules(), now);
    let [late, failing] = [(); 2].map(|()| guard.admit(until).unwrap().permit);
    let later = until + duration(failing.failed(until));
    let probes = [(); 2].map(|()| guard.admit(later).unwrap().permit);
    assert_eq!(late.succeeded(), None);
    assert_eq!(guard.admit(later).unwrap_err(), AdmissionError::Probing, "no slot came back");
    drop(probes);
    assert!(guard.admit(later).is_ok());
}

#[test]
fn a_late_probe_counts_like_any_call_once_it_is_closed() {
    let now = Instant::now();
    let (guard, until) = open(Rules { successes: 1, ..rules() }, now);
    let [late, first] = [(); 2].map(|()| guard.admit(until).unwrap().permit);
    assert_eq!(first.succeeded(), Some(Transition::Closed));
    assert_eq!(late.failed(until), None);
    assert_eq!(guard.failures(), 1);
}

#[test]
fn health_is_beside_the_breaker() {
    let now = Instant::now();
    let guard = Guard::new(rules(), now, 1);
    assert_eq!(guard.set_health(Health::Healthy), None);
    assert_eq!(guard.set_health(Health::Unhealthy), Some(Transition::Health(Health::Unhealthy)));
    assert_eq!(guard.set_health(Health::Unhealthy), None, "reported once");
    assert_eq!(guard.admit(now).unwrap_err(), AdmissionError::Unhealthy);
    assert_eq!(guard.state(now), BreakerState::Closed);
    let until = now + duration((0..3).filter_map(|_| guard.failed(now)).last());
    assert_eq!(guard.admit(until).unwrap_err(), AdmissionError::Unhealthy);
    assert_eq!(guard.health(), Health::Unhealthy);
    assert_eq!(guard.set_health(Health::Healthy), Some(Transition::Health(Health::Healthy)));
    assert_eq!(guard.admit(until).unwrap().transition, Some(Transition::HalfOpened));
}

#[test]
fn a_time_before_the_start_counts_as_the_start() {
    let start = Instant::now() + Duration::from_secs(1000);
    let guard = Guard::new(Rules { failures: 1, ..rules() }, start, 1);
    let remaining = duration(guard.failed(before(start, Duration::from_secs(500))));
    assert_eq!(guard.state(start), BreakerState::Open { remaining });
}

#[test]
fn guards_that_opened_together_come_back_apart() {
    let now = Instant::now();
    let lengths: std::collections::BTreeSet<_> = (0..100)
        .map(|seed| duration(Guard::new(Rules { failures: 1, ..rules() }, now, seed).failed(now)))
        .collect();
    assert!(lengths.len() > 80, "{} of 100 differ", lengths.len());
}

/// More threads than the models can have. A change that was lost or reported twice would leave the
/// sums unequal.
#[test]
fn many_threads_are_told_of_each_change_once() {
    let now = Instant::now();
    let rules = Rules { failures: 4, probes: 3, successes: 2, open: MS, max_open: MS };
    let guard = Arc::new(Guard::new(rules, now, 1));
    let sums: [_; 4] = [(); 4].map(|()| Arc::new(AtomicU32::new(0)));
    let threads: Vec<_> = (0..4_u32)
        .map(|thread| {
            let guard = Arc::clone(&guard);
            let [by_row, by_probe, half, closed] = sums.clone();
            thread::spawn(move || {
                for call in 0..20_000_u32 {
                    let now = now + call * MS;
                    let Ok(admitted) = Permit::acquire(Arc::clone(&guard), now) else { continue };
                    if admitted.transition.is_some() {
                        half.fetch_add(1, SeqCst);
                    }
                    let is_probe = admitted.permit.is_probe();
                    let reported = match crate::mix::mix(u64::from(call * 4 + thread)) % 4 {
                        0 => admitted.permit.succeeded(),
                        1 => None,
                        _ => admitted.permit.failed(now),
                    };
                    match reported {
                        Some(Transition::Opened { failures: 1, .. }) if is_probe => {
                            by_probe.fetch_add(1, SeqCst)
                        }
                        Some(Transition::Opened { .. }) => by_row.fetch_add(1, SeqCst),
                        Some(Transition::Closed) => closed.fetch_add(1, SeqCst),
                        _ => 0,
                    };
                }
            })
        })
        .collect();
    for thread in threads {
        thread.join().expect("no panic");
    }
    let [by_row, by_probe, half, closed] = sums.map(|sum| sum.load(SeqCst));
    let state = guard.word().breaker;
    let (is_closed, is_half) =
        (matches!(state, Breaker::Closed { .. }), matches!(state, Breaker::HalfOpen { .. }));
    assert_eq!(by_row, closed + u32::from(!is_closed));
    assert_eq!(half, closed + by_probe + u32::from(is_half));
    assert!(by_probe > 100 && closed > 10, "{by_probe} {closed}");
}
