//! The lease word under loom: every interleaving of two or three threads, with the
//! reorderings that the declared orderings allow. The event is modelled too, from
//! its own source.
//!
//! The value under the lease is a [`Cell`], which loom watches: an access that is
//! not ordered before the close hook fails the model. That is what shows that the
//! orderings are enough, and weakening one of them in `word.rs` shows that these
//! models notice.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize as Plain, Ordering::SeqCst};

use loom::cell::UnsafeCell;
use loom::future::block_on;
use loom::sync::atomic::{AtomicBool, Ordering::Relaxed};
use loom::thread;

use super::Leased;
use crate::cell::counts::numbered;

/// The leased value: read under a lease, accessed exclusively by the close hook.
///
/// A cell of loom's own, used only through closures that loom checks.
type Cell = UnsafeCell<u32>;

struct Probe {
    entry: Arc<Leased<Cell>>,
    closes: Arc<Plain>,
}

impl Probe {
    fn new() -> Self {
        let closes = Arc::new(Plain::new(0));
        let seen = Arc::clone(&closes);
        let entry = Leased::with_close(UnsafeCell::new(1), move |cell: &Cell| {
            // An exclusive access: loom fails the model if it can overlap a read
            // under a lease, or is not ordered after it.
            cell.with_mut(|_| ());
            seen.fetch_add(1, SeqCst);
        });
        Self { entry: Arc::new(entry), closes }
    }

    /// Uses the value, if a lease is given.
    fn work(entry: &Arc<Leased<Cell>>) -> bool {
        let Ok(lease) = entry.lease() else {
            return false;
        };
        lease.with(|_| ());
        true
    }

    fn assert_drained_once(&self) {
        assert!(self.entry.is_drained());
        assert_eq!(self.closes.load(SeqCst), 1);
    }
}

/// Runs a model of three threads: it has too many interleavings to run all, so only those with at
/// most two preemptions, which is where bugs of this kind are.
fn bounded(model: impl Fn() + Send + Sync + 'static) {
    let mut bounded = loom::model::Builder::new();
    bounded.preemption_bound = Some(2);
    bounded.check(model);
}

#[test]
fn loom_lease_against_close() {
    loom::model(|| {
        let probe = Probe::new();
        let entry = Arc::clone(&probe.entry);
        let user = thread::spawn(move || numbered(1, || Probe::work(&entry)));
        assert!(probe.entry.close());
        user.join().expect("no panic");
        probe.assert_drained_once();
    });
}

#[test]
fn loom_two_late_leases_against_close() {
    bounded(|| {
        let probe = Probe::new();
        let users: Vec<_> = (1..3)
            .map(|number| {
                let entry = Arc::clone(&probe.entry);
                thread::spawn(move || numbered(number, || Probe::work(&entry)))
            })
            .collect();
        probe.entry.close();
        for user in users {
            user.join().expect("no panic");
        }
        probe.assert_drained_once();
    });
}

#[test]
fn loom_last_leave_against_close() {
    loom::model(|| {
        let probe = Probe::new();
        let lease = probe.entry.lease().expect("open");
        let user = thread::spawn(move || {
            numbered(1, || {
                lease.with(|_| ());
                drop(lease);
            });
        });
        probe.entry.close();
        user.join().expect("no panic");
        probe.assert_drained_once();
    });
}

#[test]
fn loom_two_leaves_and_two_closes_run_the_hook_once() {
    loom::model(|| {
        let probe = Probe::new();
        let leases = [(); 2].map(|()| probe.entry.lease().expect("open"));
        let users = leases.into_iter().zip(1..).map(|(lease, number)| {
            let entry = Arc::clone(&probe.entry);
            thread::spawn(move || {
                numbered(number, || {
                    lease.with(|_| ());
                    drop(lease);
                    entry.close()
                })
            })
        });
        let users: Vec<_> = users.collect();
        let firsts = users.into_iter().map(|user| user.join().expect("no panic"));
        assert_eq!(firsts.filter(|first| *first).count(), 1, "one close is the first");
        probe.assert_drained_once();
    });
}

#[test]
fn loom_the_waiter_is_woken_and_sees_the_hook_done() {
    loom::model(|| {
        let probe = Probe::new();
        let lease = probe.entry.lease().expect("open");
        let user = thread::spawn(move || {
            numbered(1, || {
                lease.with(|_| ());
                drop(lease);
            });
        });
        probe.entry.close();
        // A lost wake-up is a deadlock, which loom reports.
        block_on(probe.entry.drained());
        assert_eq!(probe.closes.load(SeqCst), 1);
        // Ordered after the hook, or this access fails the model.
        probe.entry.with_mut(|_| ());
        user.join().expect("no panic");
    });
}

#[test]
fn loom_the_waiter_is_woken_whoever_is_late() {
    bounded(|| {
        let probe = Probe::new();
        let entry = Arc::clone(&probe.entry);
        let user = thread::spawn(move || numbered(1, || Probe::work(&entry)));
        let entry = Arc::clone(&probe.entry);
        let closer = thread::spawn(move || numbered(2, || entry.close()));
        block_on(probe.entry.drained());
        probe.entry.with_mut(|_| ());
        assert!(closer.join().expect("no panic"));
        user.join().expect("no panic");
        probe.assert_drained_once();
    });
}

#[test]
fn loom_drained_is_never_taken_back() {
    loom::model(|| {
        let probe = Probe::new();
        let entry = Arc::clone(&probe.entry);
        let user = thread::spawn(move || numbered(1, || Probe::work(&entry)));
        probe.entry.close();
        if probe.entry.is_drained() {
            // A late caller may be counted just now; it must not show here.
            assert!(probe.entry.is_drained());
        }
        user.join().expect("no panic");
        probe.assert_drained_once();
    });
}

#[test]
fn loom_who_is_refused_sees_what_the_closer_did_before() {
    loom::model(|| {
        let probe = Probe::new();
        // Stands for the newer generation, published before the old one is closed.
        let newer = Arc::new(AtomicBool::new(false));
        let entry = Arc::clone(&probe.entry);
        let published = Arc::clone(&newer);
        let user = thread::spawn(move || {
            if !numbered(1, || Probe::work(&entry)) {
                assert!(published.load(Relaxed), "looked again and found the old generation");
            }
        });
        newer.store(true, Relaxed);
        probe.entry.close();
        user.join().expect("no panic");
    });
}
