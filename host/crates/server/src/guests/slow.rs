//! Remembers plugins whose calls held a connection's thread too long. Their calls begin on the threads of the
//! queue, until for a while none of them would have held a thread too long there. Then one call after the other is
//! tried on its connection's thread: if many callers tried it at once, they could hold all these threads together.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How long the calls of a plugin begin on the queue the first time; doubled if it is slow again.
const FIRST: Duration = Duration::from_secs(1);
/// The longest such time, and how long a plugin is remembered after it.
const MAX: Duration = Duration::from_mins(1);
/// How many calls are tried one after the other.
const TRIED: u32 = 16;

/// Where a call begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Begins {
    /// On its connection's thread.
    Here,
    /// On its connection's thread, and no other call of the plugin does.
    Tried,
    /// On a thread of the queue.
    Queued,
}

/// The plugins that were slow lately.
#[derive(Default)]
pub(super) struct Slow {
    /// Whether there are any: the only check for calls while no plugin is slow.
    some: AtomicBool,
    plugins: Mutex<HashMap<String, Since>>,
}

struct Since {
    /// Until then, calls begin on the queue.
    until: Instant,
    wait: Duration,
    /// How many calls have to be tried before all begin on their connections' threads.
    to_try: u32,
}

impl Slow {
    /// Where the next call of the plugin begins. [`Slow::ended`] must follow if it is tried.
    #[inline]
    pub(super) fn begins(&self, plugin: &str) -> Begins {
        if self.some.load(Ordering::Relaxed) {
            self.begins_at(plugin, Instant::now())
        } else {
            Begins::Here
        }
    }

    #[cold]
    fn begins_at(&self, plugin: &str, now: Instant) -> Begins {
        let mut plugins = self.lock();
        // A plugin is remembered after its time is over: if it is slow again, the next one is longer.
        plugins.retain(|_, it| now < it.until + MAX);
        self.some.store(!plugins.is_empty(), Ordering::Relaxed);
        match plugins.get_mut(plugin) {
            None => Begins::Here,
            Some(it) if now < it.until => Begins::Queued,
            Some(it) if it.to_try == 0 => Begins::Here,
            Some(it) => {
                // For as long as this one takes, or if nobody says that it has ended.
                it.until = now + it.wait;
                Begins::Tried
            }
        }
    }

    /// Notes that a call of the plugin left its connection's thread, or ended on the queue, and whether it held
    /// a thread too long.
    #[inline]
    pub(super) fn ended(&self, plugin: &str, begun: Begins, too_long: bool) {
        if too_long || begun == Begins::Tried {
            self.ended_at(plugin, begun, too_long, Instant::now());
        }
    }

    #[cold]
    fn ended_at(&self, plugin: &str, begun: Begins, too_long: bool, now: Instant) {
        let mut plugins = self.lock();
        let wait = match (plugins.get_mut(plugin), too_long) {
            (Some(it), false) => {
                it.until = now;
                it.to_try -= u32::from(it.to_try > 0);
                return;
            }
            (None, false) => return,
            // What it would have done to its connection's thread.
            (Some(it), true) if begun == Begins::Queued => {
                it.until = it.until.max(now + it.wait);
                it.to_try = TRIED;
                return;
            }
            (None, true) if begun == Begins::Queued => return,
            // A call that began at the same time was noted before.
            (Some(it), true) if begun == Begins::Here && now < it.until => return,
            (Some(it), true) => it.wait.saturating_mul(2).min(MAX),
            (None, true) => FIRST,
        };
        plugins.insert(plugin.to_owned(), Since { until: now + wait, wait, to_try: TRIED });
        self.some.store(true, Ordering::Relaxed);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<String, Since>> {
        self.plugins.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_plugin_that_is_slow_again_is_queued_longer() {
        let slow = Slow::default();
        let mut now = Instant::now();
        let mut begun = Begins::Here;
        let mut waits = Vec::new();
        for _ in 0..8 {
            slow.ended_at("a", begun, true, now);
            slow.ended_at("a", Begins::Here, true, now);
            let mut queued = 0;
            loop {
                begun = slow.begins_at("a", now);
                if begun != Begins::Queued {
                    break;
                }
                now += SECOND;
                queued += 1;
            }
            assert_eq!(begun, Begins::Tried);
            waits.push(queued);
            assert_eq!(slow.begins_at("b", now), Begins::Here);
        }
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 60, 60]);
        assert!(slow.some.load(Ordering::Relaxed));
        let later = now + 2 * MAX;
        assert_eq!(slow.begins_at("a", later), Begins::Here, "what is long ago is forgotten");
        assert!(!slow.some.load(Ordering::Relaxed));
        slow.ended_at("a", Begins::Here, true, later);
        assert_eq!(slow.begins_at("a", later + FIRST), Begins::Tried);
    }

    #[test]
    fn a_plugin_that_stays_slow_on_the_queue_is_not_tried() {
        let slow = Slow::default();
        let mut now = Instant::now();
        slow.ended_at("a", Begins::Here, true, now);
        for _ in 0..100 {
            now += FIRST / 2;
            assert_eq!(slow.begins_at("a", now), Begins::Queued);
            slow.ended_at("a", Begins::Queued, true, now);
        }
        now += FIRST;
        assert_eq!(slow.begins_at("a", now), Begins::Tried, "none was slow for a while");
        slow.ended_at("b", Begins::Queued, true, now);
        assert_eq!(slow.begins_at("b", now), Begins::Here, "it has held no connection's thread");
    }

    #[test]
    fn one_call_after_the_other_is_tried_until_enough_were_short() {
        let slow = Slow::default();
        let now = Instant::now();
        slow.ended_at("a", Begins::Here, true, now);
        let then = now + FIRST;
        for _ in 0..TRIED {
            assert_eq!(slow.begins_at("a", then), Begins::Tried);
            assert_eq!(slow.begins_at("a", then), Begins::Queued, "the other has not ended");
            slow.ended_at("a", Begins::Tried, false, then);
        }
        assert_eq!(slow.begins_at("a", then), Begins::Here);
        assert_eq!(slow.begins_at("a", then), Begins::Here);
        slow.ended_at("a", Begins::Here, true, then);
        assert_eq!(slow.begins_at("a", then + FIRST), Begins::Queued, "it is remembered");
    }
}
