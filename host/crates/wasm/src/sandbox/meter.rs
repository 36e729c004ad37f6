//! The CPU time that guests use.
//!
//! A guest on the caller's stack has the thread to itself until its call returns. One on a fiber
//! shares it: its future is polled now on this thread, now on that one, and between two polls it
//! waits. What it uses is what the thread uses during its polls. While it is polled, another guest
//! may be polled within, one that it called: that one's time is its own.
//!
//! So the thread keeps a mark: the CPU time up to which the guest that runs on it was charged. A
//! poll sets it, a poll within another moves it on by what it took itself, and what was not
//! charged by the end of a poll is owed at the beginning of the next.

use std::cell::Cell;
use std::pin::pin;
use std::time::Duration;

thread_local! {
    /// Nanoseconds of the thread's CPU time up to which the guest was charged that is polled on
    /// it now. Less than zero if it owes more than this thread has used.
    static MARK: Cell<Option<i64>> = const { Cell::new(None) };
}

/// Polls `guest` as a guest: [`charge`] says within it what it used.
pub(crate) async fn metered<T>(guest: impl Future<Output = T>) -> T {
    let mut guest = pin!(guest);
    let mut owed = 0;
    std::future::poll_fn(move |context| {
        let _turn = Turn::begin(owed);
        let poll = guest.as_mut().poll(context);
        if poll.is_pending() {
            owed = uncharged();
        }
        poll
    })
    .await
}

/// What the guest that is polled on this thread has used since it was last asked; `None` if none
/// is.
// Not inlined: a fiber may go on on another thread, where the mark is another.
#[inline(never)]
pub(crate) fn charge() -> Option<Duration> {
    let mark = MARK.get()?;
    let now = nanoseconds();
    MARK.set(Some(now));
    Some(Duration::from_nanos(u64::try_from(now - mark).unwrap_or_default()))
}

/// What the guest that is polled now was not charged yet.
#[inline(never)]
fn uncharged() -> i64 {
    MARK.get().map_or(0, |mark| nanoseconds() - mark)
}

/// One poll of one guest.
struct Turn {
    began: i64,
    /// The mark of the guest in whose poll this one is.
    outer: Option<i64>,
}

impl Turn {
    #[inline(never)]
    fn begin(owed: i64) -> Self {
        let began = nanoseconds();
        Self { began, outer: MARK.replace(Some(began - owed)) }
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

/// Without a clock of the thread, all time counts as its own.
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

    /// Uses so much of this thread's CPU time.
    fn work(time: Duration) {
        let end = cpu_time() + time;
        while cpu_time() < end {}
    }

    async fn once() {
        let mut seen = false;
        std::future::poll_fn(|_| {
            if std::mem::replace(&mut seen, true) { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }

    fn about(found: Option<Duration>, expected: Duration) {
        let found = found.unwrap();
        assert!(found >= expected && found < expected + SOME / 2, "{found:?}, not {expected:?}");
    }

    /// Each poll on a thread of its own; in between, this one works.
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
    fn polls_add_up_and_what_is_between_them_costs_nothing() {
        let found = on_threads(metered(async {
            for _ in 0..3 {
                work(SOME);
                once().await;
            }
            charge()
        }));
        about(found, 3 * SOME);
    }

    #[test]
    fn what_was_charged_is_owed_no_more() {
        let (first, second) = on_threads(metered(async {
            work(SOME);
            let first = charge();
            once().await;
            work(2 * SOME);
            (first, charge())
        }));
        about(first, SOME);
        about(second, 2 * SOME);
    }

    #[test]
    fn a_guest_within_pays_for_itself() {
        let (inner, outer) = on_threads(metered(async {
            work(SOME);
            let inner = metered(async {
                work(SOME);
                once().await;
                work(2 * SOME);
                charge()
            });
            let inner = inner.await;
            work(SOME);
            (inner, charge())
        }));
        about(inner, 3 * SOME);
        about(outer, 2 * SOME);
        assert_eq!(charge(), None);
    }
}
