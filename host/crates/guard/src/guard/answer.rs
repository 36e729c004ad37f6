//! What a guard decides and reports.

use std::time::Duration;

use thiserror::Error;

use crate::Health;

/// What a call's result says of the plugin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// It answered, if only to say that the caller's input is wrong.
    Success,
    /// It trapped, ran out of time, or failed by its own account.
    Failure,
    /// The result says nothing of it: the caller went away, or the host had no room. Changes
    /// nothing; a probe gives its slot back.
    Neutral,
}

/// Why a call may not begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Refused {
    /// Its health checks fail.
    #[error("its health checks fail; calls resume when they pass")]
    Unhealthy,
    /// Its breaker is open.
    #[error("it failed too often in a row; the next call is admitted in {wait:.1?}")]
    Open {
        /// How long until a call is admitted, for `Retry-After`. Never zero.
        wait: Duration,
    },
    /// Its breaker is half-open, and all probe slots are taken.
    #[error("it failed too often in a row, and is being probed with another call")]
    Probing,
}

impl Refused {
    /// A stable word for logs, metrics and the API.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Unhealthy => "unhealthy",
            Self::Open { .. } => "breaker_open",
            Self::Probing => "breaker_half_open",
        }
    }

    /// How long to wait before another try, if that is known.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Open { wait } => Some(*wait),
            Self::Unhealthy | Self::Probing => None,
        }
    }
}

/// A change of state, returned to the one caller that caused it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[must_use = "no other caller is told"]
pub enum Transition {
    /// The breaker refuses calls from now on.
    Opened {
        /// Failures in a row that opened it; 1 if it was a probe's.
        failures: u32,
        /// For how long.
        length: Duration,
    },
    /// The breaker lets a few probe calls through.
    HalfOpened,
    /// The breaker lets every call through again.
    Closed,
    /// The health checks changed their result.
    Health(Health),
}

impl Transition {
    /// A stable word for logs, metrics and events.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Opened { .. } => "breaker_opened",
            Self::HalfOpened => "breaker_half_opened",
            Self::Closed => "breaker_closed",
            Self::Health(health) => health.as_str(),
        }
    }
}

/// The state of a breaker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BreakerState {
    /// Every call is admitted.
    Closed,
    /// No call is admitted.
    Open {
        /// For how long still. Never zero.
        left: Duration,
    },
    /// A few probe calls are admitted.
    HalfOpen,
}

impl BreakerState {
    /// A stable word for logs, metrics and the API.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Open { .. } => "open",
            Self::HalfOpen => "half_open",
        }
    }
}
