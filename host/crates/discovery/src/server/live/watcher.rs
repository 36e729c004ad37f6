//! One who watches.

use std::sync::Arc;

use tokio::sync::watch;

use super::state::Inner;
use crate::directory::{HistoryLost, Scope, Snapshot};
use crate::wire::{Change, Sequence};

/// Watches one service or the whole directory. It has no queue: it reads the history at its own pace,
/// and one that is too slow for the history takes a snapshot and goes on from there.
pub struct Watcher {
    directory: Arc<Inner>,
    scope: Scope,
    since: Sequence,
    bell: watch::Receiver<()>,
    woken: u64,
    began: bool,
}

impl Watcher {
    pub(super) fn new(
        directory: Arc<Inner>,
        scope: Scope,
        since: Sequence,
        bell: watch::Receiver<()>,
    ) -> Self {
        Self { directory, scope, since, bell, woken: 0, began: false }
    }

    /// The next changes, all that there are. Waits for the first.
    ///
    /// Cancel safe: changes are either returned or still to come.
    ///
    /// # Errors
    ///
    /// If the history does not reach back to where this watcher was: it then goes on from a
    /// [`resync`](Self::resync).
    pub async fn changes(&mut self) -> Result<Vec<Arc<Change>>, HistoryLost> {
        loop {
            // Before the look, so that a change after it rings.
            self.bell.borrow_and_update();
            let caught = self
                .directory
                .read(|directory, _| directory.changes_since(self.since, &self.scope))?;
            self.since = caught.upto;
            if !caught.changes.is_empty() {
                if let Some(oldest) = caught.oldest {
                    let lag = self.directory.now().mono.saturating_duration_since(oldest);
                    self.directory.figures.delivered(lag);
                }
                return Ok(caught.changes);
            }
            self.ring().await;
        }
    }

    /// Waits until the scope has changed after where this watcher is, or its history is lost.
    ///
    /// Cancel safe.
    pub async fn passed(&mut self) {
        loop {
            self.bell.borrow_and_update();
            let changes = self
                .directory
                .read(|directory, _| directory.changes_since(self.since, &self.scope));
            match changes {
                Ok(caught) if caught.changes.is_empty() => self.since = caught.upto,
                _ => return,
            }
            self.ring().await;
        }
    }

    /// All endpoints of the scope, unhealthy ones too. [`changes`](Self::changes) then go on from there.
    pub fn resync(&mut self) -> Snapshot {
        self.bell.borrow_and_update();
        let snapshot = self.directory.read(|directory, now| directory.snapshot(&self.scope, now));
        self.since = snapshot.sequence;
        snapshot
    }

    /// The next state of the scope: at first the present one, then one after each change. Changes that
    /// come faster than this is called are seen as one.
    ///
    /// Cancel safe.
    pub async fn snapshot(&mut self) -> Snapshot {
        if self.began {
            // Lost history makes no difference to a snapshot.
            let _ = self.changes().await;
        }
        self.began = true;
        self.resync()
    }

    /// How often a change woke it.
    #[must_use]
    pub fn woken(&self) -> u64 {
        self.woken
    }

    async fn ring(&mut self) {
        // The sender is there as long as this receiver is: see `Topics::leave`.
        if self.bell.changed().await.is_ok() {
            self.woken += 1;
        }
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        self.directory.state().topics.leave(&self.scope);
    }
}

impl std::fmt::Debug for Watcher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { scope, since, .. } = self;
        f.debug_struct("Watcher")
            .field("scope", scope)
            .field("since", since)
            .finish_non_exhaustive()
    }
}
