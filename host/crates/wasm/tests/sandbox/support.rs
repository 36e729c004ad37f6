//! A started plugin, with its observer and its log lines.

use std::fmt::Debug;
use std::path::Path;
use std::sync::{Arc, LazyLock, Mutex, Once, PoisonError};
use std::time::{Duration, Instant};

use plugbay_core::codec::{Codec, CodecCall};
use plugbay_core::handler::{Handler, HandlerCall, Request};
use plugbay_core::{
    Artifact, CallError, Context, Grants, Identity, Isolation, Kind, NoServices, Notice, Observer,
    Plugin, PluginStats, Policy, Refusal, Runtime, Services, Source, StartPlugin,
};
use plugbay_fixtures::Guest;
use plugbay_toolchain::{Build, Toolchain};
use plugbay_wasm::{AotCache, Engine, Resolve, WasmRuntime};
use tokio::runtime::Handle;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

/// How long [`until`] waits, on a busy machine.
const TIMEOUT: Duration = Duration::from_secs(60);

static TOKIO: LazyLock<tokio::runtime::Runtime> = LazyLock::new(|| {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
});

static ENGINE: LazyLock<Engine> = LazyLock::new(|| Engine::new().unwrap());

/// The cache of compiled code, shared with the other tests, each of which may be a process.
fn cache() -> AotCache {
    AotCache::open(&Path::new(env!("CARGO_TARGET_TMPDIR")).join("sandbox-cache")).unwrap()
}

/// The guest in `tests/probe`, built once.
static PROBE: LazyLock<Vec<u8>> = LazyLock::new(|| built("probe"));

/// The guest in `tests/pure`, built once.
static PURE: LazyLock<Vec<u8>> = LazyLock::new(|| built("pure"));

/// Builds the guest in this folder of `tests`.
fn built(guest: &str) -> Vec<u8> {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(guest);
    let manifest = manifest.join("Cargo.toml");
    let toolchain = Toolchain::find().unwrap_or_else(|error| panic!("{error}"));
    let mut build = Build::new(manifest);
    build.target_dir = Some(Path::new(env!("CARGO_TARGET_TMPDIR")).join(guest));
    let components = build.run(&toolchain).unwrap_or_else(|error| panic!("{error}"));
    std::fs::read(&components[0].path_to_component).unwrap()
}

pub(crate) fn tokio() -> &'static Handle {
    TOKIO.handle()
}

/// Blocks until the future is ready.
pub(crate) fn wait<T>(future: impl Future<Output = T>) -> T {
    TOKIO.block_on(future)
}

/// Blocks until `done` returns true; fails after a minute.
#[track_caller]
pub(crate) fn until(what: &str, mut done: impl FnMut() -> bool) {
    let end = Instant::now() + TIMEOUT;
    while !done() {
        assert!(Instant::now() < end, "{what}: not within {TIMEOUT:?}");
        std::thread::park_timeout(Duration::from_millis(1));
    }
}

static NO_SERVICES: LazyLock<Arc<dyn Services>> = LazyLock::new(|| Arc::new(NoServices));

#[derive(Default)]
struct Notices(Mutex<Vec<Notice>>);

impl Observer for Notices {
    fn notice(&self, plugin: &str, notice: Notice) {
        assert!(plugin.ends_with("@1.0.0"), "{plugin}");
        self.0.lock().unwrap().push(notice);
    }
}

/// A started plugin.
pub(crate) struct TestPlugin {
    pub(crate) inner: Arc<dyn Plugin>,
    notices: Arc<Notices>,
}

/// Starts a component. Each test uses a name of its own, by which [`lines`] finds the log lines.
pub(crate) fn try_start(
    name: &str,
    component: Vec<u8>,
    policy: Policy,
    resolver: Option<Arc<dyn Resolve>>,
) -> Result<TestPlugin, Refusal> {
    collect_logs();
    let mut runtime = WasmRuntime::builder(ENGINE.clone(), tokio().clone()).cache(cache());
    if let Some(resolver) = resolver {
        runtime = runtime.resolver(resolver);
    }
    let runtime = runtime.build().unwrap();
    let artifact = Artifact::new(Source::Memory(format!("{name}.wasm")), component);
    let prepared = runtime.prepare(&artifact)?;
    let description = prepared.describe(Isolation::Refuse)?;
    let notices = Arc::new(Notices::default());
    let inner = prepared.start(StartPlugin {
        identity: Identity::new(name, &description.version),
        description: Arc::new(description),
        config: serde_json::json!({}),
        policy,
        observer: Arc::clone(&notices) as Arc<dyn Observer>,
    })?;
    Ok(TestPlugin { inner, notices })
}

/// Starts a fixture.
pub(crate) fn start(guest: &Guest, name: &str, policy: Policy) -> TestPlugin {
    try_start(name, guest.build(), policy, None).unwrap_or_else(|error| panic!("{error}"))
}

/// Starts the probe with these grants.
pub(crate) fn probe(name: &str, grants: Grants) -> TestPlugin {
    probe_under(name, Policy { grants, ..Policy::default() })
}

pub(crate) fn probe_under(name: &str, policy: Policy) -> TestPlugin {
    try_start(name, PROBE.clone(), policy, None).unwrap_or_else(|error| panic!("{error}"))
}

/// As [`probe_under`], with names looked up by `resolver`.
pub(crate) fn probe_with(name: &str, policy: Policy, resolver: impl Resolve) -> TestPlugin {
    try_start(name, PROBE.clone(), policy, Some(Arc::new(resolver)))
        .unwrap_or_else(|error| panic!("{error}"))
}

/// Starts the component without WASI, with these grants.
pub(crate) fn pure(name: &str, grants: Grants) -> TestPlugin {
    let policy = Policy { grants, ..Policy::default() };
    try_start(name, PURE.clone(), policy, None).unwrap_or_else(|error| panic!("{error}"))
}

pub(crate) fn probe_component() -> Vec<u8> {
    PROBE.clone()
}

impl TestPlugin {
    fn call<K: Kind>(&self, capability: u32) -> Arc<K::Call> {
        self.inner.provide(capability).unwrap().get::<K>().unwrap().clone()
    }

    pub(crate) fn codec(&self) -> Arc<dyn CodecCall> {
        self.call::<Codec>(0)
    }

    /// Decodes bytes with the probe's codec, its second capability.
    pub(crate) fn decode(&self, bytes: &[u8]) -> Result<Vec<u8>, CallError> {
        self.call::<Codec>(1).decode(&Context::new(&NO_SERVICES), bytes)
    }

    pub(crate) fn handler(&self) -> Arc<dyn HandlerCall> {
        self.call::<Handler>(0)
    }

    pub(crate) fn encode(&self) -> Result<Vec<u8>, CallError> {
        self.codec().encode(&Context::new(&NO_SERVICES), b"in")
    }

    /// Sends the plugin a request with this body, and returns the body of the answer.
    pub(crate) async fn ask(&self, body: &str) -> Result<String, CallError> {
        let request = Request { method: "POST".into(), body: body.into(), ..Request::default() };
        let answer = self.handler().handle(Context::new(&NO_SERVICES), request).await?;
        Ok(String::from_utf8(answer.body).unwrap())
    }

    /// Sends a command to the probe, and returns its result.
    #[track_caller]
    pub(crate) fn attempt(&self, line: &str) -> String {
        wait(self.ask(line)).unwrap_or_else(|error| panic!("{line}: {error}"))
    }

    pub(crate) fn stats(&self) -> PluginStats {
        self.inner.stats()
    }

    pub(crate) fn denied(&self, grant: &str) -> u64 {
        self.stats().denied.get(grant).copied().unwrap_or(0)
    }

    pub(crate) fn notices(&self) -> Vec<Notice> {
        self.notices.0.lock().unwrap().clone()
    }

    /// The denied uses of this grant that were reported to the observer.
    pub(crate) fn denied_uses(&self, wanted: plugbay_core::Grant) -> Vec<String> {
        let tried = |notice| match notice {
            Notice::Denied { grant, tried, .. } if grant == wanted => Some(tried),
            _ => None,
        };
        self.notices().into_iter().filter_map(tried).collect()
    }
}

/// A log line of a plugin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) plugin: String,
    pub(crate) level: tracing::Level,
    pub(crate) text: String,
}

static LINES: Mutex<Vec<Line>> = Mutex::new(Vec::new());

fn collect_logs() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| tracing::subscriber::set_global_default(Collector).unwrap());
}

/// The log lines of the plugin `name`.
pub(crate) fn lines(name: &str) -> Vec<(tracing::Level, String)> {
    lines_labelled(&format!("{name}@1.0.0"))
}

/// The log lines with this label.
pub(crate) fn lines_labelled(label: &str) -> Vec<(tracing::Level, String)> {
    let lines = LINES.lock().unwrap_or_else(PoisonError::into_inner);
    let own = lines.iter().filter(|line| line.plugin == label);
    own.map(|line| (line.level, line.text.clone())).collect()
}

struct Collector;

impl Subscriber for Collector {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("plugbay::plugin")
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
        match field.name() {
            "plugin" => value.clone_into(&mut self.plugin),
            // After the name.
            "version" => self.plugin.extend(["@", value]),
            _ => {}
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        if field.name() == "message" {
            self.text = format!("{value:?}");
        }
    }
}
