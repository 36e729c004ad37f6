//! The settings of a live directory.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::clock::{Clock, SystemClock};
use crate::directory::Limits;
use crate::server::check::CheckSettings;

/// The settings of a live directory.
#[derive(Clone)]
#[non_exhaustive]
pub struct LiveSettings {
    /// How much it holds.
    pub limits: Limits,
    /// The interval of the sweeper, which removes endpoints whose lease ran out. Nobody sees them after
    /// that in any case; those who watch learn of it within this time. Default 1 s.
    pub sweep: Duration,
    /// How endpoints are checked.
    pub checks: CheckSettings,
    /// Where the time comes from.
    pub clock: Arc<dyn Clock>,
    /// For the identifiers of endpoints and the jitter of checks; by default random.
    pub seed: Option<u64>,
}

impl Default for LiveSettings {
    fn default() -> Self {
        Self {
            limits: Limits::default(),
            sweep: Duration::from_secs(1),
            checks: CheckSettings::default(),
            clock: Arc::new(SystemClock),
            seed: None,
        }
    }
}

impl fmt::Debug for LiveSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { limits, sweep, checks, clock: _, seed } = self;
        f.debug_struct("LiveSettings")
            .field("limits", limits)
            .field("sweep", sweep)
            .field("checks", checks)
            .field("seed", seed)
            .finish_non_exhaustive()
    }
}
