//! The bindings that wasmtime generates from `wit/`: the types of both sides, and the functions of a codec for
//! calls on the caller's stack. The imports are linked by hand, in `sandbox/imports.rs`.
//!
//! A call that may wait, for WASI or for a codec of another plugin, runs on a fiber, and calls a
//! [`TypedFunc`](wasmtime::component::TypedFunc) of the same types instead.

#![allow(dead_code, missing_docs, clippy::all, clippy::pedantic, reason = "generated code")]

wasmtime::component::bindgen!({
    path: "../../../wit",
    world: "plugin",
    imports: { default: trappable },
});
