//! What a directory keeps across restarts.

mod memory;
mod record;
#[cfg(feature = "sqlite")]
mod sqlite;

pub use memory::MemoryStore;
pub use record::{Loaded, Record};
#[cfg(feature = "sqlite")]
pub use sqlite::{BackedUp, FileError, Restored, SqliteStore, back_up, restore};

use std::error::Error;

/// A log of records that survives the process.
///
/// All methods may block on I/O: a directory calls them on a thread of its own.
pub trait Store: Send + 'static {
    /// Reads what was kept.
    ///
    /// # Errors
    ///
    /// If it cannot be read. The directory does not start.
    fn load(&mut self) -> Result<Loaded, StoreError>;

    /// Keeps these records, all or none. When it returns `Ok`, they survive a crash of the process and
    /// of the machine. After an error the directory answers "unavailable" and applies none of them.
    ///
    /// # Errors
    ///
    /// If they are not kept.
    fn append(&mut self, records: &[Record]) -> Result<(), StoreError>;
}

/// Why a store cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{action}: {source}")]
pub struct StoreError {
    /// The stable word for this kind of error, such as `disk-full`.
    pub reason: &'static str,
    /// What was not possible, such as `cannot write to /var/lib/plugbay/directory.db`.
    pub action: String,
    /// Why.
    pub source: Box<dyn Error + Send + Sync>,
}

impl StoreError {
    /// The stable word for this kind of error.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        self.reason
    }
}
