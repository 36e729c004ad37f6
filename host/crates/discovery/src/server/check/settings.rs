//! How a directory checks.

/// How a directory checks endpoints.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CheckSettings {
    /// The most checks at the same time. Default 64.
    pub concurrency: usize,
    /// Whether endpoints on this machine's loopback addresses are checked: right only if those who may
    /// register may also connect to these, because a check tells which ports are open. Default false.
    pub loopback: bool,
}

impl Default for CheckSettings {
    fn default() -> Self {
        Self { concurrency: 64, loopback: false }
    }
}

impl CheckSettings {
    /// Checks of loopback addresses too: for a directory that only this machine can reach.
    #[must_use]
    pub fn with_loopback(mut self) -> Self {
        self.loopback = true;
        self
    }
}
