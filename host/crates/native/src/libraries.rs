//! Which libraries are loaded.
//!
//! There is one such list in a process, and it is global on purpose: it mirrors the loader's
//! own, which is global too. Two hosts in one process that load the same bytes share the
//! library and its static variables, whatever Plugbay writes down; a list per host would only
//! hide it, and would load a second copy of what can never be unloaded.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use plugbay_abi::host::Guest;
use plugbay_core::Digest;

use crate::library::{self, OpenError};

/// A library that is loaded, and stays so until the process ends.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
#[non_exhaustive]
pub struct LoadedLibrary {
    /// The digest of its bytes.
    pub digest: Digest,
    /// The private copy that is mapped.
    pub path: PathBuf,
    /// The size of that file in bytes.
    pub size: u64,
    /// When it was loaded.
    pub loaded_at: SystemTime,
}

/// The libraries of this process.
#[derive(Debug)]
pub struct Libraries {
    loaded: Mutex<BTreeMap<Digest, (Guest, LoadedLibrary)>>,
    /// Held while one is opened, so that each is opened once. The loader lets in one at a time
    /// as well. Not the lock of the list: a constructor that hangs must not hide the status.
    opening: Mutex<()>,
}

static LIBRARIES: Libraries =
    Libraries { loaded: Mutex::new(BTreeMap::new()), opening: Mutex::new(()) };

impl Libraries {
    /// The list of this process.
    #[must_use]
    pub fn of_this_process() -> &'static Self {
        &LIBRARIES
    }

    /// What is loaded, the longest first.
    #[must_use]
    pub fn loaded(&self) -> Vec<LoadedLibrary> {
        let mut loaded: Vec<_> =
            lock(&self.loaded).values().map(|(_, library)| library.clone()).collect();
        loaded.sort_by_key(|library| library.loaded_at);
        loaded
    }

    /// Bytes of all libraries that are loaded.
    #[must_use]
    pub fn mapped(&self) -> u64 {
        lock(&self.loaded).values().map(|(_, library)| library.size).sum()
    }

    /// The plugin in the library of this digest, which lies at `path` and whose header was read;
    /// loads it if it is not loaded yet. `None` if it would be more than `limit` bytes then, of
    /// all libraries together; 0 is no limit.
    pub(crate) fn load(
        &self,
        digest: Digest,
        path: &Path,
        size: u64,
        limit: u64,
    ) -> Result<Option<Guest>, OpenError> {
        if let Some(guest) = self.find(&digest) {
            return Ok(Some(guest));
        }
        let _opening = lock(&self.opening);
        // Someone else may have opened it while this thread waited.
        if let Some(guest) = self.find(&digest) {
            return Ok(Some(guest));
        }
        if limit != 0 && self.mapped().saturating_add(size) > limit {
            return Ok(None);
        }
        let guest = library::open(path)?;
        let library =
            LoadedLibrary { digest, path: path.to_owned(), size, loaded_at: SystemTime::now() };
        lock(&self.loaded).insert(digest, (guest, library));
        Ok(Some(guest))
    }

    fn find(&self, digest: &Digest) -> Option<Guest> {
        lock(&self.loaded).get(digest).map(|(guest, _)| *guest)
    }
}

/// Whoever panicked left nothing half done: each change is one insertion.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
