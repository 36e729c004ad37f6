//! Notifies subscribers of newer generations. This is not a queue: a slow subscriber wants the
//! newest generation, not each of those it missed. The notifier holds one number, the highest so
//! far, and a cursor remembers which one its owner has seen. Nothing can pile up, and the latest
//! number cannot be lost, however late a subscriber reads it.

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
    changed: Event,
}

/// The registry's side. Dropping it ends the subscriptions.
#[derive(Default)]
pub(crate) struct Notifier(Arc<Shared>);

impl Notifier {
    /// Called after generation `number` was stored, so a notified subscriber finds it (or a newer
    /// one). Two writers may call this in the other order; hence the maximum.
    pub(crate) fn notify(&self, number: u64) {
        self.0.newest.fetch_max(number, Release);
        self.0.changed.notify(usize::MAX.additional());
    }

    pub(crate) fn subscribe(&self) -> Changes {
        let seen = self.0.newest.load(Acquire);
        Changes { shared: Arc::clone(&self.0), seen }
    }
}

impl Drop for Notifier {
    fn drop(&mut self) {
        self.0.gone.store(true, Release);
        self.0.changed.notify(usize::MAX.additional());
    }
}

/// The state of the notifier, as seen from one cursor.
enum State {
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
            match self.advance() {
                State::Newer(number) => return Some(number),
                State::Over => return None,
                State::None => {}
            }
            let changed = self.shared.changed.listen();
            // Check again now that we are listening, or a notification in between is lost.
            if let State::None = self.state() {
                changed.await;
            }
        }
    }

    /// As [`Changes::changed`], blocking the thread, for at most `timeout`; `None`
    /// also when that has passed. A zero timeout only looks.
    pub fn wait(&mut self, timeout: Duration) -> Option<u64> {
        // No deadline if it lies beyond what the clock can express.
        let deadline = Instant::now().checked_add(timeout);
        loop {
            match self.advance() {
                State::Newer(number) => return Some(number),
                State::Over => return None,
                State::None => {}
            }
            if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
                return None;
            }
            let changed = self.shared.changed.listen();
            if !matches!(self.state(), State::None) {
                continue;
            }
            match deadline {
                None => changed.wait(),
                Some(deadline) => drop(changed.wait_deadline(deadline)),
            }
        }
    }

    /// The last number reported here, or the one this cursor started at.
    #[must_use]
    pub fn seen(&self) -> u64 {
        self.seen
    }

    fn advance(&mut self) -> State {
        let state = self.state();
        if let State::Newer(number) = state {
            self.seen = number;
        }
        state
    }

    fn state(&self) -> State {
        // Loaded before the number: a thread that sees `gone` then sees the last number too.
        let gone = self.shared.gone.load(Acquire);
        let newest = self.shared.newest.load(Acquire);
        if newest > self.seen {
            State::Newer(newest)
        } else if gone {
            State::Over
        } else {
            State::None
        }
    }
}

impl fmt::Debug for Changes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Changes").field("seen", &self.seen).finish_non_exhaustive()
    }
}
