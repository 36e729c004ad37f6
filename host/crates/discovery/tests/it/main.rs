//! The directory from outside: over HTTP, with real files, sockets and processes. The files `m1` to `m4`
//! are named after the milestones whose acceptance lists they follow, line by line.

mod access;
mod backend;
mod client;
mod compat;
#[cfg(feature = "dns")]
mod dns;
#[cfg(feature = "sqlite")]
mod durable;
mod library;
mod m1_registry;
mod m2_leases;
mod m3_checks;
mod m4_watch;
mod openapi;
mod served;
mod stored;
