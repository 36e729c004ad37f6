//! The trait of a collector.

use std::fmt;

use crate::described::Described;
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

impl fmt::Debug for dyn Collector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Collector")
    }
}
