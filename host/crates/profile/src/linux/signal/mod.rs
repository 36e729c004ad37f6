//! The only `unsafe` code of this crate.
//!
//! | module | contract that it relies on |
//! |---|---|
//! | `handler` | the kernel passes valid pointers to a handler with `SA_SIGINFO`; the handler makes only async-signal-safe calls |
//! | `memory` | `process_vm_readv` fails where there is no memory, and writes only into the words that it is given |
//! | `timer` | a timer is deleted once, by its owner |

mod handler;
mod memory;
mod timer;

pub(super) use handler::{Sampling, install};
pub(super) use memory::can_read;
pub(super) use timer::ThreadTimer;
