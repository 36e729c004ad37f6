//! The one wasmtime engine of a host.

use std::fmt;
use std::sync::Arc;

use wasmtime::{Config, InstanceAllocationStrategy, PoolingAllocationConfig, WasmBacktraceDetails};

use crate::idle::IdleInstances;
use crate::machine_code::StartedCode;
use crate::ticker::{Noticed, Ticker};

/// An engine or a runtime could not be built.
#[derive(Debug, thiserror::Error)]
#[error("expected a WebAssembly engine to start: {0:#}")]
pub struct EngineError(wasmtime::Error);

impl From<wasmtime::Error> for EngineError {
    fn from(error: wasmtime::Error) -> Self {
        Self(error)
    }
}

/// The pool sizes that are tried, largest first. A slot reserves 4 GiB of address space, which
/// costs no memory but does not fit everywhere (39-bit address spaces, `ulimit -v`). If none fits,
/// instances are allocated on demand.
const POOL_SIZES: [u32; 3] = [1_000, 200, 40];

/// A wasmtime engine with its allocator and its epoch ticker. Cheap to clone.
#[derive(Clone)]
pub struct Engine {
    inner: Arc<Inner>,
}

struct Inner {
    engine: wasmtime::Engine,
    pool_size: Option<u32>,
    idle: IdleInstances,
    started: StartedCode,
    noticed: Noticed,
    _ticker: Ticker,
}

impl Engine {
    /// Starts an engine: the largest pool that the address space allows, or allocation on
    /// demand where none fits.
    ///
    /// # Errors
    ///
    /// If wasmtime refuses every configuration, or no thread can be started.
    pub fn new() -> Result<Self, EngineError> {
        let pooled = POOL_SIZES.iter().find_map(|&size| {
            wasmtime::Engine::new(&config(Some(size))).ok().map(|engine| (engine, Some(size)))
        });
        let (engine, pool_size) = match pooled {
            Some(pooled) => pooled,
            None => (wasmtime::Engine::new(&config(None)).map_err(EngineError)?, None),
        };
        let noticed = Noticed::default();
        let ticker = Ticker::start(&engine, noticed.clone());
        let ticker = ticker.map_err(|error| EngineError(error.into()))?;
        let (idle, started) = (IdleInstances::default(), StartedCode::default());
        let inner = Inner { engine, pool_size, idle, started, noticed, _ticker: ticker };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// wasmtime's engine.
    #[must_use]
    pub fn wasmtime(&self) -> &wasmtime::Engine {
        &self.inner.engine
    }

    /// Tells the ticker that a guest computes.
    pub(crate) fn noticed(&self) -> &Noticed {
        &self.inner.noticed
    }

    /// The plugins whose idle instances are dropped when the pool is full.
    pub(crate) fn idle(&self) -> &IdleInstances {
        &self.inner.idle
    }

    /// The compiled code of the plugins that are started.
    pub(crate) fn started(&self) -> &StartedCode {
        &self.inner.started
    }

    /// How many instances the pool holds at most; `None` where they are allocated on demand.
    #[must_use]
    pub fn pool_size(&self) -> Option<u32> {
        self.inner.pool_size
    }
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine").field("pool_size", &self.inner.pool_size).finish_non_exhaustive()
    }
}

/// An engine that only compiles, without pool and ticker. Every [`Engine`] accepts its code.
#[cfg(feature = "compile")]
pub(crate) fn compile_only() -> Result<wasmtime::Engine, EngineError> {
    wasmtime::Engine::new(&config(None)).map_err(EngineError)
}

fn config(pool_size: Option<u32>) -> Config {
    let mut config = Config::new();
    config
        // Not from `WASMTIME_BACKTRACE_DETAILS`: a library does not read the environment, and a
        // plugin must not have the host parse its debugging sections.
        .wasm_backtrace_details(WasmBacktraceDetails::Disable)
        .wasm_component_model(true)
        .epoch_interruption(true);
    #[cfg(feature = "compile")]
    config.parallel_compilation(true).cranelift_opt_level(wasmtime::OptLevel::Speed);
    if let Some(size) = pool_size {
        config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool(size)));
    }
    config
}

/// Sizes that fit guests of every language: a JavaScript component has some 50 core
/// instances, a Python one 197 pages at the start.
fn pool(size: u32) -> PoolingAllocationConfig {
    let mut pool = PoolingAllocationConfig::default();
    pool.total_component_instances(size)
        .total_core_instances(size.saturating_mul(8))
        .total_memories(size)
        .total_tables(size.saturating_mul(8))
        .total_stacks(size)
        .max_core_instances_per_component(64)
        .max_memories_per_component(8)
        .max_tables_per_component(64)
        .max_component_instance_size(1 << 20)
        .max_core_instance_size(1 << 20)
        .table_elements(100_000)
        .linear_memory_keep_resident(64 << 10)
        .table_keep_resident(16 << 10);
    pool
}

#[cfg(all(test, feature = "compile"))]
mod tests {
    use std::hash::{DefaultHasher, Hash, Hasher};

    use super::*;

    #[test]
    fn an_engine_accepts_the_code_of_one_that_only_compiles() {
        let hash = |engine: &wasmtime::Engine| {
            let mut hasher = DefaultHasher::new();
            engine.precompile_compatibility_hash().hash(&mut hasher);
            hasher.finish()
        };
        let running = Engine::new().unwrap();
        assert!(running.pool_size().is_some());
        assert_eq!(hash(running.wasmtime()), hash(&compile_only().unwrap()));
    }
}
