//! What a guard costs a healthy call: `cargo run --release -p plugbay-guard --example cost`.
//!
//! Each figure is the best of several runs, less the empty loop. The word is hidden from the
//! optimizer before each load, as it is in a program where other threads may change it.

use std::hint::black_box;
use std::time::Instant;

use plugbay_guard::{Guard, Rules};

const CALLS: u32 = 20_000_000;

fn main() {
    let guard = Guard::new(Rules::default(), Instant::now(), 1);
    let empty = best(|| {
        black_box(&guard);
    });
    let bare = best(|| {
        if black_box(&guard).is_clear() {
            black_box(&guard).succeeded();
        }
    });
    let permit = best(|| {
        let guard = black_box(&guard);
        let permit = if guard.is_clear() {
            guard.pass()
        } else {
            let Ok(admitted) = guard.admit(Instant::now()) else { return };
            admitted.permit
        };
        let _ = black_box(permit).succeeded();
    });
    println!("an empty loop:          {empty:.2} ns");
    println!("is_clear and succeeded: {:.2} ns", bare - empty);
    println!("the same, by a permit:  {:.2} ns", permit - empty);
}

/// Nanoseconds per call.
fn best(mut call: impl FnMut()) -> f64 {
    let runs = (0..7).map(|_| {
        let start = Instant::now();
        for _ in 0..CALLS {
            call();
        }
        start.elapsed().as_secs_f64() * 1e9 / f64::from(CALLS)
    });
    runs.fold(f64::INFINITY, f64::min)
}
