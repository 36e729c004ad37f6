//! A started plugin version, from its start to its shutdown.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::SystemTime;

use plugbay_core::{Description, Provider};
use plugbay_guard::Guard;
use plugbay_registry::Leased;
use tokio::sync::watch;

use super::health::HealthRecord;
use super::hosted::Hosted;
use super::identity::PluginIdentity;
use super::offer::Offer;
use super::tally::Tally;
use crate::report::Journal;

/// A started plugin version: what a lease is a lease of.
pub(crate) struct Running {
    pub(crate) identity: PluginIdentity,
    pub(crate) label: Arc<str>,
    pub(crate) description: Arc<Description>,
    /// What the plugin says of it, at hand for every call.
    pub(crate) calls_others: bool,
    /// One per described capability, in that order.
    pub(crate) providers: Vec<Provider>,
    /// NB: after the providers, which hold parts of it. So it is the last of them to go.
    pub(crate) plugin: Hosted,
    pub(crate) runtime: &'static str,
    pub(crate) imports: Vec<String>,
    pub(crate) exports: Vec<String>,
    /// What it was started from.
    pub(crate) offer: Offer,
    pub(crate) code_size: u64,
    pub(crate) started: SystemTime,
    /// What its calls have to pass.
    pub(crate) guard: Guard,
    /// What came of its calls.
    pub(crate) tally: Tally,
    /// What its health checks say.
    pub(crate) health: HealthRecord,
    /// Whether it was told that it ends.
    pub(crate) shutdown: Shutdown,
    /// Where changes of the two are noted.
    pub(crate) journal: Journal,
}

/// The shutdown of a plugin version: it is called once.
#[derive(Default)]
pub(crate) struct Shutdown {
    pub(crate) said: AtomicBool,
    pub(crate) over: watch::Sender<bool>,
}

impl Shutdown {
    /// Becomes true once the version is gone; closes if it is dropped without a shutdown.
    pub(crate) fn heard(&self) -> watch::Receiver<bool> {
        self.over.subscribe()
    }
}

/// Ends a plugin that never served.
pub(crate) fn shut_down(running: &Arc<Leased<Running>>) {
    running.close();
    running.plugin.shutdown();
}
