//! The CPU time that guests use.
//!
//! A guest on the caller's stack has the thread to itself until its call returns. A guest on a fiber
//! does not: its future is polled on different threads, and waits between two polls. It is charged
//! the CPU time that the threads use during its polls. A poll may contain a poll of another guest,
//! which the first one called: that time is charged to the other guest.
//!
//! So each thread keeps a mark: the CPU time up to which the guest that is polled on it was charged.
//! A poll sets the mark. A poll within another moves the mark of the outer one by the time that it
//! took. The time that was not charged at the end of a poll is carried over to the next poll.

use std::cell::Cell;
use std::pin::pin;
use std::time::Duration;

thread_local! {
    /// The mark, in nanoseconds of the thread's CPU time; `None` if no guest is polled on it. Less
    /// than zero if the time carried over is more than this thread has used.
    static MARK: Cell<Option<i64>> = const { Cell::new(None) };
}

/// Runs `guest` with its CPU time measured: [`charge`] returns it.
pub(crate) async fn metered<T>(guest: impl Future<Output = T>) -> T {
    let mut guest = pin!(guest);
    let mut carried_over = 0;
    std::future::poll_fn(move |context| {
        let _turn = Turn::begin(carried_over);
        let poll = guest.as_mut().poll(context);
        if poll.is_pending() {
            carried_over = uncharged();
        }
        poll
    })
    .await
}

/// Charges the guest that is polled on this thread: returns the CPU time that it has used since the
/// last charge. `None` if no guest is polled.
// Not inlined: a fiber may continue on another thread, which has a mark of its own.
#[inline(never)]
pub(crate) fn charge() -> Option<Duration> {
    let mark = MARK.get()?;
    let now = nanoseconds();
    MARK.set(Some(now));
    Some(Duration::from_nanos(u64::try_from(now - mark).unwrap_or_default()))
}

/// The CPU time, in nanoseconds, that the guest which is polled now was not charged yet.
#[inline(never)]
fn uncharged() -> i64 {
    MARK.get().map_or(0, |mark| nanoseconds() - mark)
}

/// One poll of one guest.
struct Turn {
    began: i64,
    /// The mark of the guest whose poll contains this one.
    outer: Option<i64>,
}

impl Turn {
    #[inline(never)]
    fn begin(carried_over: i64) -> Self {
        let began = nanoseconds();
        Self { began, outer: MARK.replace(Some(began - carried_over)) }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        MARK.set(self.outer.map(|outer| outer + (nanoseconds() - self.began)));
    }
}

fn nanoseconds() -> i64 {
    i64::try_from(cpu_time().as_nanos()).unwrap_or(i64::MAX)
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
    use std::sync::LazyLock;
    use std::time::Instant;
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

    #[test]
    fn only_cpu_time_during_polls_is_charged() {
        let found = on_threads(metered(async {
            for _ in 0..3 {
                work(SOME);
                yield_once().await;
            }
            charge()
        }));
        assert_about(found, 3 * SOME);
    }

    #[test]
    fn cpu_time_is_charged_once() {
        let (first, second) = on_threads(metered(async {
            work(SOME);
            let first = charge();
            yield_once().await;
            work(2 * SOME);
            (first, charge())
        }));
        assert_about(first, SOME);
        assert_about(second, 2 * SOME);
    }

    #[test]
    fn a_nested_guest_is_charged_for_its_own_polls() {
        let (inner, outer) = on_threads(metered(async {
            work(SOME);
            let inner = metered(async {
                work(SOME);
                yield_once().await;
                work(2 * SOME);
                charge()
            });
            let inner = inner.await;
            work(SOME);
            (inner, charge())
        }));
        assert_about(inner, 3 * SOME);
        assert_about(outer, 2 * SOME);
        assert_eq!(charge(), None);
    }
}
