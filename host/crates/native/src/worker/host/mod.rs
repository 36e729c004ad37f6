//! The host's side: what starts a worker, calls it, watches it and ends it.
//!
//! A plugin is described in a worker of its own (`describe`). A started [`plugin`] has one
//! [`supervisor`], which owns the current worker and decides when the next one may start. To
//! [`start`] a worker is to [`spawn`] its program, which loads the library, and then to create the
//! instance. A running worker is a [`process`], with its [`output`] and its [`usage`] of the machine;
//! how it ended is a [`death`]. Which call printed a line is what [`serving`] finds out. A call ([`call`]) takes a lane of the supervisor's until its [`deadline`].
//!
//! What a worker sends is foreign, and is checked where it is read; [`fuzz`] is there to fuzz that.

mod call;
mod deadline;
mod death;
mod describe;
mod fuzz;
mod output;
mod plugin;
mod process;
mod serving;
mod spawn;
mod start;
mod supervisor;
mod usage;

pub use describe::describe;
pub use fuzz::frames;
pub use plugin::ProcessPlugin;
