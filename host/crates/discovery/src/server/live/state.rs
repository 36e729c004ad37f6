//! The state of a directory, which its handle, its journal and its watchers share.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use tokio::sync::mpsc;

use super::figures::Figures;
use super::job::Job;
use super::settings::LiveSettings;
use super::topics::{Bells, Topics};
use crate::directory::{Directory, Moment};
use crate::store::{Record, Store};
use crate::wire::Change;

pub(super) struct Inner {
    state: Mutex<State>,
    pub(super) settings: LiveSettings,
    random: Mutex<Random>,
    pub(super) journal: Option<mpsc::Sender<Box<dyn Job>>>,
    pub(super) figures: Figures,
}

pub(super) struct Random {
    pub(super) numbers: fastrand::Rng,
    /// The time in the last identifier.
    pub(super) last: SystemTime,
}

pub(super) struct State {
    pub(super) directory: Directory,
    pub(super) topics: Topics,
}

impl Inner {
    pub(super) fn new(
        directory: Directory,
        settings: LiveSettings,
        journal: Option<mpsc::Sender<Box<dyn Job>>>,
    ) -> Self {
        let numbers = settings.seed.map_or_else(fastrand::Rng::new, fastrand::Rng::with_seed);
        let random = Random { numbers, last: UNIX_EPOCH };
        let state = State { directory, topics: Topics::default() };
        Self {
            state: Mutex::new(state),
            settings,
            random: Mutex::new(random),
            journal,
            figures: Figures::default(),
        }
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        // A panic while it is locked leaves the state of before or after one change.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn now(&self) -> Moment {
        self.settings.clock.now()
    }

    /// Writes records to the store, and applies them if they are kept. `None` if they are not.
    pub(super) fn keep(&self, store: &mut dyn Store, records: &[Record]) -> Option<Bells> {
        if let Err(error) = store.append(records) {
            self.figures.store_failed();
            tracing::error!(reason = error.reason(), %error, "changes are refused: the directory cannot store them");
            return None;
        }
        Some(self.apply(|directory, now| directory.apply(records, now)))
    }

    /// Changes the state, and wakes those who watch what changed.
    pub(super) fn update(&self, change: impl FnOnce(&mut Directory, Moment) -> Vec<Arc<Change>>) {
        self.apply(change).ring();
    }

    fn apply(&self, change: impl FnOnce(&mut Directory, Moment) -> Vec<Arc<Change>>) -> Bells {
        let mut state = self.state();
        let changes = change(&mut state.directory, self.now());
        self.figures.changed(&changes);
        state.topics.of(&changes)
    }

    /// Reads the state at this moment.
    pub(super) fn read<T>(&self, read: impl FnOnce(&Directory, Moment) -> T) -> T {
        let now = self.now();
        read(&self.state().directory, now)
    }

    pub(super) fn random(&self) -> MutexGuard<'_, Random> {
        self.random.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
