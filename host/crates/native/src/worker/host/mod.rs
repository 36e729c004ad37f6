//! The host's side: what starts a worker, calls it, watches it and ends it.
//!
//! A plugin ([`plugin`]) has one supervisor ([`supervisor`]), which owns the worker of the moment
//! and decides when there is a next one. To start a worker ([`start`]) is to start its program and
//! have it load the library ([`spawn`]), and then to make the instance. What runs is a process
//! ([`process`]), with its output ([`output`]) and what it uses of the machine ([`usage`]); how it
//! ended is a [`death`]. A call ([`call`]) borrows a lane from the supervisor.
//!
//! What a worker sends is foreign: it is checked where it is read, and [`foreign`] is the door for
//! fuzzing that.

mod call;
mod death;
mod foreign;
mod output;
mod plugin;
mod process;
mod spawn;
mod start;
mod supervisor;
mod usage;

pub use foreign::frames;
pub use plugin::{ProcessPlugin, describe};
