//! Plugins whose calls held a connection's thread for too long, and for how long they begin elsewhere.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How long a call may hold a connection's thread: a slice of a millisecond, and what the system takes in
/// between.
const SLICE: Duration = Duration::from_millis(2);
/// How long the calls of a plugin begin elsewhere, the first time, and at most.
const SHORTEST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_mins(1);

/// The plugins that are known to be slow.
#[derive(Default)]
pub(super) struct Slow {
    /// Whether there are any: all that a quick plugin's call looks at.
    some: AtomicBool,
    plugins: Mutex<HashMap<String, Since>>,
}

struct Since {
    until: Instant,
    wait: Duration,
}

impl Slow {
    /// Whether the plugin's calls begin elsewhere.
    #[inline]
    pub(super) fn holds(&self, plugin: &str) -> bool {
        self.some.load(Ordering::Relaxed) && self.holds_now(plugin, Instant::now())
    }

    #[cold]
    fn holds_now(&self, plugin: &str, now: Instant) -> bool {
        let mut plugins = self.lock();
        // One that was slow lately is held for longer, if it is slow again.
        plugins.retain(|_, it| now < it.until + it.wait);
        self.some.store(!plugins.is_empty(), Ordering::Relaxed);
        plugins.get(plugin).is_some_and(|it| now < it.until)
    }

    /// Notes how long a call of the plugin held a connection's thread.
    #[inline]
    pub(super) fn note(&self, plugin: &str, held: Duration) {
        if held > SLICE {
            self.add(plugin, Instant::now());
        }
    }

    #[cold]
    fn add(&self, plugin: &str, now: Instant) {
        let mut plugins = self.lock();
        let wait = match plugins.get(plugin) {
            // Another call that began with the one that is known.
            Some(known) if now < known.until => return,
            Some(known) => known.wait.saturating_mul(2).min(LONGEST),
            None => SHORTEST,
        };
        plugins.insert(plugin.to_owned(), Since { until: now + wait, wait });
        self.some.store(true, Ordering::Relaxed);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<String, Since>> {
        self.plugins.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plugin_that_is_slow_again_begins_elsewhere_for_longer() {
        let slow = Slow::default();
        slow.note("a", SLICE);
        assert!(!slow.holds("a"), "a slice is what a call may take");
        let mut now = Instant::now();
        let mut waits = Vec::new();
        for _ in 0..8 {
            slow.add("a", now);
            slow.add("a", now);
            let held = (0..).take_while(|&it| slow.holds_now("a", now + Duration::from_secs(it)));
            waits.push(held.count());
            assert!(!slow.holds_now("b", now));
            now += Duration::from_secs(waits.last().copied().unwrap_or_default() as u64);
        }
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 60, 60]);
        assert!(!slow.holds_now("a", now + LONGEST));
        slow.add("a", now + LONGEST);
        assert!(!slow.holds_now("a", now + LONGEST + SHORTEST), "what is long ago is forgotten");
        assert!(slow.some.load(Ordering::Relaxed));
        assert!(!slow.holds_now("a", now + 2 * LONGEST) && !slow.some.load(Ordering::Relaxed));
    }
}
