//! A started plugin version, from its start to its shutdown.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::time::SystemTime;

use plugbay_core::trace::{ActiveSpan, attributes};
use plugbay_core::{CallError, Description, Provider};
use plugbay_guard::{Guard, Transition};
use plugbay_registry::Leased;
use tokio::sync::watch;

use super::figures::Figures;
use super::health::HealthRecord;
use super::hosted::DropOnThread;
use super::identity::PluginIdentity;
use super::offer::Offer;
use super::overrides::Hold;
use crate::report::{Journal, Outcome};

/// A started plugin version, which calls lease.
pub(crate) struct Running {
    pub(crate) identity: PluginIdentity,
    pub(crate) label: Arc<str>,
    pub(crate) description: Arc<Description>,
    /// Whether it may call other plugins, kept here for fast access.
    pub(crate) calls_others: bool,
    /// One per described capability, in that order.
    pub(crate) providers: Vec<Provider>,
    /// NB: declared after the providers, which hold parts of it, so that it is dropped last.
    pub(crate) plugin: DropOnThread,
    pub(crate) runtime: &'static str,
    pub(crate) imports: Vec<String>,
    pub(crate) exports: Vec<String>,
    /// What it was started from.
    pub(crate) offer: Offer,
    pub(crate) code_size: u64,
    pub(crate) started: SystemTime,
    /// The circuit breaker and health that admit its calls.
    pub(crate) guard: Guard,
    /// Why an operator holds its calls back; see [`Running::hold`].
    pub(crate) holds: AtomicU8,
    /// Its counts, which outlive it in the [`Ledger`](super::Ledger).
    pub(crate) figures: Arc<Figures>,
    /// The results of its health checks.
    pub(crate) health: HealthRecord,
    /// The state of its shutdown.
    pub(crate) shutdown: Shutdown,
    /// The journal for changes of the guard and of the health.
    pub(crate) journal: Journal,
}

impl Running {
    /// Says in a span which plugin version it is of.
    pub(crate) fn name_in(&self, span: &mut ActiveSpan) {
        span.set(attributes::PLUGIN_NAME, self.identity.name.clone());
        span.set(attributes::PLUGIN_VERSION, self.description.version.to_string());
        span.set(attributes::PLUGIN_FORM, self.runtime);
    }

    /// Holds its calls back, or no longer does.
    pub(crate) fn hold(&self, hold: Hold) {
        // The reason first: a call that is refused names it.
        self.holds.store(hold as u8, Ordering::SeqCst);
        self.guard.hold(hold != Hold::None);
    }

    /// Why an operator holds its calls back.
    pub(crate) fn held(&self) -> Hold {
        if self.guard.is_held() {
            Hold::from_u8(self.holds.load(Ordering::SeqCst))
        } else {
            Hold::None
        }
    }

    /// Counts a change of the guard, and writes it to the journal.
    pub(crate) fn changed(&self, transition: Transition, because: Option<&CallError>) {
        if let Some(outcome) = Outcome::of_guard(&self.label, transition, because) {
            self.figures.transitions.add(outcome.reason());
            self.journal.note_now(outcome);
        }
    }
}

/// The shutdown of a plugin version, which is called once.
#[derive(Default)]
pub(crate) struct Shutdown {
    pub(crate) called: AtomicBool,
    pub(crate) done: watch::Sender<bool>,
}

impl Shutdown {
    /// Becomes true once the version is gone; closes if it is dropped without a shutdown.
    pub(crate) fn subscribe(&self) -> watch::Receiver<bool> {
        self.done.subscribe()
    }
}

/// Shuts down a plugin that never served.
pub(crate) fn shut_down(running: &Arc<Leased<Running>>) {
    running.close();
    running.plugin.shutdown();
}
