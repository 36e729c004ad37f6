//! A budget of calls that may be retried with another provider.

#[cfg(all(loom, test))]
use loom::sync::{Mutex, atomic::AtomicU64};
use std::sync::PoisonError;
use std::sync::atomic::Ordering::Relaxed;
#[cfg(not(all(loom, test)))]
use std::sync::{Mutex, atomic::AtomicU64};
use std::time::{Duration, Instant};

/// The window moves on by a tenth of itself at a time. Two under loom, to keep its models small.
#[cfg(not(all(loom, test)))]
const SLOTS: usize = 10;
#[cfg(all(loom, test))]
const SLOTS: usize = 2;

/// How many retries a budget allows.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RetryRules {
    /// Retries may be this share of recent calls: 0.2 is one in five.
    pub share: f64,
    /// Retries per second in addition, so that a few calls can be retried too.
    pub per_second: u32,
    /// How long a call or a retry counts as recent.
    pub window: Duration,
}

impl Default for RetryRules {
    /// A fifth of the calls of ten seconds, and ten a second: Finagle's own.
    fn default() -> Self {
        Self { share: 0.2, per_second: 10, window: Duration::from_secs(10) }
    }
}

/// Keeps retries from overloading the providers: when everything fails, a retry for each call would
/// double the load. Retries may be a share of the recent calls, and a few more.
///
/// Source: Finagle's `RetryBudget` (Twitter), explained in Google's "Site Reliability
/// Engineering", chapter 22, "Addressing cascading failures".
///
/// A call is counted without a lock, but in a word that all callers share, which costs more than a
/// healthy call can afford. So a capability with one provider must not have a budget. A retry takes
/// a short lock, so that no two calls spend the last retry.
///
/// ```
/// use std::time::{Duration, Instant};
/// use plugbay_guard::{RetryBudget, RetryRules};
///
/// let now = Instant::now();
/// let rules = RetryRules { share: 0.5, per_second: 0, window: Duration::from_secs(10) };
/// let budget = RetryBudget::new(rules, now);
/// budget.called(now);
/// assert!(!budget.take(now)); // half a call is none
/// budget.called(now);
/// assert!(budget.take(now));
/// assert!(!budget.take(now));
/// ```
#[derive(Debug)]
pub struct RetryBudget {
    share: f64,
    /// Retries per window that do not depend on the number of calls.
    reserve: f64,
    /// Nanoseconds.
    slot: u64,
    start: Instant,
    /// For each slot its number, and how many calls it counted.
    calls: [AtomicU64; SLOTS],
    retries: Mutex<[u64; SLOTS]>,
}

impl RetryBudget {
    /// An unspent budget. `start` is any time not after the first call.
    #[must_use]
    pub fn new(rules: RetryRules, start: Instant) -> Self {
        let window = rules.window.max(Duration::from_millis(1));
        let slot = u64::try_from(window.as_nanos()).unwrap_or(u64::MAX) / SLOTS as u64;
        Self {
            share: if rules.share.is_finite() { rules.share.max(0.0) } else { 0.0 },
            reserve: f64::from(rules.per_second) * window.as_secs_f64(),
            slot,
            start,
            calls: std::array::from_fn(|_| AtomicU64::new(0)),
            retries: Mutex::new([0; SLOTS]),
        }
    }

    /// Counts the first try of a call at `now`. A retry must not be counted here.
    pub fn called(&self, now: Instant) {
        let slot = self.slot_at(now);
        let word = &self.calls[place(slot)];
        let mut before = word.load(Relaxed);
        while let Some(after) = counted(before, slot) {
            match word.compare_exchange_weak(before, after, Relaxed, Relaxed) {
                Ok(_) => return,
                Err(current) => before = current,
            }
        }
    }

    /// Takes a retry from the budget at `now`. Returns false if the budget is used up.
    #[must_use = "false is a refusal"]
    pub fn take(&self, now: Instant) -> bool {
        let slot = self.slot_at(now);
        let calls: f64 = self.calls.iter().map(|word| recent(word.load(Relaxed), slot)).sum();
        let mut retries = self.retries.lock().unwrap_or_else(PoisonError::into_inner);
        let spent: f64 = retries.iter().map(|word| recent(*word, slot)).sum();
        // The tolerance of a millionth is for rounding errors of the sums.
        if spent + 1.0 > calls * self.share + self.reserve + 1e-6 {
            return false;
        }
        let word = &mut retries[place(slot)];
        // A retry from before the window cannot be counted, so it is not granted.
        counted(*word, slot).map(|after| *word = after).is_some()
    }

    fn slot_at(&self, now: Instant) -> u32 {
        let since = now.saturating_duration_since(self.start).as_nanos();
        u32::try_from(since / u128::from(self.slot)).unwrap_or(u32::MAX)
    }
}

/// The index of a slot's word.
fn place(slot: u32) -> usize {
    slot as usize % SLOTS
}

/// The word with one more count in `slot`; `None` if the word belongs to a later slot already.
fn counted(word: u64, slot: u32) -> Option<u64> {
    let (number, count) = parts(word);
    let count = match number.cmp(&slot) {
        std::cmp::Ordering::Less => 1,
        std::cmp::Ordering::Equal => count.saturating_add(1),
        std::cmp::Ordering::Greater => return None,
    };
    Some(u64::from(slot) << 32 | u64::from(count))
}

/// The word's count, if its slot is still in the window that ends with `slot`; otherwise 0.
fn recent(word: u64, slot: u32) -> f64 {
    let (number, count) = parts(word);
    let is_recent = (slot.saturating_sub(number) as usize) < SLOTS;
    if is_recent { f64::from(count) } else { 0.0 }
}

#[expect(clippy::cast_possible_truncation, reason = "each is one half")]
fn parts(word: u64) -> (u32, u32) {
    ((word >> 32) as u32, word as u32)
}

#[cfg(all(test, not(loom)))]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn taken(budget: &RetryBudget, now: Instant) -> usize {
        (0..1000).take_while(|_| budget.take(now)).count()
    }

    #[test]
    fn a_share_of_the_calls_and_a_few_beside() {
        let now = Instant::now();
        let budget = RetryBudget::new(RetryRules::default(), now);
        assert_eq!(taken(&budget, now), 100, "ten a second, for ten seconds");
        (0..99).for_each(|_| budget.called(now));
        assert_eq!(taken(&budget, now), 19);
        budget.called(now);
        assert_eq!(taken(&budget, now), 1);
    }

    #[test]
    fn what_is_older_than_the_window_is_forgotten() {
        let now = Instant::now();
        let rules = RetryRules { per_second: 0, ..RetryRules::default() };
        let budget = RetryBudget::new(rules, now);
        (0..100).for_each(|_| budget.called(now));
        assert_eq!(taken(&budget, now + Duration::from_secs(9)), 20);
        assert_eq!(taken(&budget, now + Duration::from_secs(10)), 0, "the calls are forgotten");
        let later = now + Duration::from_secs(18);
        (0..100).for_each(|_| budget.called(later));
        assert_eq!(taken(&budget, later), 0, "the retries are not");
        assert_eq!(taken(&budget, now + Duration::from_secs(19)), 20);
    }

    #[test]
    fn a_time_long_past_is_neither_counted_nor_granted() {
        let now = Instant::now();
        let rules = RetryRules { share: 1.0, per_second: 0, ..RetryRules::default() };
        let budget = RetryBudget::new(rules, now);
        let later = now + Duration::from_secs(20);
        budget.called(later);
        budget.called(now);
        assert!(budget.take(later) && !budget.take(later));
    }

    #[test]
    fn the_ends_of_its_numbers() {
        let now = Instant::now();
        for share in [f64::NAN, f64::INFINITY, -1.0] {
            let rules = RetryRules { share, per_second: 0, window: Duration::ZERO };
            let budget = RetryBudget::new(rules, now);
            budget.called(now);
            assert!(!budget.take(now));
        }
        let rules = RetryRules { share: 1.0, per_second: u32::MAX, window: Duration::MAX };
        let budget = RetryBudget::new(rules, now);
        budget.called(now);
        assert!(budget.take(now));
    }

    proptest! {
        #[test]
        fn retries_are_never_more_than_the_rules_allow(
            share in 0..100_u32,
            per_second in 0..5_u32,
            steps in prop::collection::vec((0..3_000_u64, any::<bool>()), 0..200),
        ) {
            let rules = RetryRules {
                share: f64::from(share) / 100.0, per_second, ..RetryRules::default()
            };
            let mut now = Instant::now();
            let start = now;
            let budget = RetryBudget::new(rules, now);
            // Each with its slot, in whole seconds.
            let (mut calls, mut retries): (Vec<u64>, Vec<u64>) = Default::default();
            for (gap, is_call) in steps {
                now += Duration::from_millis(gap);
                let slot = (now - start).as_secs();
                let recent = |all: &[u64]| {
                    u32::try_from(all.iter().filter(|at| slot - **at < 10).count()).unwrap()
                };
                if is_call {
                    budget.called(now);
                    calls.push(slot);
                } else {
                    // In hundredths of a retry, which are exact.
                    let allowed = recent(&calls) * share + per_second * 1000;
                    let expected = (recent(&retries) + 1) * 100 <= allowed;
                    prop_assert_eq!(budget.take(now), expected);
                    if expected {
                        retries.push(slot);
                    }
                }
            }
        }
    }
}

#[cfg(all(test, loom))]
mod models {
    use std::sync::Arc;

    use loom::thread;

    use super::*;

    fn budget() -> (Arc<RetryBudget>, Instant) {
        let now = Instant::now();
        let rules = RetryRules { share: 0.5, per_second: 0, window: Duration::from_secs(10) };
        (Arc::new(RetryBudget::new(rules, now)), now)
    }

    #[test]
    fn loom_the_last_retry_is_spent_once() {
        loom::model(|| {
            let (budget, now) = budget();
            (0..2).for_each(|_| budget.called(now));
            let other = Arc::clone(&budget);
            let other = thread::spawn(move || other.take(now));
            let mine = budget.take(now);
            assert!(mine ^ other.join().expect("no panic"));
        });
    }

    #[test]
    fn loom_no_call_is_lost_when_a_slot_is_new() {
        loom::model(|| {
            let (budget, now) = budget();
            budget.called(now);
            // The same word, a window later: both would reset it.
            let later = now + Duration::from_secs(10);
            let other = Arc::clone(&budget);
            let other = thread::spawn(move || other.called(later));
            budget.called(later);
            other.join().expect("no panic");
            assert!(budget.take(later) && !budget.take(later), "two calls, one retry");
        });
    }
}
