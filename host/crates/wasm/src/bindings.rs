//! The bindings that wasmtime generates from `wit/`: the imports, the types of both sides, and the
//! functions of a codec for calls on the caller's stack.
//!
//! A call that may wait, for WASI or for a codec of another plugin, runs on a fiber, and calls a
//! [`TypedFunc`](wasmtime::component::TypedFunc) of the same types instead.

#![allow(missing_docs, clippy::all, clippy::pedantic, reason = "generated code")]

wasmtime::component::bindgen!({
    path: "../../../wit",
    world: "plugin",
    imports: {
        "plugbay:plugin/codecs.encode": async | trappable,
        "plugbay:plugin/codecs.decode": async | trappable,
        default: trappable,
    },
});
