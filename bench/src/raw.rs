//! The baseline: the same component on raw wasmtime, through generated bindings.

use wasmtime::component::{Component, HasSelf, Linker};
use wasmtime::{
    Config, Engine, InstanceAllocationStrategy, PoolingAllocationConfig, Result, Store,
};

mod bindings {
    #![allow(missing_docs, clippy::all, clippy::pedantic, reason = "generated code")]
    wasmtime::component::bindgen!({ path: "../wit", world: "codec-plugin" });
}

use bindings::plugbay::plugin::{call, codecs, log, metrics, types};
use bindings::{CodecPlugin, CodecPluginPre};

/// Converts wasmtime's error to `anyhow`'s.
///
/// # Errors
///
/// That of `result`.
pub fn ok<T>(result: Result<T>) -> anyhow::Result<T> {
    result.map_err(|error| anyhow::anyhow!("{error:#}"))
}

/// The host's side, which does nothing.
pub struct Nothing;

impl types::Host for Nothing {}

impl log::Host for Nothing {
    fn write(&mut self, _: log::Level, _: String, _: Vec<(String, String)>) {}
    fn enabled(&mut self, _: log::Level) -> bool {
        false
    }
}

impl call::Host for Nothing {
    fn request_id(&mut self) -> Option<String> {
        None
    }
    fn generation(&mut self) -> Option<u64> {
        None
    }
    fn trace_parent(&mut self) -> Option<String> {
        None
    }
    fn trace_state(&mut self) -> Option<String> {
        None
    }
    fn time_left(&mut self) -> Option<u64> {
        None
    }
}

impl metrics::Host for Nothing {
    fn describe(
        &mut self,
        _: String,
        _: metrics::Kind,
        _: String,
        _: String,
        _: Vec<f64>,
    ) -> Result<(), types::Error> {
        Ok(())
    }
    fn add(&mut self, _: String, _: u64) {}
    fn set(&mut self, _: String, _: f64) {}
    fn observe(&mut self, _: String, _: f64) {}
}

impl codecs::Host for Nothing {
    fn available(&mut self) -> Vec<codecs::CodecInfo> {
        Vec::new()
    }
    fn encode(&mut self, _: String, _: Vec<u8>) -> Result<Vec<u8>, types::Error> {
        Ok(Vec::new())
    }
    fn decode(&mut self, _: String, _: Vec<u8>) -> Result<Vec<u8>, types::Error> {
        Ok(Vec::new())
    }
}

/// A linked component with the same engine settings as Plugbay's, epochs included.
pub struct Raw {
    /// The engine.
    pub engine: Engine,
    /// The component, linked.
    pub pre: CodecPluginPre<Nothing>,
}

impl Raw {
    /// Compiles and links.
    ///
    /// # Errors
    ///
    /// wasmtime's.
    pub fn new(bytes: &[u8]) -> Result<Self> {
        let engine = engine()?;
        let component = Component::new(&engine, bytes)?;
        let mut linker = Linker::new(&engine);
        CodecPlugin::add_to_linker::<_, HasSelf<Nothing>>(&mut linker, |it| it)?;
        let pre = CodecPluginPre::new(linker.instantiate_pre(&component)?)?;
        Ok(Self { engine, pre })
    }

    /// A store and an initialised instance.
    ///
    /// # Errors
    ///
    /// wasmtime's.
    pub fn instance(&self) -> Result<(Store<Nothing>, CodecPlugin)> {
        let mut store = Store::new(&self.engine, Nothing);
        store.set_epoch_deadline(1 << 40);
        let plugin = self.pre.instantiate(&mut store)?;
        let ready = plugin.plugbay_plugin_lifecycle().call_init(&mut store, "{}")?;
        wasmtime::ensure!(ready.is_ok(), "init failed: {ready:?}");
        Ok((store, plugin))
    }
}

/// An engine with Plugbay's settings.
///
/// # Errors
///
/// wasmtime's.
pub fn engine() -> Result<Engine> {
    let mut pool = PoolingAllocationConfig::default();
    pool.total_component_instances(1_000)
        .total_core_instances(8_000)
        .total_memories(1_000)
        .linear_memory_keep_resident(64 << 10)
        .table_keep_resident(16 << 10);
    let mut config = Config::new();
    config.epoch_interruption(true).allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
    Engine::new(&config)
}
