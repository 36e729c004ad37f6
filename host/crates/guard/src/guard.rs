//! The guard: circuit breaker and health of one plugin version, in one word.
//!
//! # The protocol
//!
//! ```text
//!   UNHEALTHY │ HELD │ state │ what the state needs
//!             │ closed     failures in a row
//!             │ open       until when, doublings
//!             │ half-open  episode, probes out, successes, doublings
//!
//!         `failures` in a row           a call, after `open`
//!  closed ───────────────────▶ open ───────────────────────▶ half-open
//!    ▲                          ▲   a probe fails: twice as long │ │
//!    │                          └────────────────────────────────┘ │
//!    └─────────────── `successes` probes succeed ──────────────────┘
//! ```
//!
//! All of the state is in the word, and every change of it is one compare-and-exchange. The
//! word is **zero** while the plugin is healthy, its breaker closed, and no failure is being
//! counted. So a healthy call loads the word before (it is zero: go) and after (it is zero:
//! there is no count for a success to end), and writes nothing that others read.
//!
//! **Pass.** A call that finds the breaker closed holds no slot. Its outcome counts if the breaker
//! is closed when the call ends, and not otherwise: while the breaker is open or half-open, only
//! probes decide. So a call that began before an opening and ends after it counts at its end.
//!
//! **Probe.** A call that is admitted while the breaker is half-open holds one of a few slots, and
//! names the *episode* in which it got the slot: each half-open period has a number of its own. A
//! slot is given back only to its own episode, so a late probe finds that its slot is gone, and can
//! neither free nor fail a slot of another episode. A probe that is dropped without an outcome (its
//! caller went away) gives the slot back and changes nothing else.
//!
//! **Health** is a bit beside the breaker's state. It changes without the breaker and the
//! breaker without it; a call needs both.
//!
//! **Held** is a bit of an operator. While it is set no call is admitted, whatever the rest says; calls
//! that were admitted before end as ever, and count.
//!
//! # The collisions
//!
//! *Two failures at the threshold.* Both are read-modify-writes of one word, so one comes first
//! and opens; the other finds it open and is not counted. The thread whose exchange made the change
//! gets the [`Transition`]; there is exactly one per change, because an exchange that changes
//! the state succeeds once.
//!
//! *A success against the last failure.* Failure first: it opens, and the success finds it open.
//! Success first: the count is zero, and the failure makes it one. Both are right.
//!
//! *Two calls for the last slot.* The second exchange fails, reads the word again, and is refused.
//!
//! # Orderings
//! All are relaxed. An ordering would publish other memory through the word, and there is none: a
//! thread that reads the word has read everything. The changes of one atomic have one order that
//! all threads agree on, whatever the ordering. The number of an episode comes from a separate
//! counter. Its one property, that it never gives a number twice, also needs no ordering.
//! # Why failures in a row, and not also a rate
//!
//! A rate needs every call counted, the successful ones too: a read-modify-write of a shared cache
//! line for each call, which alone costs more than all protections together may. And it would add
//! little. A breaker is for a plugin that is down, so that callers stop waiting for it: then
//! failures come in a row, and quickly under load. A plugin that fails one call in ten still serves
//! nine, and refusing all ten helps no caller. A new version that fails like that is found by the
//! canary trial, which does count calls while it lasts.
//!
//! Sources: Michael Nygard, "Release It!" (the pattern); Envoy's outlier detection
//! (`consecutive_5xx`, ejection times that grow); linkerd's failure accrual (consecutive, with
//! a probe).

mod answer;
#[cfg(all(loom, test))]
mod models;
mod permit;
#[cfg(all(test, not(loom)))]
mod reference;
mod rules;
#[cfg(all(test, not(loom)))]
mod tests;
mod word;

#[cfg(all(loom, test))]
use loom::sync::atomic::AtomicU64;
#[cfg(not(all(loom, test)))]
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use crate::Health;
pub use answer::{AdmissionError, BreakerState, Transition, Verdict};
pub use permit::{Admitted, Permit};
pub use rules::Rules;
use word::{Breaker, Episode, Word};

/// The circuit breaker and health of one running plugin version, which every call asks for
/// admission.
///
/// ```
/// # use std::time::Instant;
/// # use plugbay_guard::{Guard, AdmissionError, Rules};
/// # let guard = Guard::new(Rules::default(), Instant::now(), 1);
/// # let work = || Ok::<_, ()>(1);
/// // The clock is read only when something is wrong.
/// let permit = if guard.is_clear() { guard.pass() } else { guard.admit(Instant::now())?.permit };
/// match work() {
///     Ok(_) => permit.succeeded(),
///     Err(()) => permit.failed(Instant::now()),
/// };
/// # Ok::<(), AdmissionError>(())
/// ```
#[derive(Debug)]
pub struct Guard {
    word: AtomicU64,
    /// How many half-open periods there were.
    episodes: AtomicU64,
    rules: Rules,
    /// The origin of the times in the word.
    start: Instant,
    seed: u64,
}

impl Guard {
    /// Closed and healthy. Different `seed`s make guards that opened together become half-open at
    /// different times; `start` is any time not after the first call.
    #[must_use]
    pub fn new(rules: Rules, start: Instant, seed: u64) -> Self {
        Self { word: AtomicU64::new(0), episodes: AtomicU64::new(0), rules, start, seed }
    }

    /// Whether the plugin is healthy, its breaker closed, and no failure counted: the whole
    /// admission of a healthy call.
    #[inline]
    #[must_use]
    pub fn is_clear(&self) -> bool {
        self.word.load(Relaxed) == 0
    }

    /// A permit without a slot, for a call that found the guard [clear](Self::is_clear).
    #[inline]
    pub fn pass(&self) -> Permit<&Self> {
        Permit::pass(self)
    }

    /// Asks to begin a call at `now`.
    ///
    /// # Errors
    ///
    /// [`AdmissionError`] says why the call is refused, and for how long if that is known.
    #[inline]
    pub fn admit(&self, now: Instant) -> Result<Admitted<&Self>, AdmissionError> {
        Permit::acquire(self, now)
    }

    /// A call without a slot has succeeded. Costs one load if the guard is clear.
    #[inline]
    pub fn succeeded(&self) {
        if !self.is_clear() {
            self.end_count();
        }
    }

    /// A call without a slot has failed at `now`.
    #[cold]
    pub fn failed(&self, now: Instant) -> Option<Transition> {
        self.change(|word| {
            let Breaker::Closed { failures } = word.breaker else { return None };
            // Rules that never open the breaker count nothing, so that the word stays zero.
            if self.rules.failures == 0 {
                return None;
            }
            let failures = failures.saturating_add(1);
            Some(if failures < self.rules.failures {
                (word.with(Breaker::Closed { failures }), None)
            } else {
                let (open, duration) = self.open(now, 0);
                (word.with(open), Some(Transition::Opened { failures, duration }))
            })
        })
        .flatten()
    }

    /// Sets the result of the health checks. Returns the transition, if the result changed.
    pub fn set_health(&self, health: Health) -> Option<Transition> {
        let unhealthy = !health.is_healthy();
        self.change(|word| {
            (word.unhealthy != unhealthy)
                .then_some((Word { unhealthy, ..word }, Transition::Health(health)))
        })
    }

    /// The result of the health checks that was set last.
    #[must_use]
    pub fn health(&self) -> Health {
        if self.word().unhealthy { Health::Unhealthy } else { Health::Healthy }
    }

    /// Holds all calls back, or no longer does. Returns whether this changed.
    pub fn hold(&self, held: bool) -> bool {
        let set = |word: Word| (word.held != held).then_some((Word { held, ..word }, ()));
        self.change(set).is_some()
    }

    /// Whether an operator holds all calls back.
    #[must_use]
    pub fn is_held(&self) -> bool {
        self.word().held
    }

    /// Closes the breaker, whatever it counted. Returns the transition, if it was not closed.
    pub fn reset(&self) -> Option<Transition> {
        let reset = |word: Word| {
            let closed = Breaker::Closed { failures: 0 };
            let was_closed = matches!(word.breaker, Breaker::Closed { .. });
            let transition = (!was_closed).then_some(Transition::Closed);
            (word.breaker != closed).then_some((word.with(closed), transition))
        };
        self.change(reset).flatten()
    }

    /// The breaker's state, for people. A breaker whose open time is over is shown as half-open,
    /// though the word changes only with the next call.
    #[must_use]
    pub fn state(&self, now: Instant) -> BreakerState {
        match self.word().breaker {
            Breaker::Closed { .. } => BreakerState::Closed,
            Breaker::HalfOpen { .. } => BreakerState::HalfOpen,
            Breaker::Open { until, .. } => match self.remaining(until, now) {
                Some(remaining) => BreakerState::Open { remaining },
                None => BreakerState::HalfOpen,
            },
        }
    }

    /// Failures in a row so far, while the breaker is closed.
    #[must_use]
    pub fn failures(&self) -> u32 {
        match self.word().breaker {
            Breaker::Closed { failures } => failures,
            _ => 0,
        }
    }

    /// A success ends a row of failures.
    #[cold]
    fn end_count(&self) {
        self.change(|word| match word.breaker {
            Breaker::Closed { failures: 1.. } => {
                Some((word.with(Breaker::Closed { failures: 0 }), ()))
            }
            _ => None,
        });
    }

    /// The slow path of admission: returns the slot of a probe, or `None` for a call that needs
    /// none.
    #[cold]
    fn enter(&self, now: Instant) -> Result<(Option<Episode>, Option<Transition>), AdmissionError> {
        let mut fresh = None;
        let mut refused = AdmissionError::Unhealthy;
        let mut pass = false;
        let entered = self.change(|word| {
            pass = false;
            if word.held {
                refused = AdmissionError::Held;
                return None;
            }
            if word.unhealthy {
                refused = AdmissionError::Unhealthy;
                return None;
            }
            match word.breaker {
                Breaker::Closed { .. } => {
                    pass = true;
                    None
                }
                Breaker::Open { until, doublings } => {
                    if let Some(wait) = self.remaining(until, now) {
                        refused = AdmissionError::Open { wait };
                        return None;
                    }
                    let episode = *fresh.get_or_insert_with(|| {
                        Episode::numbered(self.episodes.fetch_add(1, Relaxed))
                    });
                    let half = Breaker::HalfOpen { episode, probes: 1, successes: 0, doublings };
                    Some((word.with(half), (episode, Some(Transition::HalfOpened))))
                }
                Breaker::HalfOpen { probes, .. } if probes >= self.rules.probes.max(1) => {
                    refused = AdmissionError::Probing;
                    None
                }
                Breaker::HalfOpen { episode, probes, successes, doublings } => {
                    let probes = probes + 1;
                    let half = Breaker::HalfOpen { episode, probes, successes, doublings };
                    Some((word.with(half), (episode, None)))
                }
            }
        });
        match entered {
            Some((episode, transition)) => Ok((Some(episode), transition)),
            None if pass => Ok((None, None)),
            None => Err(refused),
        }
    }

    /// A probe of the episode `mine` has ended.
    #[cold]
    fn leave(&self, mine: Episode, outcome: Outcome) -> Option<Transition> {
        let mut is_late = false;
        let transition = self.change(|word| {
            is_late = false;
            let Breaker::HalfOpen { episode, probes, successes, doublings } = word.breaker else {
                is_late = matches!(word.breaker, Breaker::Closed { .. });
                return None;
            };
            if episode != mine {
                return None;
            }
            let probes = probes.saturating_sub(1);
            Some(match outcome {
                Outcome::Failure(now) => {
                    let (open, duration) = self.open(now, doublings + 1);
                    (word.with(open), Some(Transition::Opened { failures: 1, duration }))
                }
                Outcome::Success if successes + 1 >= self.rules.successes.max(1) => {
                    (word.with(Breaker::Closed { failures: 0 }), Some(Transition::Closed))
                }
                Outcome::Success | Outcome::Neutral => {
                    let successes = successes + u8::from(matches!(outcome, Outcome::Success));
                    let half = Breaker::HalfOpen { episode, probes, successes, doublings };
                    (word.with(half), None)
                }
            })
        });
        // Other probes have closed the breaker meanwhile: this call counts like any other.
        match outcome {
            Outcome::Success if is_late => self.end_count(),
            Outcome::Failure(now) if is_late => return self.failed(now),
            _ => {}
        }
        transition.flatten()
    }

    /// Replaces the word by the result of `f`, and retries while another thread was faster. Changes
    /// nothing if `f` returns `None`.
    fn change<T>(&self, mut f: impl FnMut(Word) -> Option<(Word, T)>) -> Option<T> {
        let mut before = self.word.load(Relaxed);
        loop {
            let (after, reported) = f(Word::unpack(before))?;
            match self.word.compare_exchange_weak(before, after.pack(), Relaxed, Relaxed) {
                Ok(_) => return Some(reported),
                Err(current) => before = current,
            }
        }
    }

    fn word(&self) -> Word {
        Word::unpack(self.word.load(Relaxed))
    }

    /// The open state that begins at `now`, and how long it lasts.
    fn open(&self, now: Instant, doublings: u8) -> (Breaker, Duration) {
        let since = self.millis_since_start(now);
        let duration = self.rules.open_duration(doublings, self.seed ^ since);
        let until = since.saturating_add(millis(duration));
        (Breaker::Open { until, doublings }, duration)
    }

    /// The time from `now` to `until`, if `until` is in the future.
    fn remaining(&self, until: u64, now: Instant) -> Option<Duration> {
        let until = Duration::from_millis(until);
        let remaining = until.saturating_sub(now.saturating_duration_since(self.start));
        (!remaining.is_zero()).then_some(remaining)
    }

    /// Milliseconds since the guard's start; 0 for an earlier time.
    fn millis_since_start(&self, now: Instant) -> u64 {
        millis(now.saturating_duration_since(self.start))
    }
}

/// How a probe ended; only a failure needs the time.
#[derive(Clone, Copy)]
enum Outcome {
    Success,
    Failure(Instant),
    Neutral,
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
