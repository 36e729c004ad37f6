//! Where a directory gets the time from.

use std::time::SystemTime;

use crate::directory::Moment;

/// Tells the time. A simulation has one of its own.
pub trait Clock: Send + Sync + 'static {
    /// Now.
    fn now(&self) -> Moment;
}

/// The clocks of the system; in a tokio runtime with paused time, that one's monotonic clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Moment {
        Moment { mono: tokio::time::Instant::now().into_std(), wall: SystemTime::now() }
    }
}
