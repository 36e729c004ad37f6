//! Turns single health checks into healthy and unhealthy.

/// Whether a plugin is healthy, by its health checks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Health {
    /// The plugin gets calls.
    Healthy,
    /// The plugin gets no calls.
    Unhealthy,
}

impl Health {
    /// Whether this is [`Health::Healthy`].
    #[must_use]
    pub fn is_healthy(self) -> bool {
        self == Self::Healthy
    }

    /// A stable word for logs, metrics and the API.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Healthy => "healthy",
            Self::Unhealthy => "unhealthy",
        }
    }
}

/// Counts health checks in a row: `fall` failed ones make a plugin unhealthy, `rise` passed ones
/// make it healthy again. So one slow check does not take a plugin out, and one lucky check does
/// not bring it back. The names are those of `HAProxy`'s `fall` and `rise`.
///
/// ```
/// use plugbay_guard::{Health, Streak};
///
/// let mut streak = Streak::new(2, 1);
/// assert_eq!(streak.note(false), None);
/// assert_eq!(streak.note(false), Some(Health::Unhealthy)); // the change, told once
/// assert_eq!(streak.note(false), None);
/// assert_eq!(streak.note(true), Some(Health::Healthy));
/// ```
#[derive(Clone, Debug)]
pub struct Streak {
    fall: u32,
    rise: u32,
    health: Health,
    /// Checks in a row that contradict `health`.
    against: u32,
}

impl Streak {
    /// A streak that starts healthy. A number of zero counts as one.
    #[must_use]
    pub fn new(fall: u32, rise: u32) -> Self {
        Self { fall: fall.max(1), rise: rise.max(1), health: Health::Healthy, against: 0 }
    }

    /// Counts one check. Returns the new health, if this check changed it.
    pub fn note(&mut self, good: bool) -> Option<Health> {
        if good == self.health.is_healthy() {
            self.against = 0;
            return None;
        }
        self.against += 1;
        let (needed, other) = match self.health {
            Health::Healthy => (self.fall, Health::Unhealthy),
            Health::Unhealthy => (self.rise, Health::Healthy),
        };
        if self.against < needed {
            return None;
        }
        (self.health, self.against) = (other, 0);
        Some(other)
    }

    /// The current health.
    #[must_use]
    pub fn health(&self) -> Health {
        self.health
    }

    /// How many checks in a row contradict [`health`](Self::health).
    #[must_use]
    pub fn against(&self) -> u32 {
        self.against
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn it_falls_and_rises_after_so_many_in_a_row() {
        let mut streak = Streak::new(3, 2);
        let told: Vec<_> =
            [false, false, true, false, false, false, false, true, false, true, true]
                .map(|good| streak.note(good))
                .into_iter()
                .enumerate()
                .filter_map(|(at, change)| Some((at, change?)))
                .collect();
        assert_eq!(told, [(5, Health::Unhealthy), (10, Health::Healthy)]);
        assert_eq!((streak.health(), streak.against()), (Health::Healthy, 0));
    }

    #[test]
    fn zero_counts_as_one() {
        let mut streak = Streak::new(0, 0);
        assert_eq!(streak.note(false), Some(Health::Unhealthy));
        assert_eq!(streak.note(true), Some(Health::Healthy));
    }

    proptest! {
        #[test]
        fn it_is_what_the_last_run_that_was_long_enough_says(
            fall in 1..5_u32,
            rise in 1..5_u32,
            checks in prop::collection::vec(any::<bool>(), 0..100),
        ) {
            let mut streak = Streak::new(fall, rise);
            let (mut run, mut last, mut expected) = (0, true, true);
            for good in checks {
                run = if good == last { run + 1 } else { 1 };
                last = good;
                let before = expected;
                if run >= if good { rise } else { fall } {
                    expected = good;
                }
                let change = streak.note(good);
                prop_assert_eq!(change.is_some(), before != expected);
                prop_assert_eq!(streak.health().is_healthy(), expected);
            }
        }
    }
}
