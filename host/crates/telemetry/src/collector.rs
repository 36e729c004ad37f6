//! The trait of a collector.

use crate::family::Family;
use crate::samples::Samples;

/// Describes metric families, and collects their series.
pub trait Collector: Send + Sync + 'static {
    /// The families, and the namespaces of families whose names are not known yet. Called once, when
    /// the collector is registered.
    fn describe(&self) -> Vec<Described>;

    /// Collects the series of now. Runs on a thread of its own. If it panics, or takes longer than the
    /// deadline, its figures are missing in this answer, and no other collector's are.
    fn collect(&self, samples: &mut Samples);
}

/// What a collector describes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Described {
    /// A family.
    Family(Family),
    /// Every family whose name begins with this prefix, such as `plugbay_guest_`. The collector may
    /// collect such families without having described them one by one.
    Namespace(String),
}

impl From<Family> for Described {
    fn from(family: Family) -> Self {
        Self::Family(family)
    }
}
