//! Why a collector is not registered.

use std::fmt;
use std::sync::Arc;

use crate::collector::Collector;

/// Why a collector is not registered. The registry is as it was before.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RegisterError {
    /// The name of the collector cannot be shown, or a description breaks a rule.
    #[error("the collector {collector:?} is not registered: {problem}")]
    Invalid {
        /// The name of the collector.
        collector: String,
        /// What was expected and found.
        problem: String,
    },
    /// Its `describe` panicked.
    #[error(
        "the collector {collector:?} is not registered: expected its descriptions, found a panic: {message}"
    )]
    Panicked {
        /// The name of the collector.
        collector: String,
        /// The message of the panic.
        message: String,
    },
    /// A name is taken.
    #[error(transparent)]
    Collision(#[from] Box<Collision>),
}

/// A name that is taken.
pub struct Collision {
    /// The name of the collector that is not registered.
    pub collector: String,
    /// Its family, or its namespace followed by `*`; `None` if it is the collector's own name that is
    /// taken.
    pub family: Option<String>,
    /// The name that is taken: of a family, of a series, or of a collector.
    pub name: String,
    /// The name of the collector that has it: perhaps the same collector, if it describes one name
    /// twice.
    pub holder: String,
    /// The family of the holder that takes the name.
    pub holder_family: Option<String>,
    /// The collector that has it. `None` if it is the one that is not registered, or the registry itself.
    pub existing: Option<Arc<dyn Collector>>,
}

impl fmt::Display for Collision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { collector, family, name, holder, holder_family, .. } = self;
        write!(f, "the collector {collector:?} is not registered: ")?;
        match (family, holder_family) {
            (Some(family), Some(by)) => write!(
                f,
                "expected new names, found that {family} would take {name}, which {by} of the collector {holder:?} has; rename one of them"
            ),
            _ => write!(
                f,
                "expected a new name, found a collector of that name; unregister it first, or choose another name"
            ),
        }
    }
}

impl fmt::Debug for Collision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl std::error::Error for Collision {}
