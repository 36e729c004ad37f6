//! The worker's side: the process that loads a library and serves its vtable.
//!
//! [`serve`] takes over the sockets, has [`protect`] confine the process, loads the library, and then
//! serves each lane on a thread. A part of the confinement is the filter of system calls,
//! [`syscalls`]. [`signals`] says which signals a worker ignores; the host calls that module, too,
//! between fork and exec.
//!
//! A worker trusts its host; the host does not trust a worker.

mod protect;
mod serve;
#[expect(unsafe_code, reason = "nothing safe sets what a thread does about signals")]
pub(crate) mod signals;
mod syscalls;

pub(crate) use serve::run;
