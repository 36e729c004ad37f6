//! Which libraries are loaded.
//!
//! There is one such list in a process, and it is global on purpose: it mirrors the loader's
//! own, which is global too. Two hosts in one process that load the same bytes share the
//! library and its static variables, whatever Plugbay writes down; a list per host would only
//! hide it, and would load a second copy of what can never be unloaded.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use plugbay_abi::host::Guest;
use plugbay_core::{Digest, Policy};

use super::code::Code;
use super::threads::{Hung, Threads};
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
    /// Threads that hang in it, outside its calls; the host waits for them no more.
    pub left_behind: usize,
}

/// A library that is not loaded.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LoadError {
    /// It does not open.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// It may still open, some day.
    #[error("{path}: load: {source}")]
    Hung {
        /// The library.
        path: PathBuf,
        /// How it hangs.
        source: Hung,
    },
    /// Another one hangs, and with it the system's loader.
    #[error("{path}: load: expected a turn, found that {hangs} does not finish loading")]
    Busy {
        /// The library.
        path: PathBuf,
        /// The one that hangs.
        hangs: PathBuf,
    },
}

/// The libraries of this process.
#[derive(Debug)]
pub struct Libraries {
    loaded: Mutex<BTreeMap<Digest, Loaded>>,
    /// The one that is being opened, so that each is opened once. The loader lets in one at a
    /// time as well. Not the lock of the list: a constructor that hangs must not hide the status.
    opening: Mutex<Option<PathBuf>>,
    /// Told when that one is open.
    opened: Condvar,
}

/// What is known of a library that is loaded.
#[derive(Debug)]
struct Loaded {
    /// What its entry returned; none before it returns. Without functions it is of no use, but
    /// loaded it is.
    code: Option<Result<Code, OpenError>>,
    threads: Threads,
    library: LoadedLibrary,
    /// In use for good.
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

    /// What is loaded, the longest first.
    #[must_use]
    pub fn loaded(&self) -> Vec<LoadedLibrary> {
        let mut loaded: Vec<_> = lock(&self.loaded).values().map(Loaded::now).collect();
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

    /// The plugin in the library of this digest, whose header was read; loads it from its copy if
    /// it is not loaded yet. `None` if it would be more than `limit` bytes then, of all libraries
    /// together; 0 is no limit. Blocks for at most twice the `init` of the default policy: once
    /// for its turn, once for its constructors.
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
        let opening = self.turn(path, bound)?;
        // Someone else may have opened it while this thread waited.
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
                let library = LoadedLibrary { digest, path, size, loaded_at, left_behind: 0 };
                // It is mapped from now on, whatever comes of it.
                let loaded = Loaded { code: None, threads: threads.clone(), library, _copy: copy };
                lock(&self.loaded).insert(digest, loaded);
                let code = opened.enter().map(|guest| Code { guest, threads });
                if let Some(loaded) = lock(&self.loaded).get_mut(&digest) {
                    loaded.code = Some(code.clone());
                }
                // Only now, and however long it took: the loader is busy as long.
                drop(opening);
                code
            }
        };
        let hung = |source| LoadError::Hung { path: path.to_owned(), source };
        threads.within(bound, open).map_err(hung)?.map(Some).map_err(LoadError::Open)
    }

    /// Waits until no library is being opened.
    fn turn(&'static self, path: &Path, bound: Duration) -> Result<Opening, LoadError> {
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
    fn now(&self) -> LoadedLibrary {
        LoadedLibrary { left_behind: self.threads.left_behind(), ..self.library.clone() }
    }
}

/// The right to open a library.
struct Opening(&'static Libraries);

impl Drop for Opening {
    fn drop(&mut self) {
        *lock(&self.0.opening) = None;
        self.0.opened.notify_one();
    }
}

/// Whoever panicked left nothing half done: each change is one insertion.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
