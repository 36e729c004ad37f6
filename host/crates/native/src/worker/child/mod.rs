//! The worker's side: the process that loads a library and serves its vtable.
//!
//! [`serve`] is its life: it takes over its sockets, confines itself, loads the library, and then
//! serves each lane on a thread. [`protect`] is what it gives up before it loads foreign code: one
//! part of that is the filter of system calls, [`syscalls`]. [`signals`] is what it does about
//! signals; the host calls that module once, between fork and exec.
//!
//! The worker trusts its host, and the host does not trust it.

mod protect;
mod serve;
#[expect(unsafe_code, reason = "nothing safe sets what a thread does about signals")]
pub(crate) mod signals;
mod syscalls;

pub(crate) use serve::run;
