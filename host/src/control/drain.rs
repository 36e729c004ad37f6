//! What left a generation: waits for its calls, then shuts down it.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use plugbay_registry::Leased;
use tokio::runtime::Handle;
use tokio::sync::watch;

use crate::report::{Journal, Outcome, millis};
use crate::set::{Generation, Running, Shutdown, spawn_dedicated};

/// Plugin versions that left, and generations whose calls may still reach them.
#[derive(Default)]
pub(crate) struct Draining {
    plugins: Mutex<Vec<Arc<Leased<Running>>>>,
    /// The users of generations that were replaced, until they are drained.
    users: Mutex<Vec<Arc<Leased<()>>>>,
}

impl Draining {
    /// Versions that left, and are not gone.
    pub(crate) fn versions(&self) -> Vec<Arc<Leased<Running>>> {
        self.plugins().clone()
    }

    /// Closes a generation that was replaced, and those of its plugins that the next one
    /// does not hold; waits for their calls, and shuts the plugins down, in the background.
    ///
    /// The next generation must be published already: a caller that finds a closed lease looks
    /// for a newer set.
    pub(crate) fn retire(
        self: &Arc<Self>,
        old: &Generation,
        left: Vec<Arc<Leased<Running>>>,
        deadline: Duration,
        tokio: &Handle,
        journal: &Journal,
    ) {
        old.users.close();
        for running in &left {
            running.close();
        }
        let users = self.add_replaced(&old.users);
        let number = old.number;
        for running in left {
            self.plugins().push(Arc::clone(&running));
            let (draining, users, journal) = (Arc::clone(self), users.clone(), journal.clone());
            tokio.spawn(async move {
                let began = Instant::now();
                let in_time = tokio::time::timeout(deadline, over(&running, &users)).await.is_ok();
                let late = late(&running, &users);
                let plugin = running.label.to_string();
                let (first, mut gone) = draining.shutdown(running);
                // It ends too if the sender is dropped.
                let _ = gone.wait_for(|gone| *gone).await;
                if first {
                    let took_ms = millis(began.elapsed());
                    let drained = Outcome::Drained { plugin, took_ms };
                    journal.note(number, if in_time { drained } else { late });
                }
            });
        }
    }

    /// Adds a replaced generation, and returns all whose calls are not over.
    pub(crate) fn add_replaced(&self, users: &Arc<Leased<()>>) -> Vec<Arc<Leased<()>>> {
        self.users.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::clone(users));
        self.users()
    }

    /// Shuts a version down, unless that has begun already, on a thread of
    /// its own. Returns whether this was the first to tell it, and what becomes true when it has
    /// taken note.
    pub(crate) fn shutdown(
        self: &Arc<Self>,
        running: Arc<Leased<Running>>,
    ) -> (bool, watch::Receiver<bool>) {
        let Shutdown { said, over } = &running.shutdown;
        let (first, gone) = (!said.swap(true, Ordering::SeqCst), over.subscribe());
        if first {
            let last = Last { running, draining: Arc::clone(self) };
            if let Err(error) = spawn_dedicated("shutdown", move || last.running.plugin.shutdown())
            {
                tracing::error!(%error, "expected a thread for a plugin's shutdown");
            }
        }
        (first, gone)
    }

    /// Users of generations that were replaced, and are not drained.
    pub(crate) fn users(&self) -> Vec<Arc<Leased<()>>> {
        let mut users = self.users.lock().unwrap_or_else(PoisonError::into_inner);
        users.retain(|users| !users.is_drained());
        users.clone()
    }

    fn plugins(&self) -> std::sync::MutexGuard<'_, Vec<Arc<Leased<Running>>>> {
        self.plugins.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A version at its last words. However they end, it is gone then.
struct Last {
    running: Arc<Leased<Running>>,
    draining: Arc<Draining>,
}

impl Drop for Last {
    fn drop(&mut self) {
        self.draining.plugins().retain(|other| !Arc::ptr_eq(other, &self.running));
        self.running.shutdown.over.send_replace(true);
    }
}

/// Waits for a version's calls, and for calls that may still reach it: through other plugins, or
/// because it is open which provider will answer.
pub(crate) async fn over(running: &Leased<Running>, users: &[Arc<Leased<()>>]) {
    running.drained().await;
    for users in users {
        users.drained().await;
    }
}

/// What is noted of a version whose calls are not over in time.
pub(crate) fn late(running: &Leased<Running>, users: &[Arc<Leased<()>>]) -> Outcome {
    Outcome::DrainDeadline {
        plugin: running.label.to_string(),
        leases: running.leases(),
        others: others(running, users),
    }
}

/// Calls of others that hold a whole generation.
pub(crate) fn others(running: &Leased<Running>, users: &[Arc<Leased<()>>]) -> usize {
    let all: usize = users.iter().map(|users| users.leases()).sum();
    // Its own do so too, if it calls others.
    all.saturating_sub(if running.calls_others { running.leases() } else { 0 })
}
