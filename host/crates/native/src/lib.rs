//! The native runtime of Plugbay.
//!
//! A native plugin is called through the versioned vtable of [`plugbay_abi`]. [`LinkedRuntime`]
//! serves plugins that are *linked* into the application: it takes those that registered
//! themselves, describes them, and starts them like any other. The module [`worker`] serves
//! the same vtable of a library in a process of its own.
//!
//! Native code is trusted code. In this process a panic is caught at the edge and costs the
//! instance, and a fault is a fault of the whole process; limits of CPU time and memory do not
//! apply, and a deadline lets the caller go on, not the plugin stop. In a worker a fault costs
//! the calls in flight, and memory and deadlines are kept.
//!
//! # What is deliberately absent
//!
//! Hand-written `unsafe` stands in two places: where a library is loaded, and where a worker is
//! started. The safe side of the vtable is `plugbay_abi::host`.

#![deny(unsafe_code)]

mod calls;
#[cfg(target_os = "linux")]
mod library;
mod linked;
mod plugin;
pub mod worker;

pub use linked::LinkedRuntime;
