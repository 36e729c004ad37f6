//! The guard under loom: every interleaving of two or three threads. The models check that each
//! change is reported once, to one thread, and that a half-open breaker never gives out too many
//! slots. They fail if the loop is taken out of `change`, or the episode out of the word.

use std::sync::Arc;
use std::time::{Duration, Instant};

use loom::thread;

use super::word::Breaker;
use super::{Guard, Permit, Rules, Transition};
use crate::Health;

type Reported = Option<Transition>;

const RULES: Rules = Rules {
    failures: 2,
    open: Duration::from_secs(1),
    max_open: Duration::from_secs(10),
    probes: 1,
    successes: 1,
};

/// A guard that opened, and a time at which it is half-open.
fn open(rules: Rules) -> (Arc<Guard>, Instant) {
    let now = Instant::now();
    let guard = Arc::new(Guard::new(rules, now, 1));
    for _ in 0..rules.failures {
        let _ = guard.failed(now);
    }
    (guard, now + 2 * rules.open)
}

/// Runs `first` and `second` on threads of their own, and `third` on this one.
fn three<T: 'static>(
    guard: &Arc<Guard>,
    first: impl FnOnce(&Arc<Guard>) -> T + 'static,
    second: impl FnOnce(&Arc<Guard>) -> T + 'static,
    third: impl FnOnce(&Arc<Guard>) -> T,
) -> [T; 3] {
    let (one, two) = (Arc::clone(guard), Arc::clone(guard));
    let one = thread::spawn(move || first(&one));
    let two = thread::spawn(move || second(&two));
    let third = third(guard);
    [one.join().expect("no panic"), two.join().expect("no panic"), third]
}

fn reported(all: &[Reported], which: fn(&Transition) -> bool) -> usize {
    all.iter().flatten().filter(|transition| which(transition)).count()
}

fn opened(transition: &Transition) -> bool {
    matches!(transition, Transition::Opened { .. })
}

fn probes(guard: &Guard) -> u8 {
    match guard.word().breaker {
        Breaker::HalfOpen { probes, .. } => probes,
        _ => 0,
    }
}

#[test]
fn loom_failures_at_the_threshold_open_it_once() {
    loom::model(|| {
        let now = Instant::now();
        let guard = Arc::new(Guard::new(RULES, now, 1));
        let fail = move |guard: &Arc<Guard>| guard.failed(now);
        let all = three(&guard, fail, fail, fail);
        assert_eq!(reported(&all, opened), 1);
    });
}

#[test]
fn loom_a_success_races_the_failures_at_the_threshold() {
    loom::model(|| {
        let now = Instant::now();
        let guard = Arc::new(Guard::new(RULES, now, 1));
        let fail = move |guard: &Arc<Guard>| guard.failed(now);
        let succeed = |guard: &Arc<Guard>| {
            guard.succeeded();
            None
        };
        let all = three(&guard, fail, fail, succeed);
        // The success came first, last or too late: the row ended at two; or it came between,
        // and the row is of one.
        let rest = match guard.word().breaker {
            Breaker::Closed { failures } => failures,
            _ => 0,
        };
        match reported(&all, opened) {
            1 => assert!(matches!(guard.word().breaker, Breaker::Open { .. })),
            _ => assert_eq!(rest, 1, "no failure is forgotten but by a success after it"),
        }
    });
}

#[test]
fn loom_one_caller_is_told_that_it_is_half_open_and_one_gets_the_slot() {
    loom::model(|| {
        let (guard, now) = open(RULES);
        let ask = move |guard: &Arc<Guard>| Permit::acquire(Arc::clone(guard), now).ok();
        let all = three(&guard, ask, ask, ask);
        let admitted: Vec<_> = all.into_iter().flatten().collect();
        assert_eq!(admitted.len(), 1);
        assert_eq!(admitted[0].transition, Some(Transition::HalfOpened));
        assert_eq!(probes(&guard), 1);
        drop(admitted);
        assert_eq!(probes(&guard), 0);
    });
}

#[test]
fn loom_slots_come_back_and_are_never_more_than_there_are() {
    loom::model(|| {
        let (guard, now) = open(Rules { probes: 2, ..RULES });
        let first = Permit::acquire(Arc::clone(&guard), now).expect("half-open").permit;
        let ask = move |guard: &Arc<Guard>| {
            let admitted = Permit::acquire(Arc::clone(guard), now).ok();
            assert!(probes(guard) <= 2);
            admitted
        };
        let give_back = move |guard: &Arc<Guard>| {
            drop(first);
            assert!(probes(guard) <= 2);
            None
        };
        let all = three(&guard, give_back, ask, ask);
        let held = all.iter().flatten().count();
        assert!((1..=2).contains(&held));
        assert_eq!(usize::from(probes(&guard)), held, "no slot is lost");
    });
}

#[test]
fn loom_two_probes_that_disagree_are_told_of_one_change_each_at_most() {
    loom::model(|| {
        let (guard, now) = open(Rules { probes: 2, ..RULES });
        let [good, bad] =
            [(); 2].map(|()| Permit::acquire(Arc::clone(&guard), now).expect("half-open").permit);
        let good = thread::spawn(move || good.succeeded());
        let second = bad.failed(now);
        let first = good.join().expect("no panic");
        let all = [first, second];
        let closed = reported(&all, |transition| matches!(transition, Transition::Closed));
        match guard.word().breaker {
            // Closed first: then the other is the first failure of a row.
            Breaker::Closed { failures } => {
                assert_eq!((closed, reported(&all, opened), failures), (1, 0, 1));
            }
            Breaker::Open { .. } => assert_eq!((closed, reported(&all, opened)), (0, 1)),
            Breaker::HalfOpen { .. } => panic!("expected it to have changed"),
        }
    });
}

#[test]
fn loom_a_late_probe_takes_nothing_from_a_later_episode() {
    loom::model(|| {
        let (guard, now) = open(Rules { probes: 2, ..RULES });
        let [late, failing] =
            [(); 2].map(|()| Permit::acquire(Arc::clone(&guard), now).expect("half-open").permit);
        let late = thread::spawn(move || drop(late));
        let _ = failing.failed(now);
        let later = now + Duration::from_secs(5);
        let fresh = Permit::acquire(Arc::clone(&guard), later).expect("half-open again").permit;
        late.join().expect("no panic");
        assert_eq!(probes(&guard), 1, "the fresh one, and only that");
        drop(fresh);
    });
}

#[test]
fn loom_health_and_breaker_change_in_one_word_and_neither_is_lost() {
    loom::model(|| {
        let now = Instant::now();
        let guard = Arc::new(Guard::new(RULES, now, 1));
        let fail = move |guard: &Arc<Guard>| guard.failed(now);
        let all = three(&guard, fail, |guard| guard.set_health(Health::Unhealthy), fail);
        assert_eq!(reported(&all, opened), 1);
        assert_eq!(reported(&all, |change| matches!(change, Transition::Health(_))), 1);
        assert_eq!(guard.health(), Health::Unhealthy);
        assert!(matches!(guard.word().breaker, Breaker::Open { .. }));
    });
}
