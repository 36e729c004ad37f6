//! Hostile guests, one test each, named by what is attacked: while a plugin does its worst,
//! every call of its neighbour succeeds in time; afterwards memory, threads and file
//! descriptors are what they were, and the plugin's good version serves.
//!
//! The figures are those of the process, so the tests of this file run one after another
//! where they share one (`cargo test`).

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
