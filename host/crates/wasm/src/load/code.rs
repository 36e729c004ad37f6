//! The machine code of a component: from the cache, or compiled.

use plugbay_core::{Artifact, Reason, Refusal};
use wasmtime::component::Component;

use super::cache::AotCache;
#[cfg(feature = "compile")]
use super::{cache::deserialize, compile::Compiler};
use crate::engine::Engine;

/// The sources of machine code: a cache, and a compiler.
pub(crate) struct Code {
    pub(crate) cache: Option<AotCache>,
    #[cfg(feature = "compile")]
    pub(crate) compiler: Compiler,
}

impl Code {
    /// The compiled component, and the size of its code.
    pub(crate) fn of(
        &self,
        engine: &Engine,
        artifact: &Artifact,
    ) -> Result<(Component, u64), Refusal> {
        let cached = self.cache.as_ref().and_then(|cache| cache.load(engine, &artifact.digest));
        cached.map_or_else(|| self.compile(engine, artifact), Ok)
    }

    #[cfg(feature = "compile")]
    fn compile(&self, engine: &Engine, artifact: &Artifact) -> Result<(Component, u64), Refusal> {
        let code = self.compiler.compile(engine.wasmtime(), &artifact.bytes)?;
        let component = deserialize(engine, &code).map_err(|error| {
            let message = format!("expected a component that this host has room for: {error:#}");
            Refusal::new(Reason::Malformed, message)
        })?;
        if let Some(cache) = &self.cache
            && let Err(error) = cache.store(engine, &artifact.digest, &code)
        {
            // The plugin runs without the cache; only the next start is slower.
            tracing::warn!(%error, source = %artifact.source, "compiled code was not cached");
        }
        Ok((component, code.len() as u64))
    }

    #[cfg(not(feature = "compile"))]
    fn compile(&self, _engine: &Engine, _artifact: &Artifact) -> Result<(Component, u64), Refusal> {
        let found = if self.cache.is_some() { "none in the cache" } else { "no cache" };
        let message =
            format!("this host is built without a compiler: expected compiled code, found {found}");
        Err(Refusal::new(Reason::Compiler, message).hint(
            "load the plugin once with a host of the same release that is built with the feature \
             `compile`, and give this one its cache folder",
        ))
    }
}
