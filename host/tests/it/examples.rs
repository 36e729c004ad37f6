//! The examples, whose functions the tests call.

#![allow(dead_code, unreachable_pub, reason = "their main functions are not called")]

#[path = "../../examples/embed.rs"]
pub(crate) mod embed;
#[path = "../../examples/host_function/main.rs"]
pub(crate) mod host_function;
#[path = "../../examples/own_kind/main.rs"]
pub(crate) mod own_kind;
#[path = "../../examples/transform/main.rs"]
pub(crate) mod transform;
