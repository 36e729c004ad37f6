//! The last generations, to go back to.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::SystemTime;

use crate::config::Config;
use crate::desired::Wanted;
use crate::generation::Generation;
use crate::load::{Key, key_of};

/// What a generation was made of: enough to make it again.
#[derive(Clone, Debug)]
pub(crate) struct Past {
    pub(crate) number: u64,
    /// The first of those before it, without a gap, that served the same.
    first: u64,
    pub(crate) published: SystemTime,
    pub(crate) config: Arc<Config>,
    pub(crate) wanted: Vec<Wanted>,
}

impl Past {
    /// Whether both serve the same plugins by the same configuration.
    fn serves_as(&self, other: &Self) -> bool {
        let identities = self.wanted.iter().map(|it| &it.identity);
        self.config == other.config && identities.eq(other.wanted.iter().map(|it| &it.identity))
    }

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
            first: generation.number,
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
    /// before it. One that serves what the one before did takes its place: a plugin that is
    /// started anew again and again must not drive out what it should be rolled back to.
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

/// What somebody goes back to who names no generation: the newest of `history` that serves
/// anything else. While there is a trial that is the newest of all, which serves without it; after
/// a rollback it is one from before the generation that was gone back to.
pub(crate) fn previous(history: &[Arc<Past>], on_trial: bool, pinned: Option<u64>) -> Option<u64> {
    let serving = history.last()?;
    if on_trial {
        return Some(serving.number);
    }
    let mut earlier = history
        .iter()
        .rev()
        .filter(|past| past.number < pinned.unwrap_or(serving.number) && !past.serves_as(serving));
    earlier.next().map(|past| past.number)
}
