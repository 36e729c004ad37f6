//! What wasmtime generates from `wit/`: the imports, the types of both sides, and the functions of
//! a codec as they are called on the caller's stack.
//!
//! What may wait for the host, for WASI or for a codec of another plugin, is called on a fiber, and
//! has its functions as [`TypedFunc`](wasmtime::component::TypedFunc)s of the same types.

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
