//! The native runtime of Plugbay.
//!
//! A native plugin is called through the versioned vtable of [`plugbay_abi`]. Today that
//! serves plugins that are *linked* into the application: [`LinkedRuntime`] takes those that
//! registered themselves, describes them, and starts them like any other. The same vtable is
//! what a dynamic library will offer.
//!
//! Native code is trusted code. A panic is caught at the edge and costs the instance; a
//! fault is a fault of the whole process. Limits of CPU time and memory do not apply, and a
//! deadline lets the caller go on, not the plugin stop.
//!
//! # What is deliberately absent
//!
//! There is no `unsafe` here: the safe side of the vtable is `plugbay_abi::host`.

#![forbid(unsafe_code)]

mod calls;
pub mod header;
mod linked;
mod plugin;

pub use linked::LinkedRuntime;
