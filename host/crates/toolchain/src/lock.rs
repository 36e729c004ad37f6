//! A lock between processes, so that two of them do not build the same library at once.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::path::Path;

/// Held until dropped, or until the process ends.
pub(crate) struct Lock {
    _file: File,
}

impl Lock {
    /// Takes the lock, and waits for the process that holds it; `waiting` is called before the wait.
    pub(crate) fn take(path: &Path, waiting: impl FnOnce()) -> io::Result<Self> {
        let file = OpenOptions::new().create(true).truncate(false).write(true).open(path)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                waiting();
                file.lock()?;
            }
            Err(TryLockError::Error(error)) => return Err(error),
        }
        Ok(Self { _file: file })
    }
}
