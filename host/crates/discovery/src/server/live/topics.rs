//! Who is woken by a change.

use std::collections::HashMap;
use std::sync::Arc;

use tokio::sync::watch;

use crate::directory::Scope;
use crate::wire::Change;

/// A bell for each scope that somebody watches.
#[derive(Debug, Default)]
pub(super) struct Topics(HashMap<Scope, watch::Sender<()>>);

/// The bells of those who watch what changed.
#[derive(Debug, Default)]
#[must_use = "nobody is woken before they are rung"]
pub(super) struct Bells(Vec<watch::Sender<()>>);

impl Bells {
    /// Wakes them.
    pub(super) fn ring(self) {
        for bell in self.0 {
            bell.send_replace(());
        }
    }
}

impl Topics {
    pub(super) fn subscribe(&mut self, scope: &Scope) -> watch::Receiver<()> {
        self.0.entry(scope.clone()).or_default().subscribe()
    }

    /// Forgets a scope if its only watcher is about to leave.
    pub(super) fn leave(&mut self, scope: &Scope) {
        if self.0.get(scope).is_some_and(|bell| bell.receiver_count() <= 1) {
            self.0.remove(scope);
        }
    }

    /// The bells of those who watch what changed. To be rung after the lock is released.
    pub(super) fn of(&self, changes: &[Arc<Change>]) -> Bells {
        if changes.is_empty() || self.0.is_empty() {
            return Bells::default();
        }
        let mut scopes = vec![Scope::All];
        for change in changes {
            let scope = Scope::Service(change.endpoint.service.clone());
            // Changes of one service often come in a row.
            if scopes.last() != Some(&scope) {
                scopes.push(scope);
            }
        }
        Bells(scopes.iter().filter_map(|scope| self.0.get(scope).cloned()).collect())
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn watchers(&self) -> usize {
        self.0.values().map(watch::Sender::receiver_count).sum()
    }
}
