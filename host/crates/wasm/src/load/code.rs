//! The machine code of a component: from the cache, or compiled.

use plugbay_core::{Artifact, Reason, Refusal};
#[cfg(feature = "compile")]
use plugbay_core::{Digest, Source};
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

/// A component with its machine code.
pub(crate) struct Compiled {
    pub(crate) component: Component,
    /// The size of the code, in bytes.
    pub(crate) code_size: u64,
    /// The place in the cache where the code is not yet.
    #[cfg(feature = "compile")]
    pub(crate) unsaved: Option<Unsaved>,
}

/// The place in the cache of a component that was compiled by this process. The code is written there
/// when a plugin has started from it, so that the cache keeps nothing of refused files.
#[cfg(feature = "compile")]
pub(crate) struct Unsaved {
    cache: AotCache,
    digest: Digest,
    source: Source,
}

#[cfg(feature = "compile")]
impl Unsaved {
    /// Writes the component's code to the cache.
    pub(crate) fn save(&self, engine: &Engine, component: &Component) {
        let code = component.serialize().map_err(std::io::Error::other);
        let saved = code.and_then(|code| self.cache.store(engine, &self.digest, &code));
        if let Err(error) = saved {
            // The plugin runs without the cache; only the next start is slower.
            tracing::warn!(%error, source = %self.source, "compiled code was not cached");
        }
    }
}

impl Code {
    /// The component of an artifact: its code is loaded from the cache, or compiled.
    pub(crate) fn of(&self, engine: &Engine, artifact: &Artifact) -> Result<Compiled, Refusal> {
        let cached = self.cache.as_ref().and_then(|cache| cache.load(engine, &artifact.digest));
        match cached {
            Some((component, code_size)) => Ok(Compiled {
                component,
                code_size,
                #[cfg(feature = "compile")]
                unsaved: None,
            }),
            None => self.compile(engine, artifact),
        }
    }

    #[cfg(feature = "compile")]
    fn compile(&self, engine: &Engine, artifact: &Artifact) -> Result<Compiled, Refusal> {
        let code = self.compiler.compile(engine.wasmtime(), &artifact.bytes)?;
        let component = deserialize(engine, &code).map_err(|error| {
            let message = format!("expected a component that this host has room for: {error:#}");
            Refusal::new(Reason::Malformed, message)
        })?;
        let unsaved = self.cache.as_ref().map(|cache| Unsaved {
            cache: cache.clone(),
            digest: artifact.digest,
            source: artifact.source.clone(),
        });
        Ok(Compiled { component, code_size: code.len() as u64, unsaved })
    }

    #[cfg(not(feature = "compile"))]
    fn compile(&self, _engine: &Engine, _artifact: &Artifact) -> Result<Compiled, Refusal> {
        let found = if self.cache.is_some() { "none in the cache" } else { "no cache" };
        let message =
            format!("this host is built without a compiler: expected compiled code, found {found}");
        Err(Refusal::new(Reason::Compiler, message).hint(
            "load the plugin once with a host of the same release that is built with the feature \
             `compile`, and give this one its cache folder",
        ))
    }
}
