//! How services are followed and called.

use std::sync::Arc;
use std::time::Duration;

use super::balance::{P2c, Rules, Strategy};
use super::call::{Backoff, CallRules};

/// How one service is called.
#[derive(Clone, Debug)]
pub struct ServiceRules {
    /// How endpoints are chosen.
    pub strategy: Arc<dyn Strategy>,
    /// When endpoints are ejected.
    pub balance: Rules,
    /// How often requests are made.
    pub calls: CallRules,
}

impl Default for ServiceRules {
    /// The power of two choices.
    fn default() -> Self {
        Self { strategy: Arc::new(P2c), balance: Rules::default(), calls: CallRules::default() }
    }
}

/// How services are followed.
#[derive(Clone, Debug)]
pub(super) struct WatchSettings {
    pub(super) backoff: Backoff,
    /// A watch that is silent for longer is broken: directories send comments meanwhile.
    pub(super) silence: Duration,
    pub(super) max_stale: Duration,
    pub(super) first_wait: Duration,
}
