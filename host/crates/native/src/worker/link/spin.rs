//! Spins for a short time before an end sleeps, as long as that pays.
//!
//! Waking a sleeper on another core takes far longer than a small call does. So an end that waits
//! spins first. That does not pay while calls take longer, or are rare; and it does harm where other
//! threads want the core, because the spinning thread uses up its time slice, and then waits for the
//! next one while there is something to do. In either case what was waited for does not come within
//! the budget. Spinning is then suspended for a pause, which doubles each time that the next attempt
//! fails soon, too.

use std::hint::spin_loop;
use std::time::{Duration, Instant};

/// The longest spin: about as long as waking both ends takes.
const MAX_SPIN: Duration = Duration::from_micros(50);
/// The pause after a first failure, and the longest pause.
const PAUSES: (Duration, Duration) = (Duration::from_millis(1), Duration::from_millis(128));
/// After this many pauses without a failure, the next failure counts as the first one again.
const RESET_AFTER: u32 = 8;
/// How many checks there are between two reads of the clock.
const ROUND: u32 = 32;

/// How long an end may spin on this machine: not at all with a single core, on which the other end
/// cannot run meanwhile.
pub(crate) fn budget() -> Duration {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    if cores > 1 { MAX_SPIN } else { Duration::ZERO }
}

/// Whether and how long one end of a lane spins.
#[derive(Debug)]
pub(crate) struct Spin {
    budget: Duration,
    /// The current or last pause, and when it ends.
    pause: Duration,
    resume: Instant,
}

impl Spin {
    pub(crate) fn new(budget: Duration) -> Self {
        Self { budget, pause: PAUSES.0, resume: Instant::now() }
    }

    /// Checks `ready` at least once. `false` means that the caller should sleep.
    pub(crate) fn until<E>(
        &mut self,
        mut ready: impl FnMut() -> Result<bool, E>,
    ) -> Result<bool, E> {
        if ready()? {
            return Ok(true);
        }
        if self.budget.is_zero() {
            return Ok(false);
        }
        let begun = Instant::now();
        if begun < self.resume {
            return Ok(false);
        }
        loop {
            let mut found = false;
            for _ in 0..ROUND {
                spin_loop();
                found = ready()?;
                if found {
                    break;
                }
            }
            let now = Instant::now();
            // A success past the budget is a failure, too: this thread was not running meanwhile.
            if now.duration_since(begun) >= self.budget {
                self.record_failure(now);
                return Ok(found);
            }
            if found {
                return Ok(true);
            }
        }
    }

    fn record_failure(&mut self, now: Instant) {
        let reset = now.saturating_duration_since(self.resume) > self.pause * RESET_AFTER;
        self.pause = if reset { PAUSES.0 } else { PAUSES.1.min(self.pause * 2) };
        self.resume = now + self.pause;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How often `spin` checks when nothing ever comes.
    fn checks(spin: &mut Spin) -> u32 {
        let mut checks = 0;
        let found = spin.until(|| {
            checks += 1;
            Ok::<_, ()>(false)
        });
        assert_eq!(found, Ok(false));
        checks
    }

    #[test]
    fn without_a_budget_it_checks_once() {
        let mut spin = Spin::new(Duration::ZERO);
        assert_eq!(checks(&mut spin), 1);
        assert_eq!(spin.until(|| Ok::<_, ()>(true)), Ok(true));
    }

    #[test]
    fn after_a_failure_it_checks_once_until_the_pause_is_over() {
        let mut spin = Spin::new(MAX_SPIN);
        assert!(checks(&mut spin) > ROUND);
        spin.resume = Instant::now() + Duration::from_secs(60);
        assert_eq!(checks(&mut spin), 1);
        spin.resume = Instant::now();
        assert!(checks(&mut spin) > ROUND);
    }

    #[test]
    fn pauses_double_until_there_is_no_failure_for_long() {
        let mut spin = Spin::new(MAX_SPIN);
        let mut now = spin.resume;
        let mut pauses = Vec::new();
        for _ in 0..9 {
            spin.record_failure(now);
            pauses.push(spin.pause.as_millis());
            now = spin.resume;
        }
        assert_eq!(pauses, [2, 4, 8, 16, 32, 64, 128, 128, 128]);
        spin.record_failure(now + PAUSES.1 * RESET_AFTER + Duration::from_millis(1));
        assert_eq!(spin.pause, PAUSES.0);
    }

    #[test]
    fn an_error_ends_the_spin() {
        assert_eq!(Spin::new(MAX_SPIN).until(|| Err("broken")), Err("broken"));
    }
}
