//! One whole set of entries, as a reader sees it.

use std::fmt;
use std::sync::Arc;

use crate::cell::{Lease, Leased, Table};
use crate::not_found::NotFound;

/// One immutable, numbered, complete set of entries.
///
/// Hold it for the length of one request: whatever is published meanwhile, the
/// names, the entries and their number belong together. Holding it does not keep
/// an entry from being closed; only a lease does.
#[non_exhaustive]
pub struct Generation<T> {
    /// Counts the changes of one registry, from 0, the empty set it starts with.
    pub number: u64,
    /// The entries.
    pub table: Table<Arc<Leased<T>>>,
    /// Part of the generation, so that freezing and every other change are ordered
    /// by the same compare-and-exchange.
    pub(crate) frozen: bool,
}

impl<T> Generation<T> {
    /// Leases the entry of that name, in this generation.
    ///
    /// # Errors
    ///
    /// [`NotFound`] if there is none, or, with [`NotFound::closed`] set, if it was
    /// replaced or removed since this generation was current. In the second case
    /// take a new snapshot and try again; `Registry::get` does that by itself.
    pub fn lease(&self, name: &str) -> Result<Lease<T>, NotFound> {
        let entry = self.table.find(name)?;
        entry.lease().map_err(|_closed| self.table.not_found(name).into_closed())
    }

    /// Whether the registry takes no more changes after this generation.
    #[must_use]
    pub fn is_frozen(&self) -> bool {
        self.frozen
    }
}

impl<T> fmt::Debug for Generation<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Generation")
            .field("number", &self.number)
            .field("table", &self.table)
            .field("frozen", &self.frozen)
            .finish()
    }
}
