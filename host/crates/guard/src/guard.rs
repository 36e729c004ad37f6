//! The guard: circuit breaker and health of one plugin version, in one word.
//!
//! # The protocol
//!
//! ```text
//!   UNHEALTHY │ state │ what the state needs
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
//! **Pass.** A call that finds the breaker closed holds nothing. Its outcome counts if the
//! breaker is closed when it ends, and not otherwise: while it is open or half-open, only
//! probes decide. A call that outlives a whole opening therefore counts in the end, as the
//! news that it is by then.
//!
//! **Probe.** A call that is admitted half-open holds one of few slots, and names the *episode*
//! in which it got it: each half-open time has a number of its own. A slot is given back only
//! to its own episode, so a probe that comes late finds that its slot is gone already, and can
//! neither free nor fail what belongs to others. A probe that is dropped without an outcome
//! (its caller went away) gives the slot back and changes nothing else.
//!
//! **Health** is a bit beside the breaker's state. It changes without the breaker and the
//! breaker without it; a call needs both.
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
//! *Two calls for the last slot.* The second exchange fails, looks again, and is refused.
//!
//! # Orderings
//!
//! All relaxed. An ordering would publish other memory through the word, and there is none: a
//! thread that reads the word has read everything. The changes of one atomic have one order that all
//! threads agree on, whatever the ordering. The number of an episode is from a counter of its
//! own, whose one property, never to give a number twice, also needs no ordering.
//!
//! # Why failures in a row, and not also a rate
//!
//! A rate needs every call counted, the good ones too: a read-modify-write of a shared line on
//! each, which alone is more than all protections together may cost. And it would add little.
//! A breaker is for a plugin that is down, so that callers stop waiting for it: then failures
//! come in a row, and under load at once. A plugin that fails one call in ten serves nine, and
//! refusing them all helps nobody; a new version that does so is what the canary's judge is
//! for, which does count, for as long as a canary lasts.
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
pub use answer::{BreakerState, Refused, Transition, Verdict};
pub use permit::{Admitted, Permit};
pub use rules::Rules;
use word::{Breaker, Episode, Word};

/// What every call of one running plugin version passes.
///
/// ```
/// # use std::time::Instant;
/// # use plugbay_guard::{Guard, Refused, Rules};
/// # let guard = Guard::new(Rules::default(), Instant::now(), 1);
/// # let work = || Ok::<_, ()>(1);
/// // The clock is read only when something is wrong.
/// let permit = if guard.is_clear() { guard.pass() } else { guard.admit(Instant::now())?.permit };
/// match work() {
///     Ok(_) => permit.succeeded(),
///     Err(()) => permit.failed(Instant::now()),
/// };
/// # Ok::<(), Refused>(())
/// ```
#[derive(Debug)]
pub struct Guard {
    word: AtomicU64,
    /// How many half-open times there were.
    episodes: AtomicU64,
    rules: Rules,
    /// What the word's times are counted from.
    born: Instant,
    seed: u64,
}

impl Guard {
    /// Closed and healthy. Different `seed`s make guards that opened together half-open at
    /// different times; `born` is any time not after the first call.
    #[must_use]
    pub fn new(rules: Rules, born: Instant, seed: u64) -> Self {
        Self { word: AtomicU64::new(0), episodes: AtomicU64::new(0), rules, born, seed }
    }

    /// Whether nothing is wrong: the whole admission of a healthy call.
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

    /// Whether a call may begin at `now`.
    ///
    /// # Errors
    ///
    /// [`Refused`] says why not, and for how long if that is known.
    #[inline]
    pub fn admit(&self, now: Instant) -> Result<Admitted<&Self>, Refused> {
        Permit::ask(self, now)
    }

    /// A call without a slot has succeeded. One load if nothing is wrong.
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
            // Rules that never open count nothing, so that the word stays zero.
            if self.rules.failures == 0 {
                return None;
            }
            let failures = failures.saturating_add(1);
            Some(if failures < self.rules.failures {
                (word.with(Breaker::Closed { failures }), None)
            } else {
                let (open, length) = self.open(now, 0);
                (word.with(open), Some(Transition::Opened { failures, length }))
            })
        })
        .flatten()
    }

    /// What the health checks say. Returns the change, if it is one.
    pub fn set_health(&self, health: Health) -> Option<Transition> {
        let unhealthy = !health.is_healthy();
        self.change(|word| {
            (word.unhealthy != unhealthy)
                .then_some((Word { unhealthy, ..word }, Transition::Health(health)))
        })
    }

    /// What the health checks said last.
    #[must_use]
    pub fn health(&self) -> Health {
        if self.word().unhealthy { Health::Unhealthy } else { Health::Healthy }
    }

    /// The breaker as people want to see it. One whose time has come is half-open, though no
    /// call has yet come to find out.
    #[must_use]
    pub fn state(&self, now: Instant) -> BreakerState {
        match self.word().breaker {
            Breaker::Closed { .. } => BreakerState::Closed,
            Breaker::HalfOpen { .. } => BreakerState::HalfOpen,
            Breaker::Open { until, .. } => match self.left(until, now) {
                Some(left) => BreakerState::Open { left },
                None => BreakerState::HalfOpen,
            },
        }
    }

    /// Failures in a row that are being counted, while the breaker is closed.
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

    /// The slow half of admission: the slot of a probe, or none for a pass.
    #[cold]
    fn enter(&self, now: Instant) -> Result<(Option<Episode>, Option<Transition>), Refused> {
        let mut fresh = None;
        let mut refused = Refused::Unhealthy;
        let mut pass = false;
        let entered = self.change(|word| {
            pass = false;
            if word.unhealthy {
                refused = Refused::Unhealthy;
                return None;
            }
            match word.breaker {
                Breaker::Closed { .. } => {
                    pass = true;
                    None
                }
                Breaker::Open { until, doublings } => {
                    if let Some(wait) = self.left(until, now) {
                        refused = Refused::Open { wait };
                        return None;
                    }
                    let episode = *fresh.get_or_insert_with(|| {
                        Episode::numbered(self.episodes.fetch_add(1, Relaxed))
                    });
                    let half = Breaker::HalfOpen { episode, probes: 1, successes: 0, doublings };
                    Some((word.with(half), (episode, Some(Transition::HalfOpened))))
                }
                Breaker::HalfOpen { probes, .. } if probes >= self.rules.probes.max(1) => {
                    refused = Refused::Probing;
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

    /// A probe of `mine` has ended.
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
                    let (open, length) = self.open(now, doublings + 1);
                    (word.with(open), Some(Transition::Opened { failures: 1, length }))
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
        // Other probes have closed it meanwhile: this call counts like any other.
        match outcome {
            Outcome::Success if is_late => self.end_count(),
            Outcome::Failure(now) if is_late => return self.failed(now),
            _ => {}
        }
        transition.flatten()
    }

    /// Replaces the word by `f` of it, again until no other thread was faster; nothing if `f` gives
    /// none.
    fn change<T>(&self, mut f: impl FnMut(Word) -> Option<(Word, T)>) -> Option<T> {
        let mut before = self.word.load(Relaxed);
        loop {
            let (after, told) = f(Word::unpack(before))?;
            match self.word.compare_exchange_weak(before, after.pack(), Relaxed, Relaxed) {
                Ok(_) => return Some(told),
                Err(current) => before = current,
            }
        }
    }

    fn word(&self) -> Word {
        Word::unpack(self.word.load(Relaxed))
    }

    /// Open from `now`, and for how long.
    fn open(&self, now: Instant, doublings: u8) -> (Breaker, Duration) {
        let since = self.since_born(now);
        let length = self.rules.length(doublings, self.seed ^ since);
        let until = since.saturating_add(millis(length));
        (Breaker::Open { until, doublings }, length)
    }

    /// How long `until` is off, if it is.
    fn left(&self, until: u64, now: Instant) -> Option<Duration> {
        let until = Duration::from_millis(until);
        let left = until.saturating_sub(now.saturating_duration_since(self.born));
        (!left.is_zero()).then_some(left)
    }

    /// Milliseconds; a time before the guard's birth is its birth.
    fn since_born(&self, now: Instant) -> u64 {
        millis(now.saturating_duration_since(self.born))
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
