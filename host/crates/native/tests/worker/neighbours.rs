//! A worker that misbehaves does not affect another worker beside it.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use crate::support::{Host, Setup, eventually, tests, threads};

tests!(a_neighbour_is_served_meanwhile, no_thread_of_a_worker_stays_in_the_host);

fn a_neighbour_is_served_meanwhile() {
    let neighbour = Host::new();
    for worst in ["segv", "hang", "flood 5000", "print 200000", "hold 120", "threads 500"] {
        let mut setup = Setup::deadline(Duration::from_secs(2));
        (setup.policy.logs, setup.policy.total_memory) = (10, 100 << 20);
        let host = setup.host();
        let (over, served) = (AtomicBool::new(false), AtomicU64::new(0));
        thread::scope(|scope| {
            scope.spawn(|| {
                while !over.load(Ordering::Relaxed) {
                    assert_eq!(neighbour.echo(b"neighbour").unwrap(), b"neighbour", "{worst}");
                    served.fetch_add(1, Ordering::Relaxed);
                }
            });
            eventually("calls", || (served.load(Ordering::Relaxed) > 0).then_some(()));
            let before = served.load(Ordering::Relaxed);
            drop(host.ask(worst));
            eventually("more calls", || (served.load(Ordering::Relaxed) > before).then_some(()));
            over.store(true, Ordering::Relaxed);
        });
    }
}

fn no_thread_of_a_worker_stays_in_the_host() {
    eventually("earlier threads to end", || threads().is_empty().then_some(()));
    let host = Host::new();
    assert!(threads().iter().any(|name| name.starts_with("worker-superv")), "{:?}", threads());
    assert_eq!(host.fails("exit").0, plugbay_core::CallErrorKind::Crashed);
    eventually("the worker to be replaced", || host.ask("again").ok());
    drop(host);
    eventually("the threads of the worker to end", || threads().is_empty().then_some(()));
}
