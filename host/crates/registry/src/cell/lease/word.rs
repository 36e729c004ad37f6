//! The word itself: the protocol's transitions and nothing else.

#[cfg(all(loom, test))]
use loom::sync::atomic::AtomicUsize;
#[cfg(not(all(loom, test)))]
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};

/// Top bits, so that one comparison tells "open and below the limit" from the rest.
const CLOSED: usize = 1 << (usize::BITS - 1);
const CLAIMED: usize = 1 << (usize::BITS - 2);
const DRAINED: usize = 1 << (usize::BITS - 3);
const COUNT: usize = DRAINED - 1;
/// Half of what the count can hold; see "the count's end".
const LIMIT: usize = 1 << (usize::BITS - 4);

/// Given to the one thread that must run the close hook and then call
/// [`Word::finish`]; cannot be made elsewhere.
#[must_use = "the thread that claims must finish, or no waiter is woken"]
pub(super) struct Claim(());

/// Why an enter was refused. A late caller may have had to claim.
pub(super) struct Refused(pub(super) Option<Claim>);

pub(super) struct Word(AtomicUsize);

impl Word {
    pub(super) fn new() -> Self {
        Self(AtomicUsize::new(0))
    }

    /// Counts the caller in.
    #[inline]
    pub(super) fn enter(&self) -> Result<(), Refused> {
        if self.0.load(Acquire) & CLOSED != 0 {
            return Err(Refused(None));
        }
        let before = self.0.fetch_add(1, Acquire);
        if before < LIMIT { Ok(()) } else { Err(self.take_back(before)) }
    }

    #[cold]
    fn take_back(&self, before: usize) -> Refused {
        let claim = self.leave();
        assert!(
            before & CLOSED != 0,
            "more than {LIMIT} leases on one entry: leases are being leaked"
        );
        Refused(claim)
    }

    /// Counts the caller out.
    #[inline]
    pub(super) fn leave(&self) -> Option<Claim> {
        if self.0.fetch_sub(1, Release) == CLOSED | 1 { self.claim() } else { None }
    }

    /// Refuses every later enter. Says whether this was the first time.
    pub(super) fn close(&self) -> (bool, Option<Claim>) {
        match self.0.fetch_or(CLOSED, Release) {
            0 => (true, self.claim()),
            before => (before & CLOSED == 0, None),
        }
    }

    #[cold]
    fn claim(&self) -> Option<Claim> {
        self.0.compare_exchange(CLOSED, CLOSED | CLAIMED, Acquire, Relaxed).ok().map(|_| Claim(()))
    }

    pub(super) fn finish(&self, _claim: Claim) {
        self.0.fetch_or(DRAINED, Release);
    }

    pub(super) fn is_closed(&self) -> bool {
        self.0.load(Acquire) & CLOSED != 0
    }

    pub(super) fn is_drained(&self) -> bool {
        self.0.load(Acquire) & DRAINED != 0
    }

    pub(super) fn count(&self) -> usize {
        self.0.load(Relaxed) & COUNT
    }

    /// Pretends that `count` leases are out: a test cannot take 2^60.
    #[cfg(all(test, not(loom)))]
    pub(super) fn with_count(count: usize) -> Self {
        assert!(count <= COUNT);
        Self(AtomicUsize::new(count))
    }

    #[cfg(all(test, not(loom)))]
    pub(super) const LIMIT: usize = LIMIT;
}
