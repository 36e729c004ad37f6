//! A library becomes a plugin.

#![expect(unsafe_code, reason = "what a library holds can only be believed")]

use std::path::Path;

use libloading::Library;
use plugbay_abi::host::{Guest, Incompatible};
use plugbay_abi::{ENTRY, Vtable};

/// Why a library is no plugin that can be called.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OpenError {
    /// The system's loader refused it.
    #[error("expected a library that loads: {0}")]
    Load(libloading::Error),
    /// It has no entry function.
    #[error("expected the symbol {ENTRY}: {0}")]
    Entry(libloading::Error),
    /// Its table is not one that this host can call.
    #[error(transparent)]
    Incompatible(#[from] Incompatible),
}

type Entry = unsafe extern "C" fn() -> *const Vtable;

/// Loads the library at `path`, for as long as the process lives.
///
/// # Errors
///
/// [`OpenError`] if it does not load, or offers no table that this host can call.
pub(crate) fn open(path: &Path) -> Result<Guest, OpenError> {
    // SAFETY: loading runs the library's constructors; who configures a native plugin trusts it.
    let library = unsafe { Library::new(path) }.map_err(OpenError::Load)?;
    // SAFETY: `plugbay-abi` gives the function of this name this type.
    let entry = unsafe { library.get::<Entry>(ENTRY.as_bytes()) }.map_err(OpenError::Entry)?;
    // SAFETY: the entry function has no precondition, and its table is that of the ABI.
    let guest = unsafe { Guest::from_raw(entry()) }?;
    // Code that was handed out may run at any time: it stays mapped.
    std::mem::forget(library);
    Ok(guest)
}
