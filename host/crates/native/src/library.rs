//! Opens a library and calls its entry: the one place that relies on what foreign code promises.
//!
//! A library is never closed. Unloading is unsound: its threads, its thread-local destructors, its
//! `atexit` handlers, and every function pointer that it handed out lead into its code for as long
//! as the process lives, and the host cannot find out when the last of them is gone. So a new version
//! is loaded beside the old one, and each version costs its mapping.
//!
//! Each library is opened with its symbols local to it (`RTLD_LOCAL`), because two versions of a plugin
//! define the same symbols. (C++ breaks this where it marks a symbol as unique to the process: build
//! with `-fno-gnu-unique`.) All symbols are bound at once (`RTLD_NOW`), so that a missing one is an
//! error when the library is opened, and does not end the process in the middle of a call.

use std::mem::ManuallyDrop;
use std::panic::catch_unwind;
use std::path::{Path, PathBuf};

use plugbay_abi::host::{Guest, Incompatible};
use plugbay_abi::{ENTRY, Vtable};

/// Why a library does not open.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum OpenError {
    /// The system's loader refused it.
    #[error("{path}: expected a library that the system can load, found: {message}")]
    Load {
        /// The library.
        path: PathBuf,
        /// The loader's own message, which names a library or a symbol that is missing.
        message: String,
    },
    /// The library has no entry.
    #[error("{path}: expected an exported symbol {ENTRY}, found: {message}")]
    Entry {
        /// The library.
        path: PathBuf,
        /// The loader's own message.
        message: String,
    },
    /// Its entry function panicked.
    #[error("{path}: expected {ENTRY} to return, found that it panicked")]
    Panicked {
        /// The library.
        path: PathBuf,
    },
    /// Its entry returned a vtable that this host cannot call.
    #[error("{path}: {ENTRY}: {source}")]
    Incompatible {
        /// The library.
        path: PathBuf,
        /// What is wrong with the vtable.
        source: Incompatible,
    },
}

/// The entry function of a library. "C-unwind", so that a panic may reach `catch_unwind`; a plugin
/// in C is called the same way.
type Entry = unsafe extern "C-unwind" fn() -> *const Vtable;

/// A library that is open, and stays so. Its constructors have run, and may have started threads.
pub(crate) struct Opened {
    /// Never closed.
    library: ManuallyDrop<libloading::Library>,
    path: PathBuf,
}

/// Opens the library at `path`.
///
/// `path` is absolute, its header was read by [`header::read`](crate::file::header::read), and the
/// file does not change any more: it is a private copy made by [`Staging`](crate::Staging).
///
/// # Errors
///
/// If the loader refuses it; then nothing of it is mapped.
pub(crate) fn open(path: &Path) -> Result<Opened, OpenError> {
    let library = load(path)
        .map_err(|error| OpenError::Load { path: path.to_owned(), message: message(&error) })?;
    Ok(Opened { library: ManuallyDrop::new(library), path: path.to_owned() })
}

impl Opened {
    /// Calls the library's entry.
    ///
    /// # Errors
    ///
    /// If the library has no entry, or if that returns no vtable that this host can call.
    pub(crate) fn enter(self) -> Result<Guest, OpenError> {
        let Self { library, path } = self;
        // SAFETY: `libloading` asks for the symbol's true type. A library with our header promises
        // that `ENTRY` is this function (`plugbay_abi`, "a plugin, as a library, is three
        // things"). It is never closed, so the function, and all that it leads to, stays.
        let entry = unsafe { library.get::<Entry>(ENTRY) }.map(|symbol| *symbol);
        let entry = entry
            .map_err(|error| OpenError::Entry { path: path.clone(), message: message(&error) })?;
        // SAFETY: of the type that the header promises; it takes nothing and may be called at any
        // time. A panic of this runtime stops at the guard. One of another runtime, like an
        // exception of C++, cannot be caught by any host, and ends the process: the SDK's own
        // entry has nothing in it that could.
        let vtable = catch_unwind(|| unsafe { entry() })
            .map_err(|_| OpenError::Panicked { path: path.clone() })?;
        // SAFETY: `Guest::from_raw` asks for null or a table whose functions keep the contract,
        // which stays for as long as the process. The first is what the header promises, and the
        // reason why native plugins are trusted code; the second holds as it is never closed.
        unsafe { Guest::from_raw(vtable) }
            .map_err(|source| OpenError::Incompatible { path, source })
    }
}

#[cfg(unix)]
fn load(path: &Path) -> Result<libloading::Library, libloading::Error> {
    use libloading::os::unix::{Library, RTLD_LOCAL, RTLD_NOW};
    // The library stays even if other code of this process closes its own handle of it.
    let flags = RTLD_NOW | RTLD_LOCAL | libc::RTLD_NODELETE;
    // SAFETY: to load is to run the constructors of foreign code. The operator put the library
    // into the plugin folder: native plugins are trusted code (see the crate's documentation).
    // That the file does not change under its mapping is what `Staging` is for.
    unsafe { Library::open(Some(path), flags) }.map(libloading::Library::from)
}

#[cfg(not(unix))]
fn load(path: &Path) -> Result<libloading::Library, libloading::Error> {
    // SAFETY: as above.
    unsafe { libloading::Library::new(path) }
}

/// The system's own message, without what `libloading` adds to it.
fn message(error: &libloading::Error) -> String {
    std::error::Error::source(error).map_or_else(|| error.to_string(), ToString::to_string)
}
