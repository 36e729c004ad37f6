//! A generation that was published before, with all that is needed to publish it again.

use std::sync::Arc;
use std::time::SystemTime;

use super::generation::Generation;
use super::offer::{Offer, Wanted};
use super::overrides::Overrides;
use crate::config::Config;

/// The content of an earlier generation, with all that is needed to publish it again.
#[derive(Clone, Debug)]
pub(crate) struct PastGeneration {
    pub(crate) number: u64,
    /// The first of the consecutive generations before it that served the same.
    pub(crate) first: u64,
    pub(crate) published: SystemTime,
    /// With what operators had switched.
    pub(crate) config: Arc<Config>,
    /// Without that.
    pub(crate) base: Arc<Config>,
    pub(crate) overrides: Arc<Overrides>,
    pub(crate) wanted: Vec<Wanted>,
}

impl PastGeneration {
    /// Whether both serve the same plugins with the same configuration.
    pub(crate) fn serves_as(&self, other: &Self) -> bool {
        let identities = self.wanted.iter().map(|it| &it.identity);
        self.config == other.config && identities.eq(other.wanted.iter().map(|it| &it.identity))
    }

    pub(crate) fn of(generation: &Generation, overrides: &Arc<Overrides>) -> Self {
        let wanted = generation.plugins.iter().map(|(_, member)| {
            let offer = Offer { source: member.source.clone(), ..member.running.offer.clone() };
            Wanted { identity: member.running.identity.clone(), offer }
        });
        Self {
            number: generation.number,
            first: generation.number,
            published: generation.published,
            config: Arc::clone(&generation.config),
            base: Arc::clone(&generation.base),
            overrides: Arc::clone(overrides),
            wanted: wanted.collect(),
        }
    }
}

/// The default target of a rollback: the newest generation of `history` that serves something else.
/// During a trial this is the newest generation itself, without the trial; after a rollback it is
/// one before the generation that was rolled back to.
pub(crate) fn previous(
    history: &[Arc<PastGeneration>],
    on_trial: bool,
    pinned: Option<u64>,
) -> Option<u64> {
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
