//! Compiles two components into a cache, for hosts that are built without a compiler:
//! `cargo run --example precompile -- FOLDER`.

use std::error::Error;
use std::path::Path;
use std::sync::Arc;

use plugbay_core::{
    Artifact, Identity, Isolation, Plugin, Policy, Refusal, Runtime, Source, StartPlugin,
    Unobserved,
};
use plugbay_fixtures::Guest;
use plugbay_wasm::{AotCache, Engine, WasmRuntime};

/// The components: a codec and a handler.
pub(crate) fn guests() -> [Vec<u8>; 2] {
    [
        Guest::codec("echo").stamp(" codec").build(),
        Guest::handler("hello").stamp(" handler").build(),
    ]
}

/// A runtime that keeps code in `folder`.
pub(crate) fn runtime(
    folder: &Path,
    tokio: &tokio::runtime::Handle,
) -> Result<WasmRuntime, Box<dyn Error>> {
    let cache = AotCache::open(folder)?;
    Ok(WasmRuntime::builder(Engine::new()?, tokio.clone()).cache(cache).build()?)
}

/// A component, as the host reads it from a file.
pub(crate) fn artifact(bytes: Vec<u8>) -> Artifact {
    Artifact::new(Source::Memory("guest".into()), bytes)
}

/// Starts a plugin from a component. The code of what starts is kept.
pub(crate) fn start(runtime: &WasmRuntime, guest: Vec<u8>) -> Result<Arc<dyn Plugin>, Refusal> {
    let prepared = runtime.prepare(&artifact(guest))?;
    let description = prepared.describe(Isolation::Refuse)?;
    prepared.start(StartPlugin {
        identity: Identity::new(&description.name, &description.version),
        description: Arc::new(description),
        config: serde_json::json!({}),
        policy: Policy::default(),
        observer: Arc::new(Unobserved),
    })
}

fn main() -> Result<(), Box<dyn Error>> {
    let folder = std::env::args_os().nth(1).ok_or("expected a folder as the argument")?;
    let tokio = tokio::runtime::Runtime::new()?;
    let runtime = runtime(Path::new(&folder), tokio.handle())?;
    for guest in guests() {
        start(&runtime, guest)?;
    }
    Ok(())
}
