//! The right to make one call.

use std::ops::Deref;
use std::time::Instant;

use super::word::Episode;
use super::{AdmissionError, Guard, Outcome, Transition, Verdict};

/// The right to make one call, and the duty to say how it ended.
///
/// A permit that is dropped without an outcome is [neutral](Verdict::Neutral): a call that is
/// cancelled changes nothing, and a probe gives its slot back. `G` is how the guard is held:
/// `&Guard`, or an owned pointer to it (an `Arc`, a lease) for a call that outlives the function
/// that acquired the permit.
#[derive(Debug)]
#[must_use = "a permit that is dropped at once counts as a cancelled call"]
pub struct Permit<G: Deref<Target = Guard>> {
    guard: G,
    /// The half-open episode whose slot this permit holds; `None` for a call that needs no slot.
    slot: Option<Episode>,
}

/// A call was admitted.
#[derive(Debug)]
pub struct Admitted<G: Deref<Target = Guard>> {
    /// The right to make the call.
    pub permit: Permit<G>,
    /// The transition that this admission caused: an open breaker whose time is over becomes
    /// half-open.
    pub transition: Option<Transition>,
}

impl<G: Deref<Target = Guard>> Permit<G> {
    /// A permit without a slot, for a call that found the guard [clear](Guard::is_clear).
    #[inline]
    pub fn pass(guard: G) -> Self {
        Self { guard, slot: None }
    }

    /// Asks to begin a call at `now`; as [`Guard::admit`], for any pointer to a guard.
    ///
    /// # Errors
    ///
    /// [`AdmissionError`] says why the call is refused, and for how long if that is known.
    #[inline]
    pub fn acquire(guard: G, now: Instant) -> Result<Admitted<G>, AdmissionError> {
        if guard.is_clear() {
            return Ok(Admitted { permit: Self::pass(guard), transition: None });
        }
        let (slot, transition) = guard.enter(now)?;
        Ok(Admitted { permit: Self { guard, slot }, transition })
    }

    /// Whether the call is one of the few that a half-open breaker lets through.
    #[must_use]
    pub fn is_probe(&self) -> bool {
        self.slot.is_some()
    }

    /// The call has succeeded. One load if nothing was wrong and nothing is.
    #[inline]
    pub fn succeeded(mut self) -> Option<Transition> {
        match self.slot.take() {
            None => {
                self.guard.succeeded();
                None
            }
            Some(slot) => self.guard.leave(slot, Outcome::Success),
        }
    }

    /// The call has failed at `now`.
    #[cold]
    pub fn failed(mut self, now: Instant) -> Option<Transition> {
        match self.slot.take() {
            None => self.guard.failed(now),
            Some(slot) => self.guard.leave(slot, Outcome::Failure(now)),
        }
    }

    /// The call has ended at `now`, with this verdict.
    pub fn ended(self, verdict: Verdict, now: Instant) -> Option<Transition> {
        match verdict {
            Verdict::Success => self.succeeded(),
            Verdict::Failure => self.failed(now),
            Verdict::Neutral => None,
        }
    }
}

impl<G: Deref<Target = Guard>> Drop for Permit<G> {
    #[inline]
    fn drop(&mut self) {
        if let Some(slot) = self.slot.take() {
            // Giving a slot back causes no transition.
            let _ = self.guard.leave(slot, Outcome::Neutral);
        }
    }
}
