//! The native runtime of Plugbay.
//!
//! A native plugin is called through the versioned vtable of [`plugbay_abi`]. [`NativeRuntime`]
//! serves those that are dynamic libraries: [`header`] reads a library's outside from its
//! bytes, [`Staging`] makes a private copy of it, and only then is that copy loaded, to stay
//! ([`Libraries`] says which are). [`LinkedRuntime`] serves those that are linked into the
//! application and registered themselves. Either is described and started like any other.
//! The module [`worker`] serves the vtable of a library in a process of its own.
//!
//! Native code is trusted code. In this process a panic is caught at the edge and costs the
//! instance, and a fault is a fault of the whole process; limits of CPU time and memory do not
//! apply. A deadline stops no plugin. It lets the caller of a handler go on, whose thread holds one
//! of the places that bound them until it returns; a codec runs on its caller's own thread, which
//! nothing frees. A thread that hangs in a library outside its calls is left behind, and counted.
//! In a worker a fault costs the calls in flight, memory and deadlines are kept, and it reaches
//! what it is granted. Rates of calls of the host hold in either.
//!
//! # What is deliberately absent
//!
//! No library is ever unloaded, and none is loaded from where others write. Hand-written
//! `unsafe` stands in three places: where a library is opened, where a worker is started, and
//! where bytes are copied to and from the memory that is shared with it.
//! The safe side of the vtable is `plugbay_abi::host`.

#![deny(unsafe_code)]

mod blocking;
mod bulkhead;
mod calls;
mod code;
mod describe;
mod fault;
pub mod header;
mod ledger;
mod libraries;
#[expect(unsafe_code, reason = "to load a library is to run it; each block says what it relies on")]
mod library;
mod linked;
mod plugin;
mod runtime;
mod serving;
mod staging;
mod threads;
pub mod worker;

pub use libraries::{Libraries, LoadedLibrary};
pub use linked::LinkedRuntime;
pub use runtime::{Ceiling, NativeRuntime};
pub use staging::{PrivateCopy, Staging, StagingError};
