//! A registered collector.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use crate::claims::Claims;
use crate::collector::Collector;
use crate::described::Described;
use crate::own::Counts;

/// A registered collector.
pub(crate) struct Entry {
    pub(crate) name: String,
    pub(crate) collector: Arc<dyn Collector>,
    pub(crate) described: Arc<[Described]>,
    pub(crate) claims: Claims,
    pub(crate) counts: Counts,
    /// Whether its `collect` runs, perhaps for a request that has ended.
    pub(crate) busy: AtomicBool,
}

/// Shows its name only: a collector belongs to its author.
impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Entry").field(&self.name).finish()
    }
}
