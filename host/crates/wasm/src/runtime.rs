//! The runtime: recognises components, checks them, compiles and links them.

use std::fmt;
use std::sync::Arc;
#[cfg(feature = "compile")]
use std::sync::Mutex;

use plugbay_core::{Artifact, MachineCode, Prepared, Reason, Refusal, Runtime};
#[cfg(feature = "state")]
use plugbay_state::States;
use tokio::runtime::Handle;
use wasmtime::component::{HasSelf, Linker};

use crate::bindings::plugbay::plugin::types;
use crate::call::calls::WasmKind;
use crate::call::erased::{AnyKind, Erased};
use crate::call::lifecycle::Lifecycle;
use crate::engine::{Engine, EngineError};
use crate::kind;
use crate::load::cache::AotCache;
use crate::load::code::Code;
#[cfg(feature = "compile")]
use crate::load::compile::{Compiler, CompilerCommand};
use crate::load::prepared::WasmPrepared;
use crate::load::scan::{self, Form};
use crate::load::world::{self, IMPORTS, LIFECYCLE, PACKAGE, Wants};
use crate::sandbox::imports;
use crate::sandbox::state::State;
#[cfg(feature = "wasi")]
use crate::wasi::{self, Resolve, System};

/// Runs plugins that are WebAssembly components.
pub struct WasmRuntime {
    engine: Engine,
    tokio: Handle,
    code: Code,
    kinds: Arc<[Box<dyn AnyKind>]>,
    offered: Vec<String>,
    /// Links the interfaces of `plugbay:plugin`, and those of the application. Calls run on the
    /// caller's stack, unless the component imports `codecs`.
    pure: Linker<State>,
    /// Links the same interfaces and WASI. Calls run on fibers.
    #[cfg(feature = "wasi")]
    wasi: Linker<State>,
}

/// Defines an interface in a linker.
type Link = Box<dyn Fn(&mut Linker<State>) -> wasmtime::Result<()>>;

/// Builds a [`WasmRuntime`].
pub struct Builder {
    engine: Engine,
    tokio: Handle,
    cache: Option<AotCache>,
    #[cfg(feature = "compile")]
    compiler: Option<CompilerCommand>,
    kinds: Vec<Box<dyn AnyKind>>,
    offered: Vec<String>,
    links: Vec<Link>,
    #[cfg(feature = "wasi")]
    resolver: Arc<dyn Resolve>,
    #[cfg(feature = "state")]
    states: States,
}

impl Builder {
    /// Keeps compiled components in this cache.
    #[must_use]
    pub fn cache(mut self, cache: AotCache) -> Self {
        self.cache = Some(cache);
        self
    }

    /// Compiles each component in a process of this program. Without it the time and memory for
    /// compiling a component are not bounded.
    #[cfg(feature = "compile")]
    #[must_use]
    pub fn compiler(mut self, compiler: CompilerCommand) -> Self {
        self.compiler = Some(compiler);
        self
    }

    /// Serves one more kind of capability.
    #[must_use]
    pub fn kind<K: WasmKind>(mut self) -> Self {
        self.kinds.push(Box::new(Erased::<K>::default()));
        self
    }

    /// Offers plugins one more interface to import. `link` defines the interface in a linker; the
    /// functions of the interface must not wait.
    #[must_use]
    pub fn import(
        mut self,
        interface: impl Into<String>,
        link: impl Fn(&mut Linker<State>) -> wasmtime::Result<()> + 'static,
    ) -> Self {
        self.offered.push(interface.into());
        self.links.push(Box::new(link));
        self
    }

    /// Looks up names for plugins with this resolver instead of the system's.
    #[cfg(feature = "wasi")]
    #[must_use]
    pub fn resolver(mut self, resolver: Arc<dyn Resolve>) -> Self {
        self.resolver = resolver;
        self
    }

    /// Keeps the state of plugins that import `wasi:keyvalue` here. Without it they are kept in memory.
    #[cfg(feature = "state")]
    #[must_use]
    pub fn states(mut self, states: States) -> Self {
        self.states = states;
        self
    }

    /// Builds the runtime.
    ///
    /// # Errors
    ///
    /// If an import is defined twice, or no thread for compiling can be started.
    pub fn build(self) -> Result<WasmRuntime, EngineError> {
        let mut pure = Linker::new(self.engine.wasmtime());
        types::add_to_linker::<_, HasSelf<State>>(&mut pure, |state| state)?;
        imports::add_to_linker(&mut pure)?;
        for link in &self.links {
            link(&mut pure)?;
        }
        let code = Code {
            cache: self.cache,
            #[cfg(feature = "compile")]
            compiler: Compiler::new(self.compiler).map_err(wasmtime::Error::from)?,
        };
        Ok(WasmRuntime {
            engine: self.engine,
            tokio: self.tokio,
            code,
            kinds: self.kinds.into(),
            offered: self.offered,
            #[cfg(feature = "wasi")]
            wasi: {
                let mut linker = pure.clone();
                wasi::add_to_linker(&mut linker, &self.resolver)?;
                #[cfg(feature = "state")]
                wasi::add_state_to_linker(&mut linker, &self.states)?;
                linker
            },
            pure,
        })
    }
}

impl WasmRuntime {
    /// A runtime on `engine` that serves the built-in kinds. Calls that wait use the timers of
    /// `tokio`.
    #[must_use]
    pub fn builder(engine: Engine, tokio: Handle) -> Builder {
        Builder {
            engine,
            tokio,
            cache: None,
            #[cfg(feature = "compile")]
            compiler: None,
            kinds: kind::built_in(),
            offered: IMPORTS.map(String::from).to_vec(),
            links: Vec::new(),
            #[cfg(feature = "wasi")]
            resolver: Arc::new(System),
            #[cfg(feature = "state")]
            states: States::of(plugbay_state::MemoryStore::default()),
        }
    }
}

impl WasmRuntime {
    #[cfg(feature = "wasi")]
    fn linker(&self, wants_wasi: bool) -> &Linker<State> {
        if wants_wasi { &self.wasi } else { &self.pure }
    }

    #[cfg(not(feature = "wasi"))]
    fn linker(&self, _wants_wasi: bool) -> &Linker<State> {
        &self.pure
    }
}

impl Runtime for WasmRuntime {
    fn name(&self) -> &'static str {
        "wasm"
    }

    fn recognises(&self, artifact: &Artifact) -> bool {
        scan::form(&artifact.bytes) != Form::Other
    }

    fn is_whole(&self, artifact: &Artifact) -> bool {
        scan::is_whole(&artifact.bytes)
    }

    fn prepare(&self, artifact: &Artifact) -> Result<Arc<dyn Prepared>, Refusal> {
        match scan::form(&artifact.bytes) {
            Form::Component => {}
            Form::CoreModule => {
                let message = "expected a WebAssembly component, found a core module";
                return Err(Refusal::new(Reason::CoreModule, message)
                    .hint("link it with wasm-component-ld, as docs/writing-a-plugin.md shows, or make a component of \
                           it with `wasm-tools component new`"));
            }
            Form::Unknown | Form::Other => {
                let message =
                    "expected a WebAssembly component of binary version 13, found another version";
                return Err(Refusal::new(Reason::UnknownFormat, message));
            }
        }
        let shape = scan::shape(&artifact.bytes)
            .map_err(|error| Refusal::new(Reason::Malformed, error.to_string()))?;
        world::check_api_version(&shape)?;
        world::check_world(&shape)?;
        world::check_imports(&shape, &self.offered)?;
        let compiled = self.code.of(&self.engine, artifact)?;
        let wants = Wants::of(&shape);
        let linker = self.linker(wants.wasi);
        let mismatch = |error: wasmtime::Error| {
            Refusal::new(
                Reason::WrongWorld,
                format!("expected the types of {PACKAGE}@1.0.0: {error:#}"),
            )
        };
        let component = linker.instantiate_pre(&compiled.component).map_err(mismatch)?;
        let lifecycle = Lifecycle::find(&component, LIFECYCLE).map_err(mismatch)?;
        let exported = self
            .kinds
            .iter()
            .filter(|kind| shape.exports.iter().any(|name| name == kind.interface()));
        let kinds = exported.map(|kind| kind.resolve(&component)).collect::<Result<_, _>>();
        Ok(Arc::new(WasmPrepared {
            engine: self.engine.clone(),
            tokio: self.tokio.clone(),
            lifecycle: Arc::new(lifecycle),
            kinds: kinds.map_err(mismatch)?,
            served: Arc::clone(&self.kinds),
            component,
            shape,
            source: artifact.source.clone(),
            wants,
            code_size: compiled.code_size,
            #[cfg(feature = "compile")]
            unsaved: Mutex::new(compiled.unsaved),
        }))
    }

    fn machine_code(&self) -> Vec<Arc<dyn MachineCode>> {
        self.engine.started().machine_code()
    }

    #[cfg(feature = "compile")]
    fn stop(&self) {
        self.code.compiler.stop();
    }
}

impl fmt::Debug for WasmRuntime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WasmRuntime").field("engine", &self.engine).finish_non_exhaustive()
    }
}
