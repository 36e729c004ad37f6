//! Looking again and again, for a short while, before sleeping.
//!
//! To wake a sleeper on another core takes far longer than a small call does. So an end that
//! waits looks for a while first, as long as that pays. It does not pay while calls take longer,
//! or come seldom; and it does harm where others want the core: whoever looks uses up its turn,
//! and then waits for its next one while there is something to do. Either shows: what was waited
//! for did not come within the while. Then there is no looking for a pause, which doubles each
//! time that the next attempt fails soon, too.

use std::hint::spin_loop;
use std::time::{Duration, Instant};

/// How long one wait may look: about what it takes to wake both ends.
const LONGEST: Duration = Duration::from_micros(50);
/// The pause after a first failure, and the longest.
const PAUSES: (Duration, Duration) = (Duration::from_millis(1), Duration::from_millis(128));
/// A failure is a first one again after so many pauses of success.
const CALM: u32 = 8;
/// How often it looks between two looks at the clock.
const ROUND: u32 = 32;

/// How long an end may look on this machine: not at all with a single core, where the other end
/// cannot do anything meanwhile.
pub(crate) fn budget() -> Duration {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    if cores > 1 { LONGEST } else { Duration::ZERO }
}

/// Whether and how long one end of a lane looks.
#[derive(Debug)]
pub(crate) struct Spin {
    budget: Duration,
    /// The current pause, or the last, and its end.
    pause: Duration,
    resume: Instant,
}

impl Spin {
    pub(crate) fn new(budget: Duration) -> Self {
        Self { budget, pause: PAUSES.0, resume: Instant::now() }
    }

    /// Looks whether it is `ready`, at least once. `false` says: sleep.
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
            // Found too late is a failure as well: this thread has lost its turn meanwhile.
            if now.duration_since(begun) >= self.budget {
                self.failed(now);
                return Ok(found);
            }
            if found {
                return Ok(true);
            }
        }
    }

    fn failed(&mut self, now: Instant) {
        let calm = now.saturating_duration_since(self.resume) > self.pause * CALM;
        self.pause = if calm { PAUSES.0 } else { PAUSES.1.min(self.pause * 2) };
        self.resume = now + self.pause;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How often `spin` looks for what never comes.
    fn looks(spin: &mut Spin) -> u32 {
        let mut looks = 0;
        let found = spin.until(|| {
            looks += 1;
            Ok::<_, ()>(false)
        });
        assert_eq!(found, Ok(false));
        looks
    }

    #[test]
    fn without_a_budget_it_looks_once() {
        let mut spin = Spin::new(Duration::ZERO);
        assert_eq!(looks(&mut spin), 1);
        assert_eq!(spin.until(|| Ok::<_, ()>(true)), Ok(true));
    }

    #[test]
    fn after_a_failure_it_looks_once_until_the_pause_is_over() {
        let mut spin = Spin::new(LONGEST);
        assert!(looks(&mut spin) > ROUND);
        spin.resume = Instant::now() + Duration::from_secs(60);
        assert_eq!(looks(&mut spin), 1);
        spin.resume = Instant::now();
        assert!(looks(&mut spin) > ROUND);
    }

    #[test]
    fn pauses_double_until_it_was_calm() {
        let mut spin = Spin::new(LONGEST);
        let mut now = spin.resume;
        let mut pauses = Vec::new();
        for _ in 0..9 {
            spin.failed(now);
            pauses.push(spin.pause.as_millis());
            now = spin.resume;
        }
        assert_eq!(pauses, [2, 4, 8, 16, 32, 64, 128, 128, 128]);
        spin.failed(now + PAUSES.1 * CALM + Duration::from_millis(1));
        assert_eq!(spin.pause, PAUSES.0);
    }

    #[test]
    fn an_error_ends_it() {
        assert_eq!(Spin::new(LONGEST).until(|| Err("broken")), Err("broken"));
    }
}
