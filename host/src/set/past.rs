//! A generation that was published: enough to make it again.

use std::sync::Arc;
use std::time::SystemTime;

use super::generation::Generation;
use super::offer::{Offer, Wanted};
use crate::config::Config;

/// What a generation was made of: enough to make it again.
#[derive(Clone, Debug)]
pub(crate) struct Past {
    pub(crate) number: u64,
    /// The first of those before it, without a gap, that served the same.
    pub(crate) first: u64,
    pub(crate) published: SystemTime,
    pub(crate) config: Arc<Config>,
    pub(crate) wanted: Vec<Wanted>,
}

impl Past {
    /// Whether both serve the same plugins by the same configuration.
    pub(crate) fn serves_as(&self, other: &Self) -> bool {
        let identities = self.wanted.iter().map(|it| &it.identity);
        self.config == other.config && identities.eq(other.wanted.iter().map(|it| &it.identity))
    }

    pub(crate) fn of(generation: &Generation) -> Self {
        let wanted = generation.plugins.iter().map(|(_, member)| {
            let offer = Offer { source: member.source.clone(), ..member.running.offer.clone() };
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

/// What a rollback that names no generation goes back to: the newest of `history` that serves
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
