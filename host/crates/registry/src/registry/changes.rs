//! Being told that there is a newer generation.
//!
//! Not a queue: a subscriber that is slow wants the newest generation, not each of
//! those it missed. The bell holds one number, the highest rung so far, and a
//! cursor remembers which one its owner has seen. Nothing can pile up, and the
//! latest cannot be lost, however late anyone looks.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering::{Acquire, Release};
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::time::{Duration, Instant};

use event_listener::{Event, IntoNotification as _, Listener as _};

#[derive(Default)]
struct Shared {
    newest: AtomicU64,
    gone: AtomicBool,
    rung: Event,
}

/// The registry's end. Dropping it tells the subscribers that nothing more comes.
#[derive(Default)]
pub(crate) struct Bell(Arc<Shared>);

impl Bell {
    /// Called after `number` was stored, so who is told of it finds it (or a newer
    /// one). Two writers may ring in the other order; hence the maximum.
    pub(crate) fn ring(&self, number: u64) {
        self.0.newest.fetch_max(number, Release);
        self.0.rung.notify(usize::MAX.additional());
    }

    pub(crate) fn subscribe(&self) -> Changes {
        let seen = self.0.newest.load(Acquire);
        Changes { shared: Arc::clone(&self.0), seen }
    }
}

impl Drop for Bell {
    fn drop(&mut self) {
        self.0.gone.store(true, Release);
        self.0.rung.notify(usize::MAX.additional());
    }
}

/// What a look at the bell shows.
enum News {
    None,
    Newer(u64),
    /// The registry is gone, and its last number was reported.
    Over,
}

/// A cursor over the generations of one registry. Made by `Registry::subscribe`.
///
/// It starts at the generation that is current when it is made, and reports later
/// ones, newest first: three changes between two calls are reported once. A clone
/// is a cursor of its own, at the same place. It does not keep the registry alive.
#[derive(Clone)]
pub struct Changes {
    shared: Arc<Shared>,
    seen: u64,
}

impl Changes {
    /// Waits for a generation newer than the last one reported here, and returns
    /// the newest number; at once if there is one already. `None` when the registry
    /// is gone and its last generation was reported.
    ///
    /// A snapshot taken afterwards has that number or a higher one.
    ///
    /// # Cancel safety
    ///
    /// The cursor moves only when this returns: drop it and call again, and nothing
    /// is missed.
    pub async fn changed(&mut self) -> Option<u64> {
        loop {
            match self.look() {
                News::Newer(number) => return Some(number),
                News::Over => return None,
                News::None => {}
            }
            let rung = self.shared.rung.listen();
            // Look again now that we are listening, or a ring in between is lost.
            if let News::None = self.news() {
                rung.await;
            }
        }
    }

    /// As [`Changes::changed`], blocking the thread, for at most `timeout`; `None`
    /// also when that has passed. A zero timeout only looks.
    pub fn wait(&mut self, timeout: Duration) -> Option<u64> {
        // No deadline if it lies beyond what the clock can express.
        let deadline = Instant::now().checked_add(timeout);
        loop {
            match self.look() {
                News::Newer(number) => return Some(number),
                News::Over => return None,
                News::None => {}
            }
            if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
                return None;
            }
            let rung = self.shared.rung.listen();
            if !matches!(self.news(), News::None) {
                continue;
            }
            match deadline {
                None => rung.wait(),
                Some(deadline) => drop(rung.wait_deadline(deadline)),
            }
        }
    }

    /// The last number reported here, or the one this cursor started at.
    #[must_use]
    pub fn seen(&self) -> u64 {
        self.seen
    }

    fn look(&mut self) -> News {
        let news = self.news();
        if let News::Newer(number) = news {
            self.seen = number;
        }
        news
    }

    fn news(&self) -> News {
        // Before the number: who sees the registry gone sees its last number too.
        let gone = self.shared.gone.load(Acquire);
        let newest = self.shared.newest.load(Acquire);
        if newest > self.seen {
            News::Newer(newest)
        } else if gone {
            News::Over
        } else {
            News::None
        }
    }
}

impl fmt::Debug for Changes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Changes").field("seen", &self.seen).finish_non_exhaustive()
    }
}
