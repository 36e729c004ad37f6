//! The CPU time that guests use.
//!
//! A guest on the caller's stack has the thread to itself until its call returns. A guest on a fiber
//! does not: its future is polled on different threads, and waits between two polls. It is charged
//! the time of its polls. A poll may contain a poll of another guest, which the first one called: that
//! time is charged to the other guest.
//!
//! Reading a thread's CPU time is a system call, and reading the wall clock is not. The CPU time of a
//! poll is never more than its wall time. So a guest is charged wall time until its caller asks for CPU
//! time, which it does when a limit may be near (`clock.rs`).
//!
//! Each thread keeps a mark: the time up to which the guest that is polled on it was charged. A poll
//! sets the mark. A poll within another moves the mark of the outer one by the time that it took. The
//! time that was not charged at the end of a poll is carried over to the next poll.

use std::cell::Cell;
use std::pin::pin;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

thread_local! {
    /// `None` if no guest is polled on this thread.
    static MARK: Cell<Option<Mark>> = const { Cell::new(None) };
}

/// The time up to which a guest was charged.
#[derive(Clone, Copy)]
struct Mark {
    measure: Measure,
    /// In nanoseconds. Less than zero if the time carried over is more than the clock shows.
    at: i64,
}

/// What a guest is charged for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Measure {
    /// The wall time of its polls, which is at least their CPU time.
    Wall,
    /// The CPU time of its polls.
    Cpu,
}

impl Measure {
    fn now(self) -> i64 {
        static START: LazyLock<Instant> = LazyLock::new(Instant::now);
        let now = match self {
            Self::Wall => START.elapsed(),
            Self::Cpu => cpu_time(),
        };
        i64::try_from(now.as_nanos()).unwrap_or(i64::MAX)
    }
}

/// Runs `guest` with its time measured: [`charge`] returns it.
pub(crate) async fn metered<T>(guest: impl Future<Output = T>) -> T {
    let mut guest = pin!(guest);
    let (mut measure, mut carried_over) = (Measure::Wall, 0);
    std::future::poll_fn(move |context| {
        let _turn = Turn::begin(measure, carried_over);
        let poll = guest.as_mut().poll(context);
        if poll.is_pending() {
            (measure, carried_over) = uncharged();
        }
        poll
    })
    .await
}

/// Charges the guest that is polled on this thread: returns the time that it has used since the last
/// charge, and measures by `next` from now on. `None` if no guest is polled.
// Not inlined: a fiber may continue on another thread, which has a mark of its own.
#[inline(never)]
pub(crate) fn charge(next: Measure) -> Option<Duration> {
    let Mark { measure, at } = MARK.get()?;
    let now = measure.now();
    let marked = if next == measure { now } else { next.now() };
    MARK.set(Some(Mark { measure: next, at: marked }));
    Some(Duration::from_nanos(u64::try_from(now - at).unwrap_or_default()))
}

/// The time that the guest which is polled now was not charged yet, and how it is measured.
#[inline(never)]
fn uncharged() -> (Measure, i64) {
    MARK.get().map_or((Measure::Wall, 0), |Mark { measure, at }| (measure, measure.now() - at))
}

/// One poll of one guest.
struct Turn {
    /// The mark of the guest whose poll contains this one, and the time at which this one began.
    outer: Option<(Mark, i64)>,
}

impl Turn {
    #[inline(never)]
    fn begin(measure: Measure, carried_over: i64) -> Self {
        let outer = MARK.replace(Some(Mark { measure, at: measure.now() - carried_over }));
        Self { outer: outer.map(|mark| (mark, mark.measure.now())) }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        MARK.set(self.outer.map(|(Mark { measure, at }, began)| Mark {
            measure,
            at: at + (measure.now() - began),
        }));
    }
}

/// The CPU time that this thread has used.
#[cfg(unix)]
pub(crate) fn cpu_time() -> Duration {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::try_from(now).unwrap_or_default()
}

/// Without a CPU clock for threads, wall time is used.
#[cfg(not(unix))]
pub(crate) fn cpu_time() -> Duration {
    static START: LazyLock<Instant> = LazyLock::new(Instant::now);
    START.elapsed()
}

#[cfg(test)]
mod tests {
    use std::task::{Context, Poll, Waker};

    use super::*;

    const SOME: Duration = Duration::from_millis(20);

    /// Uses this much CPU time.
    fn work(time: Duration) {
        let end = cpu_time() + time;
        while cpu_time() < end {}
    }

    async fn yield_once() {
        let mut seen = false;
        std::future::poll_fn(|_| {
            if std::mem::replace(&mut seen, true) { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }

    fn assert_about(found: Option<Duration>, expected: Duration) {
        let found = found.unwrap();
        assert!(found >= expected && found < expected + SOME / 2, "{found:?}, not {expected:?}");
    }

    /// Polls the future on a new thread each time; between the polls this thread uses CPU time.
    fn on_threads<T: Send>(future: impl Future<Output = T> + Send) -> T {
        let mut future = Box::pin(future);
        loop {
            work(SOME);
            let poll = std::thread::scope(|scope| {
                let poll = || future.as_mut().poll(&mut Context::from_waker(Waker::noop()));
                scope.spawn(poll).join().unwrap()
            });
            if let Poll::Ready(output) = poll {
                return output;
            }
        }
    }

    /// Measures a guest's CPU time from its first step on.
    async fn metered_exactly<T>(guest: impl Future<Output = T>) -> T {
        metered(async {
            charge(Measure::Cpu);
            guest.await
        })
        .await
    }

    #[test]
    fn only_cpu_time_during_polls_is_charged() {
        let found = on_threads(metered_exactly(async {
            for _ in 0..3 {
                work(SOME);
                yield_once().await;
            }
            charge(Measure::Cpu)
        }));
        assert_about(found, 3 * SOME);
    }

    #[test]
    fn cpu_time_is_charged_once() {
        let (first, second) = on_threads(metered_exactly(async {
            work(SOME);
            let first = charge(Measure::Cpu);
            yield_once().await;
            work(2 * SOME);
            (first, charge(Measure::Cpu))
        }));
        assert_about(first, SOME);
        assert_about(second, 2 * SOME);
    }

    #[test]
    fn wall_time_of_polls_is_at_least_their_cpu_time() {
        let (wall, cpu) = on_threads(metered(async {
            work(SOME);
            yield_once().await;
            work(SOME);
            let wall = charge(Measure::Cpu);
            work(SOME);
            (wall, charge(Measure::Cpu))
        }));
        // The threads of this test work between the polls as well, which is not charged.
        assert!(wall.is_some_and(|wall| wall >= 2 * SOME), "{wall:?}");
        assert_about(cpu, SOME);
    }

    #[test]
    fn a_nested_guest_is_charged_for_its_own_polls() {
        let (inner, outer) = on_threads(metered_exactly(async {
            work(SOME);
            let inner = metered_exactly(async {
                work(SOME);
                yield_once().await;
                work(2 * SOME);
                charge(Measure::Cpu)
            });
            let inner = inner.await;
            work(SOME);
            (inner, charge(Measure::Cpu))
        }));
        assert_about(inner, 3 * SOME);
        assert_about(outer, 2 * SOME);
        assert_eq!(charge(Measure::Cpu), None);
    }
}
