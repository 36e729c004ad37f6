//! The client against a directory over HTTP, and processes that know only the directory.

mod calls;
mod follows;
mod keeps;
#[cfg(unix)]
mod processes;
mod world;
