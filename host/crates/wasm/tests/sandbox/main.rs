//! The sandbox: `tests/probe`, a guest on the standard library, tries to use the host, and fixtures
//! exceed their limits.

mod calls;
mod context;
mod files;
mod limits;
mod network;
mod otel;
mod support;
mod system;
