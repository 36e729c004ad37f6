//! Exporters against real receivers on loopback, which accept, reject, refuse, hang, and die.

mod exports;
mod failures;
mod receiver;
mod support;
