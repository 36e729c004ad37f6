//! The native runtime of Plugbay.
//!
//! A native plugin is called through the versioned vtable of [`plugbay_abi`]. [`NativeRuntime`]
//! serves those that are dynamic libraries: [`header`] reads a library's outside from its
//! bytes, [`Staging`] makes a private copy of it, and only then is that copy loaded, to stay
//! ([`Libraries`] says which are). [`LinkedRuntime`] serves those that are linked into the
//! application and registered themselves. Either is described and started like any other.
//!
//! Native code is trusted code. A panic is caught at the edge and costs the instance; a
//! fault is a fault of the whole process. Limits of CPU time and memory do not apply, and a
//! deadline lets the caller go on, not the plugin stop.
//!
//! # What is deliberately absent
//!
//! No library is ever unloaded, and none is loaded from where others write. There is no
//! `unsafe` here but in `library.rs`, which opens one: the safe side of the vtable is
//! `plugbay_abi::host`.

#![deny(unsafe_code)]

mod calls;
mod describe;
pub mod header;
mod libraries;
#[expect(unsafe_code, reason = "to load a library is to run it; each block says what it relies on")]
mod library;
mod linked;
mod plugin;
mod runtime;
mod staging;

pub use libraries::{Libraries, LoadedLibrary};
pub use linked::LinkedRuntime;
pub use runtime::NativeRuntime;
pub use staging::{Staging, StagingError};
