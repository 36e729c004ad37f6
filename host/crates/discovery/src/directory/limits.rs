//! How much a directory holds, and when it distrusts expired leases.

use std::time::Duration;

/// How much a directory holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The most endpoints of all services. Default 100,000.
    pub endpoints: usize,
    /// The most endpoints of one service. Default 10,000.
    pub per_service: usize,
    /// How many of the latest changes are kept for watchers that come back. Default 10,000.
    pub history: usize,
    /// When expired leases do not count.
    pub mass_expiry: MassExpiry,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            endpoints: 100_000,
            per_service: 10_000,
            history: 10_000,
            mass_expiry: MassExpiry::default(),
        }
    }
}

/// When the leases of most endpoints of a service run out at once, it is likelier that the network
/// between them and the directory failed than that all of them did. The directory then keeps those
/// whose leases ran out, and flags them.
///
/// An endpoint is *late* once two thirds of its lease have passed without a heartbeat. A service is in
/// mass expiry while it has at least `least` endpoints and more than half of them are late. A lateness
/// is visible before the first lease runs out, so the last set is kept whole, not from half on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MassExpiry {
    /// The fewest endpoints of a service for which this counts: of a few endpoints, most may well be
    /// stopped at once. Default 10. `usize::MAX` switches it off.
    pub least: usize,
    /// How long after the end of its lease an endpoint is kept at most. Default 10 minutes.
    pub keep: Duration,
}

impl Default for MassExpiry {
    fn default() -> Self {
        Self { least: 10, keep: Duration::from_secs(600) }
    }
}
