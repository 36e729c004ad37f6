//! The whole of the crate: real files, real sockets, real processes.

#[cfg(feature = "sqlite")]
mod durable;
