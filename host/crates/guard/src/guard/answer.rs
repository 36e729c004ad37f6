//! What a guard decides and reports.

use std::time::Duration;

use thiserror::Error;

use crate::Health;

/// What a call's result says about the plugin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// The plugin answered, if only to say that the caller's input is wrong.
    Success,
    /// The plugin trapped, ran out of time, or reported a failure.
    Failure,
    /// The result says nothing about the plugin: the caller went away, or the host had no room.
    /// Changes nothing; a probe gives its slot back.
    Neutral,
}

/// Why a guard does not admit a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum AdmissionError {
    /// An operator holds the plugin's calls back.
    #[error("an operator holds the plugin's calls back")]
    Held,
    /// The plugin's health checks fail.
    #[error("the plugin's health checks fail; calls resume when they pass")]
    Unhealthy,
    /// The breaker is open.
    #[error("the plugin failed too often in a row; the next call is admitted in {wait:.1?}")]
    Open {
        /// How long until a call is admitted, for `Retry-After`. Never zero.
        wait: Duration,
    },
    /// The breaker is half-open, and all probe slots are taken.
    #[error("the plugin failed too often in a row; another call is probing it")]
    Probing,
}

impl AdmissionError {
    /// A stable word for logs, metrics and the API.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Held => "held",
            Self::Unhealthy => "unhealthy",
            Self::Open { .. } => "breaker-open",
            Self::Probing => "breaker-half-open",
        }
    }

    /// How long to wait before another try, if that is known.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Open { wait } => Some(*wait),
            Self::Held | Self::Unhealthy | Self::Probing => None,
        }
    }
}

/// A change of state, returned to the one caller that caused it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[must_use = "each transition is returned to one caller only"]
pub enum Transition {
    /// The breaker refuses calls from now on.
    Opened {
        /// Failures in a row that opened the breaker; 1 if a probe failed.
        failures: u32,
        /// How long the breaker stays open.
        duration: Duration,
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
            Self::Opened { .. } => "breaker-opened",
            Self::HalfOpened => "breaker-half-opened",
            Self::Closed => "breaker-closed",
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
        /// Time until the breaker is half-open. Never zero.
        remaining: Duration,
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
            Self::HalfOpen => "half-open",
        }
    }
}
