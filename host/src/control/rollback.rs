//! Why a rollback failed.

use std::fmt;

/// A rollback, or the resume after it, failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RollbackError {
    /// The generation is not remembered.
    #[error("expected one of the generations {known}, found {wanted}")]
    Unknown {
        /// The generation that was asked for.
        wanted: u64,
        /// The generations that are remembered, oldest first.
        known: GenerationNumbers,
    },
    /// A plugin of the generation no longer starts. The current generation stays.
    #[error("generation {wanted} cannot be started again: {artifact}: {message}")]
    Refused {
        /// The generation that was asked for.
        wanted: u64,
        /// The source of what was refused.
        artifact: String,
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

/// Numbers of generations, separated by commas when printed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GenerationNumbers(pub Vec<u64>);

impl fmt::Display for GenerationNumbers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, number) in self.0.iter().enumerate() {
            let comma = if index == 0 { "" } else { ", " };
            write!(f, "{comma}{number}")?;
        }
        if self.0.is_empty() { f.write_str("(none)") } else { Ok(()) }
    }
}
