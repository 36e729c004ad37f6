//! A place between two steps of a protocol, where tests can hold a thread up.

/// Nothing, except in tests that [delay](delayed) every step.
#[cfg(any(not(test), loom))]
#[inline(always)]
pub(super) fn step() {}

#[cfg(all(test, not(loom)))]
pub(super) use self::delays::{delayed, step};

#[cfg(all(test, not(loom)))]
mod delays {
    use std::cell::Cell;
    use std::hint::spin_loop;
    use std::thread::yield_now;

    thread_local! {
        /// The state of a small random sequence; 0: this thread is not delayed.
        static SEQUENCE: Cell<u64> = const { Cell::new(0) };
    }

    /// Delays every step of this thread, by lengths that follow from `seed`, while `work` runs.
    pub(in super::super) fn delayed<R>(seed: u64, work: impl FnOnce() -> R) -> R {
        SEQUENCE.set(seed.max(1).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        let done = work();
        SEQUENCE.set(0);
        done
    }

    pub(in super::super) fn step() {
        let mut next = SEQUENCE.get();
        if next == 0 {
            return;
        }
        // xorshift64, Marsaglia 2003.
        next ^= next << 13;
        next ^= next >> 7;
        next ^= next << 17;
        SEQUENCE.set(next);
        match next % 16 {
            0 => yield_now(),
            1..4 => (0..next % 2_000).for_each(|_| spin_loop()),
            4..8 => (0..next % 50).for_each(|_| spin_loop()),
            _ => {}
        }
    }
}
