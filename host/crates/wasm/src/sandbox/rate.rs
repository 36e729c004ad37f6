//! How often something may happen.

use std::time::Instant;

use plugbay_guard::RateLimit;

/// So many events in a second, shared by all that count them. One second's worth may come at
/// once.
#[derive(Debug)]
pub(crate) struct Rate {
    limit: RateLimit,
    start: Instant,
}

impl Rate {
    /// At most `per_second` events; `None` for 0, which means no limit.
    pub(crate) fn new(per_second: u32) -> Option<Self> {
        let limit = || RateLimit::new(per_second, per_second);
        (per_second > 0).then(|| Self { limit: limit(), start: Instant::now() })
    }

    /// Counts one event; false if it is one too many, which then does not count.
    pub(crate) fn take(&self) -> bool {
        self.limit.take(u64::try_from(self.start.elapsed().as_nanos()).unwrap_or(u64::MAX))
    }
}
