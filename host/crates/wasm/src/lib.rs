//! The WebAssembly runtime of Plugbay.
//!
//! One [`Engine`] per process holds wasmtime's engine, its pooling allocator and one
//! thread that ticks the epoch. [`WasmRuntime`] reads a component's imports and exports
//! before anything else ([`scan`]), compiles it or fetches it from the private
//! [`AotCache`], links it once, and starts plugins from it. A started plugin keeps a pool
//! of warm instances; a call takes one, sets its CPU budget, calls, and puts it back. A call that
//! may wait, for WASI or for another plugin, runs on a fiber and blocks no thread. An
//! instance that trapped, or whose call was dropped, never goes back.
//!
//! The modules: `load`, from the bytes of a component to a plugin that can start; `call`, calls of a
//! started plugin; `kind`, the built-in kinds; `sandbox`, limits and grants of a guest; and `wasi`.
//!
//! A [`WasmKind`] maps a kind of capability to a WIT interface. The built-in kinds and an
//! application's own implement the same trait.
//!
//! # What is deliberately absent
//!
//! No instance is shared by two calls at once; nothing here waits for `Arc` counts; no
//! component runs before its API version is checked; WASI reaches nothing of the host but what the
//! policy grants.

mod bindings;
mod call;
mod engine;
mod idle;
mod kind;
mod load;
mod machine_code;
mod runtime;
mod sandbox;
mod ticker;
#[cfg(feature = "wasi")]
mod wasi;
#[cfg(not(feature = "wasi"))]
#[path = "without_wasi.rs"]
mod wasi;

pub use bindings::plugbay::plugin::types;
pub use bindings::plugbay::plugin::{call as call_import, codecs, log, metrics as metrics_import};
pub use call::calls::{Calls, WasmKind};
pub use call::exports::Exports;
pub use engine::{Engine, EngineError};
pub use load::cache::{AotCache, CacheError};
#[cfg(feature = "compile")]
pub use load::compile;
pub use load::scan;
pub use load::world::API_VERSIONS;
pub use runtime::{Builder, WasmRuntime};
pub use sandbox::state::State;
#[cfg(feature = "wasi")]
pub use wasi::Resolve;
pub use wasmtime;
