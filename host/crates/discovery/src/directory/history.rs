//! The latest changes, for watchers that are behind.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use super::query::Scope;
use crate::wire::{Change, Sequence};

/// The changes after a sequence number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caught {
    /// The changes within the scope, in order.
    pub changes: Vec<Arc<Change>>,
    /// The number up to which they are complete: where to go on.
    pub upto: Sequence,
    /// When the first of them was made, by the monotonic clock.
    pub oldest: Option<Instant>,
}

/// The history does not reach back to a sequence number, or never gave it out: a watcher needs a
/// snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the history does not reach back to {since}: take a snapshot")]
pub struct HistoryLost {
    /// That number.
    pub since: Sequence,
}

/// A bounded ring of changes with consecutive numbers.
#[derive(Debug)]
pub(super) struct History {
    changes: VecDeque<(Instant, Arc<Change>)>,
    most: usize,
    /// The number of the last change.
    last: Sequence,
}

impl History {
    /// An empty history whose next change has the number after `last`.
    pub(super) fn new(most: usize, last: Sequence) -> Self {
        Self { changes: VecDeque::new(), most: most.max(1), last }
    }

    pub(super) fn last(&self) -> Sequence {
        self.last
    }

    pub(super) fn push(&mut self, change: &Arc<Change>, at: Instant) {
        debug_assert_eq!(change.sequence, self.last.next(), "numbers are consecutive");
        if self.changes.len() == self.most {
            self.changes.pop_front();
        }
        self.last = change.sequence;
        self.changes.push_back((at, Arc::clone(change)));
    }

    /// The changes after `since`. `modified` is the last change of the scope's service, if that is
    /// known: unrelated changes that pushed others out of the ring then do no harm.
    pub(super) fn since(
        &self,
        since: Sequence,
        scope: &Scope,
        modified: Option<Sequence>,
    ) -> Result<Caught, HistoryLost> {
        let upto = self.last;
        if since > upto {
            return Err(HistoryLost { since });
        }
        if modified.is_some_and(|modified| modified <= since) {
            return Ok(Caught { changes: Vec::new(), upto, oldest: None });
        }
        let floor = Sequence(upto.0 - self.changes.len() as u64);
        let Some(known) = since.0.checked_sub(floor.0) else { return Err(HistoryLost { since }) };
        let newer = self.changes.iter().skip(usize::try_from(known).unwrap_or(usize::MAX));
        let mut wanted = newer.filter(|(_, it)| scope.contains(&it.endpoint.service)).peekable();
        let oldest = wanted.peek().map(|(at, _)| *at);
        let changes = wanted.map(|(_, change)| Arc::clone(change)).collect();
        Ok(Caught { changes, upto, oldest })
    }
}
