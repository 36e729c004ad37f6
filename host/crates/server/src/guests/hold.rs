//! Whether a call has computed on its connection's thread for too long.
//!
//! On a busy machine the system takes the processor from a thread in the middle of a call, and the wall
//! clock goes on. So the CPU time of the thread decides. Reading it is a system call, and reading the wall
//! clock is not: it is read once a millisecond, and at the end of a call that took long by the wall clock.

use std::cell::Cell;
use std::time::{Duration, Instant};

/// How long a call may compute: a slice of a millisecond, and some time for the system.
const SLICE: Duration = Duration::from_millis(2);
/// The age up to which the mark of a thread serves the calls that begin on it.
const FRESH: Duration = Duration::from_millis(1);

thread_local! {
    static MARK: Cell<Option<Mark>> = const { Cell::new(None) };
}

/// Both clocks, at one moment.
#[derive(Clone, Copy)]
struct Mark {
    wall: Instant,
    cpu: Duration,
}

/// A call that has begun on this thread, and ends on it.
pub(super) struct Hold {
    began: Instant,
    /// CPU time of the thread, at most [`FRESH`] before the call began.
    cpu: Duration,
}

impl Hold {
    #[inline]
    pub(super) fn begin() -> Self {
        let began = Instant::now();
        let fresh = MARK.get().filter(|mark| began.duration_since(mark.wall) < FRESH);
        let cpu = fresh.map_or_else(|| mark(began), |mark| mark.cpu);
        Self { began, cpu }
    }

    /// Whether the call held the thread for longer than a slice. Up to [`FRESH`] of what was computed before
    /// it may count as its own, which is less than a slice.
    #[inline]
    pub(super) fn is_too_long(&self) -> bool {
        self.began.elapsed() > SLICE && cpu_time().saturating_sub(self.cpu) > SLICE
    }
}

#[cold]
fn mark(now: Instant) -> Duration {
    let cpu = cpu_time();
    MARK.set(Some(Mark { wall: now, cpu }));
    cpu
}

/// The CPU time that this thread has used.
#[cfg(unix)]
fn cpu_time() -> Duration {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::try_from(now).unwrap_or_default()
}

/// Without a CPU clock for threads, wall time is used.
#[cfg(not(unix))]
fn cpu_time() -> Duration {
    use std::sync::LazyLock;
    static START: LazyLock<Instant> = LazyLock::new(Instant::now);
    START.elapsed()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_in_which_the_thread_computes_is_too_long_and_time_without_a_processor_is_not() {
        let hold = Hold::begin();
        let ends = cpu_time() + 2 * (SLICE + FRESH);
        while cpu_time() < ends {}
        assert!(hold.is_too_long());

        let hold = Hold::begin();
        let (_sender, never) = std::sync::mpsc::channel::<()>();
        assert!(never.recv_timeout(4 * (SLICE + FRESH)).is_err());
        assert!(!hold.is_too_long(), "the thread was off its processor");
    }
}
