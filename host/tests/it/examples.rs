//! The examples, whose functions the tests call.

#[path = "../../examples/embed.rs"]
#[allow(dead_code, unreachable_pub, reason = "its main function is not called")]
pub(crate) mod embed;

#[path = "../../examples/host_function/main.rs"]
#[allow(dead_code, unreachable_pub, reason = "its main function is not called")]
pub(crate) mod host_function;

#[path = "../../examples/own_kind/main.rs"]
#[allow(dead_code, unreachable_pub, reason = "its main function is not called")]
pub(crate) mod own_kind;
