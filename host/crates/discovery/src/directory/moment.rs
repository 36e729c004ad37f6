//! A point in time, by both clocks.

use std::time::{Instant, SystemTime};

/// A point in time: the monotonic clock decides, the wall clock is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    /// By the monotonic clock. All leases and pauses are measured by it.
    pub mono: Instant,
    /// By the wall clock, which may jump.
    pub wall: SystemTime,
}

impl Moment {
    /// Now, by the clocks of the system.
    #[must_use]
    pub fn now() -> Self {
        Self { mono: Instant::now(), wall: SystemTime::now() }
    }
}
