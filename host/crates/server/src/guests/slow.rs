//! Remembers plugins whose calls held a connection's thread too long. For a while, their calls begin on
//! the threads of the queue.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How long the calls of a plugin begin on the queue the first time; doubled if it is slow again.
const FIRST: Duration = Duration::from_secs(1);
/// The longest such time.
const MAX: Duration = Duration::from_mins(1);

/// The plugins that were slow lately.
#[derive(Default)]
pub(super) struct Slow {
    /// Whether there are any: the only check for calls while no plugin is slow.
    some: AtomicBool,
    plugins: Mutex<HashMap<String, Since>>,
}

struct Since {
    until: Instant,
    wait: Duration,
}

impl Slow {
    /// Whether the plugin's calls begin on the queue.
    #[inline]
    pub(super) fn holds(&self, plugin: &str) -> bool {
        self.some.load(Ordering::Relaxed) && self.holds_now(plugin, Instant::now())
    }

    #[cold]
    fn holds_now(&self, plugin: &str, now: Instant) -> bool {
        let mut plugins = self.lock();
        // A plugin is remembered after its time is over: if it is slow again, the next one is longer.
        plugins.retain(|_, it| now < it.until + it.wait);
        self.some.store(!plugins.is_empty(), Ordering::Relaxed);
        plugins.get(plugin).is_some_and(|it| now < it.until)
    }

    /// Notes that a call of the plugin held a connection's thread too long.
    #[cold]
    pub(super) fn note(&self, plugin: &str) {
        self.add(plugin, Instant::now());
    }

    fn add(&self, plugin: &str, now: Instant) {
        let mut plugins = self.lock();
        let wait = match plugins.get(plugin) {
            // A call that began at the same time was noted before.
            Some(known) if now < known.until => return,
            Some(known) => known.wait.saturating_mul(2).min(MAX),
            None => FIRST,
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
    fn a_plugin_that_is_slow_again_is_remembered_longer() {
        let slow = Slow::default();
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
        assert!(!slow.holds_now("a", now + MAX));
        slow.add("a", now + MAX);
        assert!(!slow.holds_now("a", now + MAX + FIRST), "what is long ago is forgotten");
        assert!(slow.some.load(Ordering::Relaxed));
        assert!(!slow.holds_now("a", now + 2 * MAX) && !slow.some.load(Ordering::Relaxed));
    }
}
