//! Files whose content may change at any time: tokens and certificates.
//!
//! They are read once a second, and compared by their content, as long as anyone needs them. So every way to change
//! them works: a rename, writing in place, a link that is swapped (Kubernetes), a file system without events.

use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval};

/// How often the files are read: within this time a removed token is no longer accepted.
const EVERY: Duration = Duration::from_secs(1);

/// Something that is read from files.
pub(crate) trait Watched: Send + Sync + 'static {
    /// Reads the files, and takes what changed. May block.
    fn look(&self);
}

/// Looks again and again, in the current runtime, until `watched` is dropped.
pub(crate) fn watch<W: Watched>(watched: &Arc<W>) {
    let watched: Weak<W> = Arc::downgrade(watched);
    tokio::spawn(async move {
        let mut ticks = interval(EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            let Some(watched) = watched.upgrade() else { return };
            // A file may be on a slow file system.
            let looked = tokio::task::spawn_blocking(move || watched.look());
            if looked.await.is_err() {
                // The runtime ends. (A panic has been told by the hook.)
                return;
            }
        }
    });
}
