//! The last generations, to go back to.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use super::prepare::{Key, key_of};
use crate::set::{Generation, Past};

/// The generations that can be gone back to: the newest is the one that serves.
#[derive(Default)]
pub(crate) struct History(VecDeque<Arc<Past>>);

impl History {
    /// Remembers a generation that was published, and forgets the oldest beyond `most` that came
    /// before it. One that serves what the one before did takes its place: a plugin that is
    /// restarted again and again must not drive out what it should be rolled back to.
    pub(crate) fn keep(&mut self, generation: &Generation, most: usize) {
        let mut past = Past::of(generation);
        if let Some(last) = self.0.pop_back_if(|last| last.serves_as(&past)) {
            past.first = last.first;
        }
        self.0.push_back(Arc::new(past));
        while self.0.len() > most + 1 {
            self.0.pop_front();
        }
    }

    /// The generation of this number, if it is remembered.
    pub(crate) fn find(&self, number: u64) -> Option<Arc<Past>> {
        let past = self.0.iter().find(|past| (past.first..=past.number).contains(&number))?;
        Some(Arc::new(Past { number, ..Past::clone(past) }))
    }

    /// What has to stay prepared so that each can be made again.
    pub(crate) fn keys(&self) -> BTreeSet<Key> {
        self.0.iter().flat_map(|past| &past.wanted).map(key_of).collect()
    }

    /// All of them, oldest first.
    pub(crate) fn list(&self) -> Arc<[Arc<Past>]> {
        self.0.iter().cloned().collect()
    }
}
