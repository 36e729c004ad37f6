//! The libraries that are loaded into this process.
//!
//! There is one such list in a process, and it is global on purpose: it mirrors the list of the
//! system's loader, which is global too. Two hosts in one process that load the same bytes share
//! the library and its static variables in any case; a list per host would only hide that, and
//! would load a second copy of what can never be unloaded.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use plugbay_abi::host::Guest;
use plugbay_core::{Digest, Policy};

use super::code::Code;
use super::threads::{NoAnswer, Threads};
use crate::file::staging::PrivateCopy;
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
    /// Threads that hang in it, outside its calls, and that the host no longer waits for.
    pub hung_threads: usize,
}

/// Why a library is not loaded.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LoadError {
    /// The library does not open.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// Its constructors or its entry did not return; they still may.
    #[error("{path}: load: {source}")]
    Hung {
        /// The library.
        path: PathBuf,
        /// What its thread does.
        source: NoAnswer,
    },
    /// Another library hangs while it is loaded, and blocks the system's loader.
    #[error("{path}: load: expected the loader to be free, found that {hangs} is still loading")]
    Busy {
        /// The library.
        path: PathBuf,
        /// The library that hangs.
        hangs: PathBuf,
    },
}

/// The libraries of this process.
#[derive(Debug)]
pub struct Libraries {
    loaded: Mutex<BTreeMap<Digest, Loaded>>,
    /// The library that is being opened: each is opened once, and the loader opens one at a time.
    /// This is not the lock of the list, because a constructor that hangs must not hide the status.
    opening: Mutex<Option<PathBuf>>,
    /// Notified when that library is open, or failed to open.
    opened: Condvar,
}

/// What is known of a library that is loaded.
#[derive(Debug)]
struct Loaded {
    /// What its entry returned; `None` before that. A library whose entry failed cannot be called,
    /// but it is loaded.
    code: Option<Result<Code, OpenError>>,
    threads: Threads,
    library: LoadedLibrary,
    /// Held so that the file stays.
    _copy: PrivateCopy,
}

static LIBRARIES: Libraries = Libraries {
    loaded: Mutex::new(BTreeMap::new()),
    opening: Mutex::new(None),
    opened: Condvar::new(),
};

impl Libraries {
    /// The list of this process.
    #[must_use]
    pub fn of_this_process() -> &'static Self {
        &LIBRARIES
    }

    /// The libraries that are loaded, in the order in which they were.
    #[must_use]
    pub fn loaded(&self) -> Vec<LoadedLibrary> {
        let mut loaded: Vec<_> = lock(&self.loaded).values().map(Loaded::status).collect();
        loaded.sort_by_key(|library| library.loaded_at);
        loaded
    }

    /// Bytes of all libraries that are loaded.
    #[must_use]
    pub fn mapped(&self) -> u64 {
        lock(&self.loaded).values().map(|loaded| loaded.library.size).sum()
    }

    /// The functions of a library that is loaded, for measurements of what a call costs on top.
    #[doc(hidden)]
    #[must_use]
    pub fn guest(&self, digest: &Digest) -> Option<Guest> {
        self.find(digest)?.ok().map(|code| code.guest)
    }

    /// The plugin in the library `digest`, whose header was read. If the library is not loaded yet,
    /// loads it from `copy`, or returns `None` if all libraries together would then have more than
    /// `limit` bytes (0 is no limit). Blocks for at most twice the `init` of the default policy:
    /// once for the loader, once for the library's constructors.
    pub(crate) fn load(
        &'static self,
        digest: Digest,
        copy: &PrivateCopy,
        size: u64,
        limit: u64,
    ) -> Result<Option<Code>, LoadError> {
        if let Some(code) = self.find(&digest) {
            return Ok(Some(code?));
        }
        let (bound, path) = (Policy::default().init, copy.path());
        let opening = self.start_opening(path, bound)?;
        // Another thread may have opened it while this one waited.
        if let Some(code) = self.find(&digest) {
            return Ok(Some(code?));
        }
        if limit != 0 && self.mapped().saturating_add(size) > limit {
            return Ok(None);
        }
        let threads = Threads::default();
        let open = {
            let (copy, path, threads) = (copy.clone(), path.to_owned(), threads.clone());
            move || {
                let opened = library::open(&path)?;
                let loaded_at = SystemTime::now();
                let library = LoadedLibrary { digest, path, size, loaded_at, hung_threads: 0 };
                // The library is mapped from now on, whether or not its entry succeeds.
                let loaded = Loaded { code: None, threads: threads.clone(), library, _copy: copy };
                lock(&self.loaded).insert(digest, loaded);
                let code = opened.enter().map(|guest| Code { guest, threads });
                if let Some(loaded) = lock(&self.loaded).get_mut(&digest) {
                    loaded.code = Some(code.clone());
                }
                // Only now, also if the caller has stopped waiting: until now the loader was busy.
                drop(opening);
                code
            }
        };
        let hung = |source| LoadError::Hung { path: path.to_owned(), source };
        threads.run_within(bound, open).map_err(hung)?.map(Some).map_err(LoadError::Open)
    }

    /// Waits until no library is being opened, and takes the right to open one.
    fn start_opening(&'static self, path: &Path, bound: Duration) -> Result<Opening, LoadError> {
        let opening = lock(&self.opening);
        let waited = self.opened.wait_timeout_while(opening, bound, |it| it.is_some());
        let mut opening = waited.unwrap_or_else(PoisonError::into_inner).0;
        if let Some(hangs) = &*opening {
            return Err(LoadError::Busy { path: path.to_owned(), hangs: hangs.clone() });
        }
        *opening = Some(path.to_owned());
        Ok(Opening(self))
    }

    fn find(&self, digest: &Digest) -> Option<Result<Code, OpenError>> {
        lock(&self.loaded).get(digest)?.code.clone()
    }
}

impl Loaded {
    fn status(&self) -> LoadedLibrary {
        LoadedLibrary { hung_threads: self.threads.hung_threads(), ..self.library.clone() }
    }
}

/// The right to open a library, given back when it is dropped.
struct Opening(&'static Libraries);

impl Drop for Opening {
    fn drop(&mut self) {
        *lock(&self.0.opening) = None;
        self.0.opened.notify_one();
    }
}

/// A panic under a lock leaves nothing half done: each change is one insertion.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
