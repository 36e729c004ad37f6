//! What wasmtime generates from `wit/`: the imports once, the exports twice.
//!
//! A pure plugin's lifecycle and codecs are called on the caller's stack (`sync`); what may
//! wait for the host is called on a fiber (`fiber`): for WASI, or for a codec of another plugin.
//! The types are the same in both.

#![allow(missing_docs, clippy::all, clippy::pedantic, reason = "generated code")]

mod sync {
    wasmtime::component::bindgen!({
        path: "../../../wit",
        world: "plugin",
        imports: {
            "plugbay:plugin/codecs.encode": async | trappable,
            "plugbay:plugin/codecs.decode": async | trappable,
            default: trappable,
        },
    });
}

mod asynchronous {
    wasmtime::component::bindgen!({
        path: "../../../wit",
        world: "plugin",
        exports: { default: async },
        with: {
            "plugbay:plugin/types": super::sync::plugbay::plugin::types,
            "plugbay:plugin/log": super::sync::plugbay::plugin::log,
            "plugbay:plugin/metrics": super::sync::plugbay::plugin::metrics,
            "plugbay:plugin/codecs": super::sync::plugbay::plugin::codecs,
        },
    });
}

pub(crate) use asynchronous::exports::plugbay::plugin as fiber;
pub(crate) use sync::exports::plugbay::plugin as direct;
pub(crate) use sync::plugbay;
