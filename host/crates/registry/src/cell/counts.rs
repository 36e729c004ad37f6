//! How many came in and how many went out, counted by each thread for itself.
//!
//! A count that all threads write to costs a locked instruction each time, and with several threads
//! the cache line moves between processors. Here every thread has a line of its own for each word and
//! is the only one that writes to it, by a plain load and a plain store. Reading the sum is expensive:
//! it reads the lines of all threads. Only the end of a closed entry asks for it.
//!
//! Both counts only grow. A lease may be taken on one thread and given back on another, so the counts
//! of one thread say nothing; only the sums do. [`Counts::are_equal`] reads all that went out before
//! it reads any that came in. If both sums are equal, then everybody whose coming in is visible to the
//! reader had gone out: a pair is never seen by its second half alone, because going out is a release
//! store that follows the coming in, and is read first, with acquire.
//!
//! Each count is followed by the light side of the [fence](super::fence). If the system offers no cheap
//! one, no thread has a line: all count in the word's shared pair, by locked instructions, as they would
//! without lines.
//!
//! **Most counts are near**: the pair lies in the first part of a line that the thread has already.
//! `try_enter` and `try_leave` count there and nowhere else. When they return false, `enter_elsewhere` and
//! `leave_elsewhere` count: beyond the first part, in a line that the thread takes now, or in the shared
//! pair.
//!
//! **Threads that end** give their lines back with the counts in them, and a later thread goes on with
//! them; the lock of the list orders the two. **A thread that is ending** (a lease in a thread local
//! that is dropped after the line went back) counts in the word's shared line, by locked instructions.
//! **A word that goes** gives its place in the lines back, with the difference of its counts, which is
//! not zero after a pass was leaked by `mem::forget`; the next word at that place starts from there.
//!
//! **Signal handlers** must not take leases: one that interrupts its own thread between the load and
//! the store would lose a count. **The child of a fork** has only the forking thread; leases that
//! others held are never given back there, as with any count.

#[cfg(all(loom, test))]
mod model;
#[cfg(not(all(loom, test)))]
mod threads;

#[cfg(all(loom, test))]
pub(super) use self::model::{Counts, numbered};
#[cfg(not(all(loom, test)))]
pub(super) use self::threads::Counts;
#[cfg(all(loom, test))]
use loom::sync::atomic::AtomicUsize;
#[cfg(not(all(loom, test)))]
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};

/// The two counts of one word that one thread writes, or that all share.
struct Pair {
    entered: AtomicUsize,
    left: AtomicUsize,
}

impl Pair {
    fn new() -> Self {
        Self { entered: AtomicUsize::new(0), left: AtomicUsize::new(0) }
    }

    /// Counts one in, by the only thread that writes to this pair.
    #[inline]
    fn enter(&self) {
        self.entered.store(self.entered.load(Relaxed).wrapping_add(1), Relaxed);
    }

    /// Counts one out, by the only thread that writes to this pair.
    #[inline]
    fn leave(&self) {
        self.left.store(self.left.load(Relaxed).wrapping_add(1), Release);
    }

    fn entered(&self) -> usize {
        self.entered.load(Acquire)
    }

    fn left(&self) -> usize {
        self.left.load(Acquire)
    }
}

/// The sum of counts, which may wrap around: only differences of sums mean something.
fn sum(counts: impl Iterator<Item = usize>) -> usize {
    counts.fold(0, usize::wrapping_add)
}
