//! Builds a host.

#[cfg(feature = "native")]
mod native;
#[cfg(feature = "state")]
mod state;

use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::SystemTime;

use plugbay_core::trace::SpanSink;
use plugbay_core::{Artifact, Refusal, Runtime, Source};
#[cfg(feature = "native")]
use plugbay_native::worker::WorkerCommand;
use plugbay_registry::{Leased, Swap, Table};
#[cfg(feature = "compile")]
use plugbay_wasm::compile::CompilerCommand;
use plugbay_wasm::{AotCache, Engine, EngineError, WasmKind, WasmRuntime};

use crate::call::GenerationServices;
use crate::change::{CatchPanic, Retry, Runtimes, Store, configured_routes};
use crate::config::{Config, ConfigError, Layers};
use crate::control::{ConfigFile, ConfigLoader, HostState, Liveness, Reconciler, channel};
use crate::host::{Background, Control, Host};
#[cfg(feature = "state")]
use crate::metrics::StateCollector;
use crate::metrics::{Collectors, HostCollector, RegisterError};
use crate::report::{Outcome, Report};
use crate::set::{Generation, PublishedSet};

type Setup = Box<dyn FnOnce(plugbay_wasm::Builder) -> plugbay_wasm::Builder + Send>;

impl Host {
    /// Begins to build a host.
    #[must_use]
    pub fn builder() -> Builder {
        Builder::default()
    }
}

/// Builds a [`Host`]. The settings compose in any order.
///
/// ```
/// use plugbay::{Config, Host};
///
/// # let folder = tempfile::tempdir()?;
/// # let mut config = Config::default();
/// # config.host.cache = Default::default();
/// config.host.linked = false;
/// let echo = plugbay_fixtures::Guest::codec("echo").build();
/// let host = Host::builder()
///     .config(config)
///     .plugins(folder.path()) // a folder, and
///     .artifact("echo", echo) // bytes that the application has
///     .watch(false)
///     .build_blocking()?;
/// assert_eq!(host.names("codec"), ["echo"]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Default)]
pub struct Builder {
    config: Option<ConfigLoader>,
    folder: Option<PathBuf>,
    no_watch: bool,
    reserved: Vec<String>,
    artifacts: Vec<Artifact>,
    runtimes: Vec<Arc<dyn Runtime>>,
    setups: Vec<Setup>,
    liveness: Liveness,
    engine: Option<Engine>,
    collectors: Collectors,
    spans: Option<Arc<dyn SpanSink>>,
    #[cfg(feature = "native")]
    worker: Option<WorkerCommand>,
    #[cfg(feature = "compile")]
    compiler: Option<CompilerCommand>,
}

/// A host could not be built.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// The configuration is refused.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The WebAssembly engine did not start.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The operating system gave no thread.
    #[error("cannot start a thread: {0}")]
    Thread(#[from] std::io::Error),
    /// `host.strict` is set, and a plugin or the configuration was refused.
    #[error("host.strict is set, and not everything can be loaded: {0}")]
    Strict(Refusal),
    /// The registry of [`Builder::collectors`] has a collector with a name of the host's.
    #[error(transparent)]
    Metrics(#[from] RegisterError),
}

impl Builder {
    /// Uses this configuration, which does not change.
    #[must_use]
    pub fn config(mut self, config: Config) -> Self {
        self.config = Some(ConfigLoader::Fixed(Arc::new(config)));
        self
    }

    /// Uses these configuration layers; their file is read again when it changes. If the file has a
    /// mistake now, the build fails, unless the layers [keep](Layers::keep_last) the configuration that
    /// was last in force.
    #[must_use]
    pub fn layers(mut self, layers: Layers) -> Self {
        self.config = Some(ConfigLoader::Layers(Box::new(ConfigFile::new(layers))));
        self
    }

    /// Serves the plugins in this folder, whatever the configuration says. Without a configuration, the
    /// compiled code is kept in `.cache` in this folder. A folder that does not exist is one of the
    /// [rejections](crate::Status::rejected), and is looked for again.
    #[must_use]
    pub fn plugins(mut self, folder: impl Into<PathBuf>) -> Self {
        self.folder = Some(folder.into());
        self
    }

    /// The source of the configuration.
    fn source(&mut self) -> ConfigLoader {
        let folder = self.folder.take();
        match (self.config.take(), folder) {
            (Some(source), None) => source,
            (None, None) => ConfigLoader::Fixed(Arc::default()),
            (None, Some(folder)) => {
                let mut config = Config::default();
                // A cache must not create the folder.
                config.host.cache =
                    if folder.is_dir() { folder.join(".cache") } else { PathBuf::new() };
                config.host.plugins = folder;
                ConfigLoader::Fixed(Arc::new(config))
            }
            (Some(ConfigLoader::Fixed(config)), Some(folder)) => {
                let mut config = Arc::unwrap_or_clone(config);
                config.host.plugins = folder;
                ConfigLoader::Fixed(Arc::new(config))
            }
            (Some(ConfigLoader::Layers(mut file)), Some(folder)) => {
                file.set_plugins(folder);
                ConfigLoader::Layers(file)
            }
        }
    }

    /// Whether the host watches for changes. If false, only [`Host::reload`] applies them. The
    /// default is true.
    #[must_use]
    pub fn watch(mut self, watch: bool) -> Self {
        self.no_watch = !watch;
        self
    }

    /// Names paths that the application serves itself, with parameters as in routes: a route that
    /// matches nothing else is one of the [`Status::warnings`](crate::Status::warnings).
    #[must_use]
    pub fn reserved(mut self, paths: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.reserved.extend(paths.into_iter().map(Into::into));
        self
    }

    /// Serves a plugin from these bytes; `name` identifies them in messages.
    #[must_use]
    pub fn artifact(mut self, name: impl Into<String>, bytes: impl Into<Arc<[u8]>>) -> Self {
        self.artifacts.push(Artifact::new(Source::Memory(name.into()), bytes));
        self
    }

    /// Adds a kind of WASM plugin that the application defines: a name, a WIT interface, and the trait
    /// that callers call. `examples/own_kind` is the same as a program.
    ///
    /// ```
    /// use std::sync::Arc;
    ///
    /// use plugbay::wasm::wasmtime::{self, component::TypedFunc};
    /// use plugbay::wasm::{Calls, Exports, WasmKind};
    /// use plugbay::{CallError, CallOptions, Context, Host, Kind};
    /// # use plugbay::Config;
    ///
    /// trait Greet: Send + Sync {
    ///     fn greet(&self, context: &Context<'_>, name: &str) -> Result<String, CallError>;
    /// }
    ///
    /// struct Greeter;
    ///
    /// impl Kind for Greeter {
    ///     const NAME: &'static str = "greeter";
    ///     type Call = dyn Greet;
    /// }
    ///
    /// // interface greeter { greet: func(capability: u32, name: string) -> string; }
    /// impl WasmKind for Greeter {
    ///     const INTERFACE: &'static str = "acme:greet/greeter@0.1.0";
    ///     type Guest = TypedFunc<(u32, String), (String,)>;
    ///
    ///     fn load(exports: &mut Exports<'_>) -> wasmtime::Result<Self::Guest> {
    ///         exports.function("greet")
    ///     }
    ///
    ///     fn provide(calls: Calls<Self>) -> Arc<dyn Greet> {
    ///         Arc::new(calls)
    ///     }
    /// }
    ///
    /// impl Greet for Calls<Greeter> {
    ///     fn greet(&self, context: &Context<'_>, name: &str) -> Result<String, CallError> {
    ///         let params = (self.capability(), name.to_owned());
    ///         self.call(context, |greet| greet, params, |(greeting,)| Ok(greeting))
    ///     }
    /// }
    ///
    /// # let mut config = Config::default();
    /// # config.host.linked = false;
    /// # config.host.cache = Default::default();
    /// # let wit = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/own_kind/greeter.wit"));
    /// # let wat = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/own_kind/guest.wat"));
    /// # let plugin = plugbay_fixtures::component(wit, "greeter-plugin", wat);
    /// let builder = Host::builder().config(config).watch(false).kind::<Greeter>();
    /// let host = builder.artifact("greeter", plugin).build_blocking()?;
    /// let greeter = host.get::<Greeter>("hello")?;
    /// let options = CallOptions::default();
    /// let hello = greeter.call(options, |greeter, context| greeter.greet(context, "Ada"))?;
    /// assert_eq!(hello, "Hello, Ada");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn kind<K: WasmKind>(self) -> Self {
        self.wasm(plugbay_wasm::Builder::kind::<K>)
    }

    /// Sets up the WASM runtime further: kinds, interfaces for plugins to import.
    ///
    /// A function of the host that plugins import gets their arguments, and the
    /// [`State`](crate::wasm::State) of the instance that calls, which says of which plugin it is, and for
    /// which request. It runs in the `tracing` span of the call. `examples/host_function` has a plugin that
    /// calls this one:
    ///
    /// ```
    /// use plugbay::Host;
    /// use plugbay::wasm::State;
    /// use plugbay::wasm::wasmtime::StoreContextMut;
    /// # use plugbay::Config;
    ///
    /// # let mut config = Config::default();
    /// # config.host.linked = false;
    /// # config.host.cache = Default::default();
    /// // interface audit { note: func(what: string); }
    /// let note = |store: StoreContextMut<'_, State>, (what,): (String,)| {
    ///     let plugin = store.data().plugin();
    ///     println!("{} {:?} notes {what}", plugin.name(), plugin.version());
    ///     Ok(())
    /// };
    /// let host = Host::builder()
    ///     .config(config)
    ///     .watch(false)
    ///     .wasm(move |wasm| {
    ///         wasm.import("acme:greet/audit@0.1.0", move |linker| {
    ///             linker.instance("acme:greet/audit@0.1.0")?.func_wrap("note", note)
    ///         })
    ///     })
    ///     .build_blocking()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn wasm(
        mut self,
        setup: impl FnOnce(plugbay_wasm::Builder) -> plugbay_wasm::Builder + Send + 'static,
    ) -> Self {
        self.setups.push(Box::new(setup));
        self
    }

    /// Uses an engine that other hosts of this process share, with its pool and its ticker.
    #[must_use]
    pub fn engine(mut self, engine: Engine) -> Self {
        self.engine = Some(engine);
        self
    }

    /// Adds the host's metrics to this registry, which the application also uses. One registry has one
    /// host.
    #[must_use]
    pub fn collectors(mut self, collectors: Collectors) -> Self {
        self.collectors = collectors;
        self
    }

    /// Records spans of reconciliations, and of the requests that [`Host::begin_span`] is called for, to this
    /// sink. Without one no span is made. See [`trace`](crate::trace).
    #[must_use]
    pub fn spans(mut self, sink: Arc<dyn SpanSink>) -> Self {
        self.spans = Some(sink);
        self
    }

    /// Names the program that serves as a worker process, for native plugins with `isolation =
    /// "process"`: usually [`WorkerCommand::this_program`], if `main` begins with
    /// [`serve_if_child`](crate::worker::serve_if_child).
    #[cfg(feature = "native")]
    #[must_use]
    pub fn worker(mut self, worker: WorkerCommand) -> Self {
        self.worker = Some(worker);
        self
    }

    /// Names the program that compiles components, each in a bounded process of its own: usually
    /// [`CompilerCommand::this_program`], if `main` begins with
    /// [`serve_if_child`](crate::worker::serve_if_child). Without it components are compiled in this
    /// process, and a malicious component can take any amount of time and memory to compile.
    #[cfg(feature = "compile")]
    #[must_use]
    pub fn compiler(mut self, compiler: CompilerCommand) -> Self {
        self.compiler = Some(compiler);
        self
    }

    /// Adds a runtime that the application defines. It comes before the built-in ones.
    #[must_use]
    pub fn runtime(mut self, runtime: Arc<dyn Runtime>) -> Self {
        self.runtimes.push(runtime);
        self
    }

    /// Whether the reconciler of this host makes progress, beginning now.
    #[must_use]
    pub fn liveness(&self) -> Liveness {
        self.liveness.clone()
    }

    /// Builds the host and publishes its first generation. Plugins that are refused do not
    /// fail the build, unless the configuration says `host.strict`.
    ///
    /// # Errors
    ///
    /// If the configuration is refused, or the host's threads, engine or cache cannot start.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, the host that is being built ends by itself.
    pub async fn build(self) -> Result<Host, BuildError> {
        let (done, built) = tokio::sync::oneshot::channel();
        std::thread::Builder::new().name("plugbay-build".into()).spawn(move || {
            // The receiver may be gone; the host is then dropped.
            let _ = done.send(self.build_blocking());
        })?;
        built.await.unwrap_or_else(|_panicked| {
            Err(BuildError::Thread(std::io::Error::other("the building thread panicked")))
        })
    }

    /// As [`Builder::build`], blocking the thread.
    ///
    /// # Errors
    ///
    /// As [`Builder::build`].
    pub fn build_blocking(mut self) -> Result<Host, BuildError> {
        let mut source = self.source();
        let config = match &mut source {
            ConfigLoader::Fixed(config) => Arc::clone(config),
            ConfigLoader::Layers(file) => Arc::new(file.start()?),
        };
        self.liveness.set_most(config.host.stall_timeout);
        self.liveness.step_begins();
        let tokio = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("plugbay-io")
            .enable_all()
            .build()?;
        let (background, tokio) = Background::new(tokio);
        let engine = self.engine.map_or_else(Engine::new, Ok)?;
        let mut wasm = WasmRuntime::builder(engine, tokio.clone());
        #[cfg(feature = "compile")]
        if let Some(compiler) = self.compiler {
            wasm = wasm.compiler(compiler);
        }
        if !config.host.cache.as_os_str().is_empty() {
            match AotCache::open(&config.host.cache) {
                Ok(cache) => wasm = wasm.cache(cache),
                // A cache only makes starts quicker, and not every user has a folder to write to.
                Err(error) => tracing::warn!(
                    "compiled code is not cached: {error}; set host.cache to a folder of this user, or to \"\" for none"
                ),
            }
        }
        #[cfg(feature = "state")]
        let states = state::of(&config);
        #[cfg(feature = "state")]
        {
            wasm = wasm.states(states.clone());
        }
        let wasm = self.setups.into_iter().fold(wasm, |wasm, setup| setup(wasm)).build()?;
        let mut runtimes = self.runtimes;
        runtimes.push(Arc::new(wasm));
        #[cfg(feature = "native")]
        let linked = native::add(&mut runtimes, &config, self.worker, &tokio);
        #[cfg(not(feature = "native"))]
        let linked = Vec::new();
        let runtimes: Runtimes = runtimes.into_iter().map(CatchPanic::of).collect();

        let cell = Arc::new(Swap::new(nothing(Arc::clone(&config))));
        let (signal, signals) = channel();
        let shared = HostState::new(
            cell,
            tokio.clone(),
            self.spans,
            signal.clone(),
            self.liveness,
            config.host.probes,
        );
        let stopped = {
            let shared = Arc::clone(&shared);
            move || shared.is_stopped()
        };
        let wake = signal.clone();
        let (journal, counts) = (shared.journal.clone(), Arc::clone(&shared.counts.preparations));
        let store = Store::new(Arc::clone(&runtimes), journal, counts, stopped, move || {
            wake.prepared();
        });
        // Set if the file is refused, and the configuration that was last in force is used.
        let refused = match (source.file(), source.refused()) {
            (Some(file), Some(error)) => {
                Some((Source::File(file.to_owned()).to_string(), error.to_string()))
            }
            _ => None,
        };
        let mut reconciler = Reconciler::new(
            Arc::clone(&shared),
            source,
            Arc::clone(&config),
            store,
            self.artifacts,
            linked,
        );
        reconciler.reserve(self.reserved);
        if !self.no_watch {
            reconciler.watch(signal.clone());
        }
        let first = reconciler.reconcile(Retry::None);
        if let Some((source, error)) = &refused {
            let message = error.lines().next().unwrap_or_default().to_owned();
            shared.journal.note_now(Outcome::LastConfig { source: source.clone(), message });
        }
        shared.journal.host_is_built();
        let file = refused.map(|(source, _)| source);
        check_strict(&config, &first, file.as_deref()).inspect_err(|_| reconciler.abandon())?;
        let collectors = self.collectors;
        collectors.register(HostCollector::NAME, HostCollector::of(&shared))?;
        #[cfg(feature = "state")]
        collectors.register(StateCollector::NAME, StateCollector::of(states))?;
        let (over, ended) = tokio::sync::oneshot::channel();
        let ended = Mutex::new(Some(ended));
        let control = Control { signal, runtimes, collectors, ended, _tokio: background };
        std::thread::Builder::new().name("plugbay-reconcile".into()).spawn(move || {
            // Dropped last, however the reconciler ends.
            let _over = over;
            reconciler.run(&signals);
        })?;
        Ok(Host { shared, control: Arc::new(control) })
    }
}

/// The empty set before the first generation.
fn nothing(config: Arc<Config>) -> PublishedSet {
    let generation = Arc::new(Generation {
        number: 0,
        published: SystemTime::now(),
        router: configured_routes(&config),
        base: Arc::clone(&config),
        config,
        plugins: Table::empty().called("plugin"),
        capabilities: Table::empty().called("capability"),
        users: Arc::new(Leased::new(())),
        counts: Arc::default(),
    });
    PublishedSet {
        services: GenerationServices::of(Arc::clone(&generation)),
        generation,
        rejected: Arc::from([]),
        absent: Arc::default(),
        pending_restart: Arc::from([]),
        pinned: None,
        history: Arc::from([]),
        overrides: Arc::default(),
    }
}

/// Fails the build of a strict host if the first reconciliation refused something, other than the file
/// in place of which the configuration serves that was last in force.
fn check_strict(config: &Config, first: &Report, replaced: Option<&str>) -> Result<(), BuildError> {
    match first.rejected.iter().find(|it| replaced != Some(&*it.source)) {
        Some(rejected) if config.host.strict => {
            let message = format!("{}: {}", rejected.source, rejected.message);
            Err(BuildError::Strict(Refusal {
                reason: rejected.reason,
                message,
                hint: rejected.hint.clone(),
            }))
        }
        _ => Ok(()),
    }
}
