//! What left a generation: waits for its calls, then shuts it down.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use plugbay_registry::Leased;
use tokio::runtime::Handle;

use crate::generation::{Generation, Running};
use crate::outcome::{Journal, Outcome, millis};
use crate::status::DrainingStatus;

/// Plugin versions that left, and generations whose calls may still reach them.
#[derive(Default)]
pub(crate) struct Draining {
    plugins: Mutex<Vec<Arc<Leased<Running>>>>,
    /// The users of generations that were replaced, until they are drained.
    users: Mutex<Vec<Arc<Leased<()>>>>,
}

impl Draining {
    /// What is under way.
    pub(crate) fn status(&self) -> Vec<DrainingStatus> {
        let plugins = self.plugins.lock().unwrap_or_else(PoisonError::into_inner);
        let status = plugins.iter().map(|running| DrainingStatus {
            plugin: running.label.to_string(),
            digest: running.identity.digest.to_string(),
            leases: running.leases(),
        });
        status.collect()
    }

    /// Closes a generation that was replaced, and those of its plugins that the next one
    /// does not hold; waits for their calls, and shuts the plugins down, in the background.
    ///
    /// The next generation must be published already: whoever finds a closed lease looks
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
        let users = self.replaced(&old.users);
        let number = old.number;
        for running in left {
            self.lock().push(Arc::clone(&running));
            let (draining, users, journal) = (Arc::clone(self), users.clone(), journal.clone());
            tokio.spawn(async move {
                let outcome = drain(&running, &users, deadline).await;
                draining.lock().retain(|other| !Arc::ptr_eq(other, &running));
                journal.note(number, outcome);
            });
        }
    }

    /// Remembers a replaced generation, and returns all whose calls are not over.
    fn replaced(&self, users: &Arc<Leased<()>>) -> Vec<Arc<Leased<()>>> {
        let mut replaced = self.users.lock().unwrap_or_else(PoisonError::into_inner);
        replaced.push(Arc::clone(users));
        replaced.retain(|users| !users.is_drained());
        replaced.clone()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Arc<Leased<Running>>>> {
        self.plugins.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Waits for a plugin's calls, and for calls that may still reach it through others; then
/// shuts it down, on a thread that may block.
pub(crate) async fn drain(
    running: &Arc<Leased<Running>>,
    users: &[Arc<Leased<()>>],
    deadline: Duration,
) -> Outcome {
    let began = Instant::now();
    let over = async {
        running.drained().await;
        for users in users {
            users.drained().await;
        }
    };
    let in_time = tokio::time::timeout(deadline, over).await.is_ok();
    let leases = running.leases();
    let plugin = Arc::clone(&running.plugin);
    let shut_down = tokio::task::spawn_blocking(move || plugin.shutdown()).await;
    if let Err(error) = shut_down {
        tracing::error!(plugin = &*running.label, %error, "shutdown did not end");
    }
    let plugin = running.label.to_string();
    if in_time {
        Outcome::Drained { plugin, took_ms: millis(began.elapsed()) }
    } else {
        Outcome::DrainDeadline { plugin, leases }
    }
}
