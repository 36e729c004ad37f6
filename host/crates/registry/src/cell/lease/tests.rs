use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;
use std::time::Duration;

use super::{Closed, Leased};
use crate::cell::step::delayed;

/// Far longer than anything here takes; reached only by a lost wake-up.
const LONG: Duration = Duration::from_secs(30);

/// An entry whose close hook counts its runs.
fn counted() -> (Arc<Leased<&'static str>>, Arc<AtomicUsize>) {
    let closes = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&closes);
    let entry = Leased::with_close("v1", move |_| {
        seen.fetch_add(1, SeqCst);
    });
    (Arc::new(entry), closes)
}

#[test]
fn leases_and_passes_are_counted_in_and_out() {
    let entry = Arc::new(Leased::new("v1"));
    let lease = entry.lease().expect("open");
    let pass = entry.enter().expect("open");
    assert_eq!((*lease, *pass, entry.leases()), ("v1", "v1", 2));
    drop(lease);
    drop(pass);
    assert_eq!(entry.leases(), 0);
}

#[test]
fn a_closed_entry_refuses_and_keeps_its_promises() {
    let (entry, closes) = counted();
    let lease = entry.lease().expect("open");
    assert!(entry.close());
    assert!(!entry.close(), "closing is idempotent");
    assert_eq!(entry.lease().err(), Some(Closed));
    assert_eq!(entry.enter().err(), Some(Closed));
    assert_eq!((*lease, entry.leases()), ("v1", 1), "a refused caller is not counted");
    assert!(entry.is_closed() && !entry.is_drained());
    assert_eq!(closes.load(SeqCst), 0, "not while a lease is out");
    drop(lease);
    assert!(entry.is_drained());
    assert_eq!(closes.load(SeqCst), 1);
}

#[test]
fn closing_an_idle_entry_drains_it_at_once() {
    let (entry, closes) = counted();
    assert!(!entry.is_drained(), "idle is not drained");
    entry.close();
    assert!(entry.is_drained());
    drop(entry);
    assert_eq!(closes.load(SeqCst), 1, "not a second time when dropped");
}

#[test]
fn an_entry_that_was_never_closed_runs_its_hook_when_dropped() {
    let (entry, closes) = counted();
    let lease = entry.lease().expect("open");
    drop(entry);
    assert_eq!(closes.load(SeqCst), 0, "the lease owns it");
    drop(lease);
    assert_eq!(closes.load(SeqCst), 1);
}

#[test]
fn the_last_one_out_wakes_a_blocked_thread() {
    let (entry, closes) = counted();
    let lease = entry.lease().expect("open");
    entry.close();
    assert!(!entry.wait_drained(Duration::ZERO));
    thread::scope(|scope| {
        let waiter = scope.spawn(|| entry.wait_drained(LONG) && closes.load(SeqCst) == 1);
        drop(lease);
        assert!(waiter.join().expect("no panic"), "drained, and the hook had run");
    });
}

#[test]
fn a_wait_without_end_is_no_overflow() {
    let entry = Arc::new(Leased::new(()));
    let lease = entry.lease().expect("open");
    entry.close();
    thread::scope(|scope| {
        let waiter = scope.spawn(|| entry.wait_drained(Duration::MAX));
        drop(lease);
        assert!(waiter.join().expect("no panic"));
    });
}

#[test]
fn the_last_one_out_wakes_a_task_and_a_dropped_wait_loses_nothing() {
    struct Count(AtomicUsize);
    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, SeqCst);
        }
    }
    let entry = Arc::new(Leased::new(()));
    let lease = entry.lease().expect("open");
    entry.close();
    let woken = Arc::new(Count(AtomicUsize::new(0)));
    let waker = Waker::from(Arc::clone(&woken));
    let mut context = Context::from_waker(&waker);

    let mut given_up = Box::pin(entry.drained());
    assert_eq!(given_up.as_mut().poll(&mut context), Poll::Pending);
    drop(given_up);
    let mut waiting = Box::pin(entry.drained());
    assert_eq!(waiting.as_mut().poll(&mut context), Poll::Pending);
    drop(lease);
    assert_eq!(woken.0.load(SeqCst), 1);
    assert_eq!(waiting.as_mut().poll(&mut context), Poll::Ready(()));
}

#[test]
fn a_panicking_hook_still_tells_the_waiters() {
    let entry = Arc::new(Leased::with_close((), |()| panic!("the hook's own trouble")));
    let closed = catch_unwind(AssertUnwindSafe(|| entry.close()));
    assert!(closed.is_err(), "the panic is not swallowed");
    assert!(entry.is_drained());
    drop(entry);
}

#[test]
fn threads_held_up_at_every_step_drain_exactly_once() {
    for seed in 0..2_000 {
        let (entry, closes) = counted();
        let stay = entry.lease().expect("open");
        thread::scope(|scope| {
            let moved = entry.lease().expect("open");
            scope.spawn(|| delayed(seed * 4 + 1, move || drop(moved)));
            for nth in 2..4 {
                let (entry, closes) = (&entry, &closes);
                scope.spawn(move || {
                    delayed(seed * 4 + nth, || {
                        while let Ok(lease) = entry.lease() {
                            assert_eq!(closes.load(SeqCst), 0, "closed under a lease");
                            drop(lease);
                        }
                    });
                });
            }
            delayed(seed * 4 + 4, || entry.close());
            assert_eq!(closes.load(SeqCst), 0, "one lease is still held");
            delayed(seed * 4 + 5, || drop(stay));
            assert!(entry.wait_drained(LONG), "seed {seed}");
        });
        assert_eq!((closes.load(SeqCst), entry.leases()), (1, 0), "seed {seed}");
    }
}

#[test]
fn many_threads_against_one_close_drain_exactly_once() {
    for _ in 0..200 {
        let (entry, closes) = counted();
        thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| {
                    while let Ok(pass) = entry.enter() {
                        assert_eq!(*pass, "v1");
                        assert_eq!(closes.load(SeqCst), 0, "closed under a pass");
                    }
                });
            }
            entry.close();
            assert!(entry.wait_drained(LONG));
        });
        assert_eq!((closes.load(SeqCst), entry.leases()), (1, 0));
    }
}
