//! What a plugin says about a metric, and the bounds for it.

use std::fmt;

use crate::call::{CallError, CallErrorKind};

/// The most bounds of a histogram's buckets.
pub const MAX_BUCKETS: usize = 32;
/// The most bytes of a metric's help; a longer one is cut.
pub const MAX_METRIC_HELP: usize = 1024;
/// The most bytes of a metric's unit.
const MAX_UNIT: usize = 32;

/// The bounds of a histogram's buckets if the plugin names none: for durations in seconds.
pub(super) const DEFAULT_BUCKETS: [f64; 11] =
    [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

/// The kind of a metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MetricKind {
    /// A value that only grows.
    Counter,
    /// A value that goes up and down.
    Gauge,
    /// How observed values are distributed.
    Histogram,
}

impl fmt::Display for MetricKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        })
    }
}

/// What a plugin says about a metric.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MetricDescription<'a> {
    /// Its kind.
    pub kind: MetricKind,
    /// What it measures, in words for people; cut to [`MAX_METRIC_HELP`] bytes.
    pub help: &'a str,
    /// The unit of its values; empty for none.
    pub unit: &'a str,
    /// For a histogram the upper bounds of its buckets, at most [`MAX_BUCKETS`]; empty for the default.
    pub buckets: &'a [f64],
}

/// Why a metric cannot be described so.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MetricError {
    /// The name breaks the rule.
    #[error(
        "expected a metric's name of 1 to 64 lowercase letters, digits or `_` other than `dropped`, found {found:?}"
    )]
    Name {
        /// The beginning of the name.
        found: String,
    },
    /// The help breaks the rule.
    #[error("metric {name}: expected help without control characters, found some")]
    Help {
        /// The metric's name.
        name: String,
    },
    /// The unit breaks the rule.
    #[error(
        "metric {name}: expected a unit of at most {MAX_UNIT} lowercase letters, digits or `_`, found {found:?}"
    )]
    Unit {
        /// The metric's name.
        name: String,
        /// The beginning of the unit.
        found: String,
    },
    /// The bounds of the buckets break the rule.
    #[error("metric {name}: expected {expected}, found {found}")]
    Buckets {
        /// The metric's name.
        name: String,
        /// The part of the rule.
        expected: String,
        /// What the plugin passed.
        found: String,
    },
    /// The metric exists, and is described otherwise.
    #[error(
        "metric {name}: expected the description that it has since it was first described or reported, found another {part}; describe it the same way everywhere, before it is reported"
    )]
    Changed {
        /// The metric's name.
        name: String,
        /// What differs.
        part: &'static str,
    },
    /// The plugin has too many metrics.
    #[error("metric {name}: expected at most {most} metrics of a plugin, found one more")]
    TooMany {
        /// The metric's name.
        name: String,
        /// How many there may be.
        most: usize,
    },
}

impl From<MetricError> for CallError {
    fn from(error: MetricError) -> Self {
        let kind = match error {
            MetricError::TooMany { .. } => CallErrorKind::Unsupported,
            _ => CallErrorKind::InvalidInput,
        };
        Self::new(kind, error.to_string())
    }
}

impl<'a> MetricDescription<'a> {
    /// The help, cut to its bound.
    pub(super) fn help(&self) -> &'a str {
        &self.help[..self.help.floor_char_boundary(MAX_METRIC_HELP)]
    }

    /// The bounds of the buckets.
    pub(super) fn bounds(&self) -> &'a [f64] {
        if self.buckets.is_empty() { &DEFAULT_BUCKETS } else { self.buckets }
    }

    /// Checks everything that does not depend on other metrics.
    pub(super) fn check(&self, name: &str) -> Result<(), MetricError> {
        let name = || name.to_owned();
        if self.help().contains(char::is_control) {
            return Err(MetricError::Help { name: name() });
        }
        if self.unit.len() > MAX_UNIT || !self.unit.bytes().all(is_name_byte) {
            return Err(MetricError::Unit { name: name(), found: start(self.unit) });
        }
        let bad = |expected: String, found: String| {
            Err(MetricError::Buckets { name: name(), expected, found })
        };
        if self.kind != MetricKind::Histogram && !self.buckets.is_empty() {
            return bad(format!("no buckets of a {}", self.kind), "some".into());
        }
        if self.buckets.len() > MAX_BUCKETS {
            return bad(format!("at most {MAX_BUCKETS} bounds of buckets"), "more".into());
        }
        if let Some(bound) = self.buckets.iter().find(|bound| !bound.is_finite()) {
            return bad("finite bounds of buckets".into(), bound.to_string());
        }
        if let Some([one, next]) = self.buckets.array_windows().find(|[one, next]| one >= next) {
            return bad("ascending bounds of buckets".into(), format!("{next} after {one}"));
        }
        Ok(())
    }
}

/// Whether a byte may stand in a metric's name or unit.
pub(super) fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_'
}

/// The beginning of a text, for a message.
pub(super) fn start(text: &str) -> String {
    text.chars().take(80).collect()
}
