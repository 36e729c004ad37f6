//! The limit: the same component on bare wasmtime, through generated bindings.

use anyhow::Result;
use wasmtime::component::{Component, HasSelf, Linker};
use wasmtime::{
    Config, Engine, InstanceAllocationStrategy, PoolingAllocationConfig, Store,
};

wasmtime::component::bindgen!({ path: "../wit", world: "codec-plugin" });

pub struct Nothing;

impl plugbay::plugin::types::Host for Nothing {}

impl plugbay::plugin::log::Host for Nothing {
    fn write(&mut self, _: plugbay::plugin::log::Level, _: String, _: Vec<(String, String)>) {}
    fn enabled(&mut self, _: plugbay::plugin::log::Level) -> bool {
        false
    }
}

impl plugbay::plugin::metrics::Host for Nothing {
    fn add(&mut self, _: String, _: u64) {}
    fn set(&mut self, _: String, _: f64) {}
}

impl plugbay::plugin::codecs::Host for Nothing {
    fn available(&mut self) -> Vec<plugbay::plugin::codecs::CodecInfo> {
        Vec::new()
    }
    fn encode(&mut self, _: String, _: Vec<u8>) -> Result<Vec<u8>, plugbay::plugin::types::Error> {
        Ok(Vec::new())
    }
    fn decode(&mut self, _: String, _: Vec<u8>) -> Result<Vec<u8>, plugbay::plugin::types::Error> {
        Ok(Vec::new())
    }
}

/// A linked component with the same engine settings as Plugbay's, epochs included.
pub struct Raw {
    pub engine: Engine,
    pub pre: CodecPluginPre<Nothing>,
}

impl Raw {
    pub fn new(bytes: &[u8]) -> Result<Self> {
        let engine = engine()?;
        let component = Component::new(&engine, bytes)?;
        let mut linker = Linker::new(&engine);
        CodecPlugin::add_to_linker::<_, HasSelf<Nothing>>(&mut linker, |it| it)?;
        let pre = CodecPluginPre::new(linker.instantiate_pre(&component)?)?;
        Ok(Self { engine, pre })
    }

    /// A store and an initialised instance.
    pub fn instance(&self) -> Result<(Store<Nothing>, CodecPlugin)> {
        let mut store = Store::new(&self.engine, Nothing);
        store.set_epoch_deadline(1 << 40);
        let plugin = self.pre.instantiate(&mut store)?;
        let ready = plugin.plugbay_plugin_lifecycle().call_init(&mut store, "{}")?;
        anyhow::ensure!(ready.is_ok(), "init");
        Ok((store, plugin))
    }
}

pub fn engine() -> Result<Engine> {
    let mut pool = PoolingAllocationConfig::default();
    pool.total_component_instances(1_000).total_core_instances(8_000).total_memories(1_000);
    let mut config = Config::new();
    config
        .epoch_interruption(true)
        .allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
    Ok(Engine::new(&config)?)
}
