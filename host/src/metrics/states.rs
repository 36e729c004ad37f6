//! What plugins do with their state, by the plugin's name: state belongs to no version.

use std::sync::Arc;

use plugbay_state::States;
use plugbay_telemetry::{Collector, Described, Family, Samples};

const PLUGIN: &[&str] = &["plugin"];

static OPERATIONS: Family = Family::counter(
    "plugbay_state_operations_total",
    "Operations on a plugin's state, by outcome: done, or error (refused by a limit, or the store failed).",
)
.labels(&["plugin", "outcome"]);
static READ: Family = Family::counter(
    "plugbay_state_read_bytes_total",
    "Bytes of values that a plugin has read from its state.",
)
.labels(PLUGIN)
.unit("bytes");
static WRITTEN: Family = Family::counter(
    "plugbay_state_written_bytes_total",
    "Bytes of values that a plugin has written to its state.",
)
.labels(PLUGIN)
.unit("bytes");

/// Collects the figures of states.
pub(crate) struct StateCollector(States);

impl StateCollector {
    /// Its name in the registry.
    pub(crate) const NAME: &'static str = "state";

    pub(crate) fn of(states: States) -> Arc<Self> {
        Arc::new(Self(states))
    }
}

impl Collector for StateCollector {
    fn describe(&self) -> Vec<Described> {
        [&OPERATIONS, &READ, &WRITTEN].map(|family| Described::Family(family.clone())).into()
    }

    fn collect(&self, samples: &mut Samples) {
        for (plugin, figures) in self.0.figures() {
            samples.counter(&OPERATIONS, &[&*plugin, "done"], figures.operations);
            samples.counter(&OPERATIONS, &[&*plugin, "error"], figures.errors);
            samples.counter(&READ, &[&*plugin], figures.read);
            samples.counter(&WRITTEN, &[&*plugin], figures.written);
        }
    }
}
