//! The last generations, for rollback.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use super::prepare::{Key, key_of};
use crate::set::{Generation, Overrides, PastGeneration};

/// The generations that can be rolled back to; the newest is the one that serves.
#[derive(Default)]
pub(crate) struct History(VecDeque<Arc<PastGeneration>>);

impl History {
    /// Remembers a published generation and at most `most` before it, and forgets older ones. A
    /// generation that serves the same as the one before replaces it: repeated restarts of a plugin
    /// must not push out the generation to roll back to.
    pub(crate) fn keep(
        &mut self,
        generation: &Generation,
        overrides: &Arc<Overrides>,
        most: usize,
    ) {
        let mut past = PastGeneration::of(generation, overrides);
        if let Some(last) = self.0.pop_back_if(|last| last.serves_as(&past)) {
            past.first = last.first;
        }
        self.0.push_back(Arc::new(past));
        while self.0.len() > most + 1 {
            self.0.pop_front();
        }
    }

    /// The generation with this number, if it is remembered.
    pub(crate) fn find(&self, number: u64) -> Option<Arc<PastGeneration>> {
        let past = self.0.iter().find(|past| (past.first..=past.number).contains(&number))?;
        Some(Arc::new(PastGeneration { number, ..PastGeneration::clone(past) }))
    }

    /// The keys of the artifacts that must stay prepared, so that each generation can be published
    /// again.
    pub(crate) fn keys(&self) -> BTreeSet<Key> {
        self.0.iter().flat_map(|past| &past.wanted).map(key_of).collect()
    }

    /// All of them, oldest first.
    pub(crate) fn list(&self) -> Arc<[Arc<PastGeneration>]> {
        self.0.iter().cloned().collect()
    }
}
