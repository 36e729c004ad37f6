//! The whole server: real components, real HTTP, the real program.
//!
//! One binary, so that it is linked once. `support` has the helpers of the tests.

mod actions;
mod admin;
#[cfg(unix)]
mod advertise;
mod agree;
mod audit;
#[cfg(unix)]
mod authors;
mod call_context;
mod cli;
mod codecs;
mod commands;
#[cfg(unix)]
mod compiler;
mod connections;
mod dashboard;
mod deadlines;
#[cfg(target_os = "linux")]
mod deploy;
#[cfg(target_os = "linux")]
mod descriptors;
#[cfg(unix)]
mod directory;
#[cfg(unix)]
mod directory_dns;
#[cfg(unix)]
mod directory_file;
mod embedded;
mod hints;
mod hostile;
mod http2;
mod idempotency;
mod leftovers;
mod limits;
mod liveness;
#[cfg(unix)]
mod load;
mod log_fields;
mod logs;
mod loopback;
#[cfg(target_os = "linux")]
mod memory;
mod metrics;
#[cfg(unix)]
mod native;
mod nested;
mod not_serving;
#[cfg(unix)]
mod observe;
mod operate;
mod planes;
mod policies;
#[cfg(target_os = "linux")]
mod profile;
#[path = "../../../otlp/tests/it/receiver.rs"]
mod receiver;
mod routes;
#[cfg(unix)]
mod secrets;
#[cfg(unix)]
mod state;
#[cfg(unix)]
mod stop;
mod support;
mod tls;
mod tokens;
mod traces;
#[cfg(unix)]
mod unix_sockets;
#[cfg(unix)]
mod up;
#[cfg(unix)]
mod upgrade;
