//! How a collector did in one answer.

use std::time::Duration;

/// Why a collector gave no figures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Failure {
    /// It did not answer within the deadline, or still works on an earlier request.
    Deadline,
    /// It panicked.
    Panic,
    /// The system gave no thread for it.
    Thread,
}

impl Failure {
    /// All of them.
    pub(crate) const ALL: [Self; 3] = [Self::Deadline, Self::Panic, Self::Thread];

    /// The stable word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Deadline => "deadline",
            Self::Panic => "panic",
            Self::Thread => "thread",
        }
    }
}

/// One collector in one answer.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct CollectorReport {
    /// Its name.
    pub collector: String,
    /// Why it gave no figures, if it gave none.
    pub failure: Option<Failure>,
    /// The message, if it panicked or got no thread.
    pub message: Option<String>,
    /// Its series that were left out.
    pub dropped: u64,
    /// How long it took.
    pub took: Duration,
}
