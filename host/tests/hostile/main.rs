//! Hostile guests, one test each, named by the attack. During the attack every call of the
//! neighbour succeeds in time. Afterwards memory, threads and file descriptors are as before, and
//! the plugin's good version serves.
//!
//! The figures are those of the process, so the tests run one after another if they share a process
//! (`cargo test`).

#[path = "../support/probe.rs"]
mod probe;
#[path = "../support/mod.rs"]
mod support;

mod attack;
mod calls;
mod figures;
mod files;
mod host_calls;
mod lifecycle;
mod neighbour;
mod open_files;
mod texts;
