//! A started plugin, its observer, and what it logs.

use std::fmt::Debug;
use std::path::Path;
use std::sync::{Arc, LazyLock, Mutex, Once, PoisonError};
use std::time::{Duration, Instant};

use plugbay_core::codec::{Codec, CodecCall, Direction};
use plugbay_core::handler::{Handler, HandlerCall, Request};
use plugbay_core::{
    Artifact, CallError, CodecInfo, Context, Grants, Identity, Isolation, Kind, Notice, Observer,
    Plugin, PluginStats, Policy, Refusal, Runtime, Services, Source, StartPlugin,
};
use plugbay_fixtures::Guest;
use plugbay_toolchain::{Build, Toolchain};
use plugbay_wasm::{AotCache, Engine, Resolve, WasmRuntime};
use tokio::runtime::Handle;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

/// How long a thing that must come true may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

static TOKIO: LazyLock<tokio::runtime::Runtime> = LazyLock::new(|| {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
});

static ENGINE: LazyLock<Engine> = LazyLock::new(|| Engine::new().unwrap());

/// Compiled code, kept for the other tests, each of which may be a process.
fn cache() -> AotCache {
    AotCache::open(&Path::new(env!("CARGO_TARGET_TMPDIR")).join("sandbox-cache")).unwrap()
}

/// The guest in `tests/probe`, built once.
static PROBE: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/probe/Cargo.toml");
    let toolchain = Toolchain::find().unwrap_or_else(|error| panic!("{error}"));
    let mut build = Build::new(manifest);
    build.target_dir = Some(Path::new(env!("CARGO_TARGET_TMPDIR")).join("probe"));
    let built = build.run(&toolchain).unwrap_or_else(|error| panic!("{error}"));
    std::fs::read(&built[0].path_to_component).unwrap()
});

pub(crate) fn tokio() -> &'static Handle {
    TOKIO.handle()
}

/// What a future comes to.
pub(crate) fn wait<T>(future: impl Future<Output = T>) -> T {
    TOKIO.block_on(future)
}

/// Blocks until `done`, and gives way in between.
#[track_caller]
pub(crate) fn until(what: &str, mut done: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !done() {
        assert!(Instant::now() < end, "{what}: not within {PATIENCE:?}");
        std::thread::park_timeout(Duration::from_millis(1));
    }
}

/// A host without other codecs.
struct Alone;

impl Services for Alone {
    fn codecs(&self) -> Vec<CodecInfo> {
        Vec::new()
    }

    fn convert(
        &self,
        _: &Context<'_>,
        name: &str,
        _: Direction,
        _: &[u8],
    ) -> Result<Vec<u8>, CallError> {
        Err(CallError::new(plugbay_core::CallErrorKind::Unsupported, name.to_owned()))
    }
}

static ALONE: LazyLock<Arc<dyn Services>> = LazyLock::new(|| Arc::new(Alone));

#[derive(Default)]
struct Notices(Mutex<Vec<Notice>>);

impl Observer for Notices {
    fn notice(&self, plugin: &str, notice: Notice) {
        assert!(plugin.ends_with("@1.0.0"), "{plugin}");
        self.0.lock().unwrap().push(notice);
    }
}

/// A plugin that runs.
pub(crate) struct Site {
    pub(crate) plugin: Arc<dyn Plugin>,
    notices: Arc<Notices>,
}

/// Starts a component. Its name is unique to the test, so that its lines are.
pub(crate) fn try_start(
    name: &str,
    component: Vec<u8>,
    policy: Policy,
    resolver: Option<Arc<dyn Resolve>>,
) -> Result<Site, Refusal> {
    listen();
    let mut runtime = WasmRuntime::builder(ENGINE.clone(), tokio().clone()).cache(cache());
    if let Some(resolver) = resolver {
        runtime = runtime.resolver(resolver);
    }
    let runtime = runtime.build().unwrap();
    let artifact = Artifact::new(Source::Memory("test.wasm".into()), component);
    let prepared = runtime.prepare(&artifact)?;
    let description = prepared.describe(Isolation::Refuse)?;
    let notices = Arc::new(Notices::default());
    let plugin = prepared.start(StartPlugin {
        identity: Identity::new(name, &description.version),
        description: Arc::new(description),
        config: serde_json::json!({}),
        policy,
        observer: Arc::clone(&notices) as Arc<dyn Observer>,
    })?;
    Ok(Site { plugin, notices })
}

/// Starts a fixture.
pub(crate) fn start(guest: &Guest, name: &str, policy: Policy) -> Site {
    try_start(name, guest.build(), policy, None).unwrap_or_else(|error| panic!("{error}"))
}

/// Starts the probe with these grants.
pub(crate) fn probe(name: &str, grants: Grants) -> Site {
    probe_under(name, Policy { grants, ..Policy::default() })
}

pub(crate) fn probe_under(name: &str, policy: Policy) -> Site {
    try_start(name, PROBE.clone(), policy, None).unwrap_or_else(|error| panic!("{error}"))
}

/// As [`probe_under`], and names are looked up by `resolver`.
pub(crate) fn probe_with(name: &str, policy: Policy, resolver: impl Resolve) -> Site {
    try_start(name, PROBE.clone(), policy, Some(Arc::new(resolver)))
        .unwrap_or_else(|error| panic!("{error}"))
}

pub(crate) fn probe_component() -> Vec<u8> {
    PROBE.clone()
}

impl Site {
    fn call<K: Kind>(&self, capability: u32) -> Arc<K::Call> {
        self.plugin.provide(capability).unwrap().get::<K>().unwrap().clone()
    }

    pub(crate) fn codec(&self) -> Arc<dyn CodecCall> {
        self.call::<Codec>(0)
    }

    /// What the probe's codec, its second capability, reads from these bytes.
    pub(crate) fn decode(&self, bytes: &[u8]) -> Result<Vec<u8>, CallError> {
        self.call::<Codec>(1).decode(&Context::new(&ALONE), bytes)
    }

    pub(crate) fn handler(&self) -> Arc<dyn HandlerCall> {
        self.call::<Handler>(0)
    }

    pub(crate) fn encode(&self) -> Result<Vec<u8>, CallError> {
        self.codec().encode(&Context::new(&ALONE), b"in")
    }

    /// What the plugin answers to a request with this body.
    pub(crate) async fn ask(&self, body: &str) -> Result<String, CallError> {
        let request = Request { method: "POST".into(), body: body.into(), ..Request::default() };
        let answer = self.handler().handle(Context::new(&ALONE), request).await?;
        Ok(String::from_utf8(answer.body).unwrap())
    }

    /// What the probe found.
    #[track_caller]
    pub(crate) fn attempt(&self, line: &str) -> String {
        wait(self.ask(line)).unwrap_or_else(|error| panic!("{line}: {error}"))
    }

    pub(crate) fn stats(&self) -> PluginStats {
        self.plugin.stats()
    }

    pub(crate) fn denied(&self, grant: &str) -> u64 {
        self.stats().denied.get(grant).copied().unwrap_or(0)
    }

    pub(crate) fn notices(&self) -> Vec<Notice> {
        self.notices.0.lock().unwrap().clone()
    }

    /// What the plugin was told off for, with this grant, as the observer heard it.
    pub(crate) fn told(&self, wanted: plugbay_core::Grant) -> Vec<String> {
        let tried = |notice| match notice {
            Notice::Denied { grant, tried, .. } if grant == wanted => Some(tried),
            _ => None,
        };
        self.notices().into_iter().filter_map(tried).collect()
    }
}

/// A line of a plugin's log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) plugin: String,
    pub(crate) level: tracing::Level,
    pub(crate) text: String,
}

static LINES: Mutex<Vec<Line>> = Mutex::new(Vec::new());

fn listen() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| tracing::subscriber::set_global_default(Collector).unwrap());
}

/// What the plugin called `name` has logged.
pub(crate) fn lines(name: &str) -> Vec<(tracing::Level, String)> {
    let lines = LINES.lock().unwrap_or_else(PoisonError::into_inner);
    let own = lines.iter().filter(|line| line.plugin == format!("{name}@1.0.0"));
    own.map(|line| (line.level, line.text.clone())).collect()
}

struct Collector;

impl Subscriber for Collector {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == "plugbay::plugin"
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let level = *event.metadata().level();
        let mut line = Line { plugin: String::new(), level, text: String::new() };
        event.record(&mut line);
        LINES.lock().unwrap_or_else(PoisonError::into_inner).push(line);
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

impl Visit for Line {
    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "plugin" {
            value.clone_into(&mut self.plugin);
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        if field.name() == "message" {
            self.text = format!("{value:?}");
        }
    }
}
