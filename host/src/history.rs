//! The last generations, to go back to.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::SystemTime;

use crate::config::Config;
use crate::desired::Wanted;
use crate::generation::Generation;
use crate::load::{Key, key_of};

/// What a generation was made of: enough to make it again.
#[derive(Debug)]
pub(crate) struct Past {
    pub(crate) number: u64,
    pub(crate) published: SystemTime,
    pub(crate) config: Arc<Config>,
    pub(crate) wanted: Vec<Wanted>,
}

impl Past {
    fn of(generation: &Generation) -> Self {
        let wanted = generation.plugins.iter().map(|(_, member)| {
            let offer = crate::desired::Offer {
                source: member.source.clone(),
                ..member.running.offer.clone()
            };
            Wanted { identity: member.running.identity.clone(), offer }
        });
        Self {
            number: generation.number,
            published: generation.published,
            config: Arc::clone(&generation.config),
            wanted: wanted.collect(),
        }
    }
}

/// The generations that can be gone back to: the newest is the one that serves.
#[derive(Default)]
pub(crate) struct History(VecDeque<Arc<Past>>);

impl History {
    /// Remembers a generation that was published, and forgets the oldest beyond `most` that came
    /// before it.
    pub(crate) fn keep(&mut self, generation: &Generation, most: usize) {
        self.0.push_back(Arc::new(Past::of(generation)));
        while self.0.len() > most + 1 {
            self.0.pop_front();
        }
    }

    /// The generation of this number, if it is remembered.
    pub(crate) fn find(&self, number: u64) -> Option<&Arc<Past>> {
        self.0.iter().find(|past| past.number == number)
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
