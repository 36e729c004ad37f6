//! Events of the program around a host.

use tokio::sync::broadcast::WeakSender;

use super::journal::{Event, Journal, Kept};
use super::outcome::Outcome;

/// Reports outcomes of the program around a host, such as those of its certificates, as the host reports its own: to
/// the log, to the metrics, and to the subscribers. It does not keep the host alive. Each clone reports to the same host.
#[derive(Clone)]
pub struct EventSink {
    events: WeakSender<Event>,
    /// The journal, but for the sender.
    rest: Kept,
}

impl EventSink {
    pub(crate) fn of(journal: &Journal) -> Self {
        let (events, rest) = journal.weak();
        Self { events, rest }
    }

    /// Reports an outcome of the generation that serves. Does nothing once the host is gone.
    pub fn report(&self, outcome: Outcome) {
        if let Some(events) = self.events.upgrade() {
            Journal::of(events, self.rest.clone()).note_now(outcome);
        }
    }
}

impl std::fmt::Debug for EventSink {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EventSink").finish_non_exhaustive()
    }
}
