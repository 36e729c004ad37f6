//! A store in a file of SQLite.
//!
//! The file is in WAL mode with `synchronous = FULL`: when a transaction is committed, its pages are in
//! the log beside the file, and the disk has said so. A batch of records is one transaction, so a
//! directory under load waits for the disk once for many changes.
//!
//! If the disk refuses (it is full, it is read-only, it fails), the transaction is rolled back, and the
//! next one is tried on the same connection: nothing needs to be done when the disk is back. One doubt
//! remains, as with every log: if the disk failed *after* it had taken the pages, and the machine crashes
//! before the next transaction overwrites them, then the refused records are found after the crash. They
//! are an endpoint whose owner was told to try again, or the end of one whose owner wanted it; both
//! settle within one lease.

mod backup;
mod error;
mod file;
mod rows;

use std::path::{Path, PathBuf};

use rusqlite::Connection;

pub use backup::{BackedUp, Restored, back_up, restore};
pub use error::FileError;

use super::{Loaded, Record, Store, StoreError};
use file::Lock;

/// A store in a file, which one process at a time can open.
#[derive(Debug)]
pub struct SqliteStore {
    file: PathBuf,
    // In this order: the lock is released when the file is closed.
    connection: Connection,
    _lock: Lock,
}

impl SqliteStore {
    /// Opens a file, and makes it if it is missing. Only its owner may read it. Beside it are
    /// `FILE.lock`, and while it is open `FILE-wal` and `FILE-shm`.
    ///
    /// # Errors
    ///
    /// If the file is in use, is not a directory's, is damaged, is of a newer version of Plugbay, or
    /// cannot be opened. The file is then as it was before.
    pub fn open(file: &Path) -> Result<Self, FileError> {
        let file = file::absolute(file)?;
        let lock = Lock::take(&file)?;
        let connection = file::open(&file)?;
        Ok(Self { file, connection, _lock: lock })
    }
}

impl Store for SqliteStore {
    fn load(&mut self) -> Result<Loaded, StoreError> {
        Ok(rows::load(&self.file, &self.connection)?)
    }

    fn append(&mut self, records: &[Record]) -> Result<(), StoreError> {
        rows::append(&mut self.connection, records)
            .map_err(|source| FileError::sqlite(&self.file, source).into())
    }
}

impl From<FileError> for StoreError {
    fn from(source: FileError) -> Self {
        Self {
            reason: source.reason(),
            action: "the directory's file cannot be used".into(),
            source: source.into(),
        }
    }
}
