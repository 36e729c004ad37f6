//! Plugins whose code runs in this process.
//!
//! A call runs on its caller's thread and reaches the instance through [`current`]. Everything else
//! that is foreign code (constructors, `describe`, `create`, `health`, `shutdown`, and freeing an
//! instance) runs on a thread of its own, which [`threads`] waits for within a deadline and leaves
//! behind past it. [`code`] has those steps, and [`plugin`] the calls. [`libraries`] lists which
//! dynamic libraries are loaded; plugins that are linked into the application are on no list.

pub(crate) mod code;
mod current;
pub(crate) mod libraries;
pub(crate) mod plugin;
mod threads;
