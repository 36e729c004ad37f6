//! Why an earlier generation cannot serve again.

use std::fmt;

/// An earlier generation cannot serve again.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RollbackError {
    /// It is not remembered.
    #[error("expected one of the generations {known}, found {wanted}")]
    Unknown {
        /// The generation that was asked for.
        wanted: u64,
        /// Those that are remembered, oldest first.
        known: Numbers,
    },
    /// Something of it would not start any more. What runs stays.
    #[error("expected all of generation {wanted} to start again: {source_}: {message}")]
    Refused {
        /// The generation that was asked for.
        wanted: u64,
        /// What would not start.
        source_: String,
        /// Why.
        message: String,
    },
    /// The host is shut down.
    #[error("the host is shut down")]
    Stopped,
}

impl RollbackError {
    /// The stable word for logs and APIs.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Unknown { .. } => "unknown-generation",
            Self::Refused { .. } => "refused",
            Self::Stopped => "stopped",
        }
    }
}

/// Numbers of generations, written with commas.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Numbers(pub Vec<u64>);

impl fmt::Display for Numbers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, number) in self.0.iter().enumerate() {
            let comma = if index == 0 { "" } else { ", " };
            write!(f, "{comma}{number}")?;
        }
        if self.0.is_empty() { f.write_str("(none)") } else { Ok(()) }
    }
}
