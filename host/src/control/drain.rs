//! Drains plugin versions that were retired: waits for their calls, then shuts them down.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use plugbay_core::Correlation;
use plugbay_core::trace::{SpanKind, attributes};
use plugbay_registry::Leased;
use tokio::runtime::Handle;
use tokio::sync::watch;

use crate::report::{Journal, Outcome, millis};
use crate::set::{Generation, Running, Shutdown, spawn_dedicated};

/// Retired plugin versions, and replaced generations whose calls may still reach them.
#[derive(Default)]
pub(crate) struct Draining {
    plugins: Mutex<Vec<Arc<Leased<Running>>>>,
    /// The users of replaced generations, until they are drained.
    users: Mutex<Vec<Arc<Leased<()>>>>,
}

impl Draining {
    /// Retired versions that are not shut down yet.
    pub(crate) fn versions(&self) -> Vec<Arc<Leased<Running>>> {
        self.plugins().clone()
    }

    /// Closes a replaced generation, and those of its plugins that the next one does not hold;
    /// waits for their calls, and shuts the plugins down, in the background.
    ///
    /// The next generation must be published already: a caller that finds a closed lease tries the
    /// newer set. `cause` is the reconciliation that replaced it, if its spans are recorded.
    pub(crate) fn retire(
        self: &Arc<Self>,
        old: &Generation,
        left: Vec<Arc<Leased<Running>>>,
        deadline: Duration,
        tokio: &Handle,
        journal: &Journal,
        cause: Option<&Correlation>,
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
            let mut span =
                cause.and_then(|cause| cause.begin(SpanKind::Internal, || "drain".into()));
            if let Some(span) = &mut span {
                running.name_in(span);
            }
            tokio.spawn(async move {
                let began = Instant::now();
                let in_time =
                    tokio::time::timeout(deadline, calls_ended(&running, &users)).await.is_ok();
                let late = deadline_outcome(&running, &users);
                let plugin = running.label.to_string();
                let (first, mut gone) = draining.shutdown(running);
                // The wait also ends if the sender is dropped.
                let _ = gone.wait_for(|gone| *gone).await;
                if first {
                    let took_ms = millis(began.elapsed());
                    let drained = Outcome::Drained { plugin, took_ms };
                    let outcome = if in_time { drained } else { late };
                    if let Some(mut span) = span {
                        span.set(attributes::OUTCOME, outcome.reason());
                        span.end();
                    }
                    journal.note(number, outcome);
                }
            });
        }
    }

    /// Adds the users of a replaced generation, and returns all users that are not drained.
    pub(crate) fn add_replaced(&self, users: &Arc<Leased<()>>) -> Vec<Arc<Leased<()>>> {
        self.users.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::clone(users));
        self.users()
    }

    /// Shuts a version down on a separate thread, unless its shutdown has begun already. Returns
    /// whether this call began it, and a receiver that becomes true when the shutdown is done.
    pub(crate) fn shutdown(
        self: &Arc<Self>,
        running: Arc<Leased<Running>>,
    ) -> (bool, watch::Receiver<bool>) {
        let Shutdown { called, done } = &running.shutdown;
        let (first, gone) = (!called.swap(true, Ordering::SeqCst), done.subscribe());
        if first {
            let guard = ShutdownGuard { running, draining: Arc::clone(self) };
            if let Err(error) = spawn_dedicated("shutdown", move || guard.running.plugin.shutdown())
            {
                tracing::error!(%error, "cannot start a thread for the plugin's shutdown");
            }
        }
        (first, gone)
    }

    /// Users of replaced generations that are not drained.
    pub(crate) fn users(&self) -> Vec<Arc<Leased<()>>> {
        let mut users = self.users.lock().unwrap_or_else(PoisonError::into_inner);
        users.retain(|users| !users.is_drained());
        users.clone()
    }

    fn plugins(&self) -> std::sync::MutexGuard<'_, Vec<Arc<Leased<Running>>>> {
        self.plugins.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Marks a version as shut down when it is dropped, even if the shutdown panicked.
struct ShutdownGuard {
    running: Arc<Leased<Running>>,
    draining: Arc<Draining>,
}

impl Drop for ShutdownGuard {
    fn drop(&mut self) {
        self.draining.plugins().retain(|other| !Arc::ptr_eq(other, &self.running));
        self.running.shutdown.done.send_replace(true);
    }
}

/// Waits for a version's calls, and for calls that may still reach it: through other plugins, or as
/// one of several providers.
pub(crate) async fn calls_ended(running: &Leased<Running>, users: &[Arc<Leased<()>>]) {
    running.drained().await;
    for users in users {
        users.drained().await;
    }
}

/// The outcome of a version whose calls did not end before the drain deadline.
pub(crate) fn deadline_outcome(running: &Leased<Running>, users: &[Arc<Leased<()>>]) -> Outcome {
    Outcome::DrainDeadline {
        plugin: running.label.to_string(),
        leases: running.leases(),
        others: other_calls(running, users),
    }
}

/// The number of other calls that hold a whole generation.
pub(crate) fn other_calls(running: &Leased<Running>, users: &[Arc<Leased<()>>]) -> usize {
    let all: usize = users.iter().map(|users| users.leases()).sum();
    // Calls of this version hold their generation too, if it calls others.
    all.saturating_sub(if running.calls_others { running.leases() } else { 0 })
}
