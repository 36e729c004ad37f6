//! The word itself: the protocol's transitions and nothing else.

#[cfg(all(loom, test))]
use loom::sync::atomic::{AtomicUsize, fence};
use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release, SeqCst};
#[cfg(not(all(loom, test)))]
use std::sync::atomic::{AtomicUsize, fence};

use crate::cell::counts::Counts;
use crate::cell::fence::heavy;
use crate::cell::step::step;

const CLOSED: usize = 1;
const SEALED: usize = 2;
const CLAIMED: usize = 4;
const DRAINED: usize = 8;
const FLAGS: usize = 15;
/// The rest of the word counts how often it was opened again. So a claim that was held up while the
/// word was claimed, opened and closed by others does not succeed.
const LIFE: usize = 16;

/// Given to the one thread that must run the close hook and then call
/// [`Word::finish`]; cannot be made elsewhere.
#[must_use = "the thread that claims must finish, or no waiter is woken"]
pub(in super::super) struct Claim(());

/// Why an enter was refused. A late caller may have had to claim.
pub(in super::super) struct Refused(pub(in super::super) Option<Claim>);

/// # Fibers
///
/// A fiber may go on on another thread between two statements of a function, if code that the function
/// calls switches it: the code that a lease was taken for, for example. If coming in and going out were
/// compiled into such a function, the compiler could find the thread's local once and use its address
/// for both, and two threads would write to one line. So [`Word::enter`] and [`Word::leave`] are never
/// inlined, and run no code of a caller.
///
/// What they do most of the time is a dozen instructions in one piece. The rest is in functions that
/// they end with, so that they save no registers.
pub(in super::super) struct Word {
    state: AtomicUsize,
    counts: Counts,
}

impl Word {
    pub(in super::super) fn new() -> Self {
        Self { state: AtomicUsize::new(0), counts: Counts::new() }
    }

    /// A word that grants nothing before [`Word::open`].
    pub(in super::super) fn drained() -> Self {
        Self { state: AtomicUsize::new(FLAGS), counts: Counts::new() }
    }

    /// Opens a drained word again. Only its owner may do this, once for each time that it drained.
    pub(in super::super) fn open(&self) {
        let state = self.state.load(Relaxed);
        debug_assert!(state & DRAINED != 0, "opened while somebody may be in");
        self.state.store((state & !FLAGS).wrapping_add(LIFE), Release);
    }

    /// Counts the caller in.
    #[inline(never)]
    pub(in super::super) fn enter(&self) -> Result<(), Refused> {
        if !is_open(self.state.load(Acquire)) {
            return Err(Refused(None));
        }
        step();
        if self.counts.try_enter() { self.look_again() } else { self.enter_elsewhere() }
    }

    #[cold]
    #[inline(never)]
    fn enter_elsewhere(&self) -> Result<(), Refused> {
        self.counts.enter_elsewhere();
        self.look_again()
    }

    /// Grants what was counted, or counts it out again.
    #[inline]
    fn look_again(&self) -> Result<(), Refused> {
        step();
        if is_open(self.state.load(Acquire)) { Ok(()) } else { self.refuse() }
    }

    #[cold]
    #[inline(never)]
    fn refuse(&self) -> Result<(), Refused> {
        Err(Refused(self.leave()))
    }

    /// Counts the caller out.
    #[inline(never)]
    pub(in super::super) fn leave(&self) -> Option<Claim> {
        if self.counts.try_leave() { self.look_behind() } else { self.leave_elsewhere() }
    }

    #[cold]
    #[inline(never)]
    fn leave_elsewhere(&self) -> Option<Claim> {
        self.counts.leave_elsewhere();
        self.look_behind()
    }

    /// Claims, if the caller was the last one to leave a closed word.
    #[inline]
    fn look_behind(&self) -> Option<Claim> {
        step();
        if is_open(self.state.load(Relaxed)) { None } else { self.leave_closed() }
    }

    #[cold]
    #[inline(never)]
    fn leave_closed(&self) -> Option<Claim> {
        fence(SeqCst);
        step();
        // Not sealed yet: the closer will look. Claimed already: nothing is left to do.
        let state = self.state.load(Acquire);
        if state & FLAGS == CLOSED | SEALED { self.claim(state) } else { None }
    }

    /// Refuses every later enter. Says whether this was the first time.
    pub(in super::super) fn close(&self) -> (bool, Option<Claim>) {
        if self.state.fetch_or(CLOSED, AcqRel) & CLOSED != 0 {
            return (false, None);
        }
        step();
        if !heavy() {
            // Who is in is not known, so the entry never counts as drained.
            return (true, None);
        }
        step();
        let state = self.state.fetch_or(SEALED, AcqRel) | SEALED;
        step();
        fence(SeqCst);
        (true, self.claim(state))
    }

    /// `sealed` is the word as the caller saw it, before it looks at the counts.
    #[cold]
    fn claim(&self, sealed: usize) -> Option<Claim> {
        step();
        if !self.counts.are_equal() {
            return None;
        }
        step();
        let claimed = self.state.compare_exchange(sealed, sealed | CLAIMED, AcqRel, Relaxed);
        claimed.ok().map(|_| Claim(()))
    }

    pub(in super::super) fn finish(&self, _claim: Claim) {
        self.state.fetch_or(DRAINED, Release);
    }

    pub(in super::super) fn is_closed(&self) -> bool {
        self.state.load(Acquire) & CLOSED != 0
    }

    pub(in super::super) fn is_drained(&self) -> bool {
        self.state.load(Acquire) & DRAINED != 0
    }

    pub(in super::super) fn count(&self) -> usize {
        self.counts.difference()
    }
}

#[inline]
fn is_open(state: usize) -> bool {
    state & FLAGS == 0
}
