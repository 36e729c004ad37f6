//! What an application and an operator see of a host: one program of many tests, because each program links
//! the whole compiler of components. Tests that measure their process, or that link plugins, have programs of
//! their own.

mod examples;
#[path = "../support/probe.rs"]
mod probe;
#[path = "../support/mod.rs"]
mod support;

mod actions;
mod aot;
mod bad_input;
mod canary;
mod clocks;
mod config;
mod drain;
mod embed;
mod folder;
mod health;
mod inputs;
mod inside;
mod lifecycle;
mod limits;
mod metrics;
#[cfg(target_os = "linux")]
mod native;
mod overrides;
mod own_kind;
mod own_runtime;
mod providers;
mod rollback;
mod sandbox;
mod smoke;
#[cfg(feature = "state")]
mod state;
mod tools;
mod traces;
mod transform;
