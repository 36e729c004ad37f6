//! A runtime whose plugins, the puppets, do what the test's script says.
//!
//! An artifact is a line of text: `puppet NAME VERSION KIND:NAME…`. Each label `name@version` has a
//! script, which the test can change while the plugin runs.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use plugbay::runtime::{
    Artifact, CapabilityDescription, CodecCall, Direction, GuestMetric, HandlerCall, HandlerFuture,
    PluginStats, RouteDescription, StartPlugin, WorkerStatus,
};
use plugbay::{
    CallError, CallErrorKind, Codec, Context, Description, Handler, Isolation, Plugin, Prepared,
    Provider, Reason, Refusal, Request, Response, Runtime,
};

use super::Bytes;

/// An artifact of the plugin `name` in `version`, which offers these capabilities.
pub(crate) fn puppet(name: &str, version: &str, offers: &[&str]) -> Bytes {
    Bytes(format!("puppet {name} {version} {}", offers.join(" ")).into_bytes())
}

/// The behavior of one version.
#[derive(Clone, Debug, Default)]
pub(crate) struct Script {
    /// The kind of error of its calls. Without one, calls are answered with the label.
    pub(crate) fails: Option<CallErrorKind>,
    /// One call in this many fails; 0 and 1 mean each.
    pub(crate) one_in: u64,
    /// How long a call takes.
    pub(crate) call_takes: Duration,
    /// The error of its health checks.
    pub(crate) unhealthy: Option<String>,
    /// The error of its description.
    pub(crate) describe_error: Option<String>,
    /// The error of its start.
    pub(crate) start_error: Option<String>,
    /// Whether calls of a handler never end.
    pub(crate) hangs: bool,
    /// The function that does not return until the script changes: `start`, `health`, `shutdown`,
    /// `free`.
    pub(crate) stuck_in: Option<&'static str>,
    /// The function that panics.
    pub(crate) panics_in: Option<&'static str>,
    /// How long it takes to prepare the artifact.
    pub(crate) prepare_takes: Duration,
    /// How long a health check takes.
    pub(crate) health_takes: Duration,
    /// The state of its worker process, if it has one.
    pub(crate) worker: Option<&'static str>,
    /// The status of a handler's answers; 0 is 200.
    pub(crate) status: u16,
    /// The name of a gauge that it reports.
    pub(crate) gauge: Option<&'static str>,
}

/// What a call does before it is answered.
type Hook = Arc<dyn Fn() + Send + Sync>;

#[derive(Default)]
struct Shared {
    hooks: Mutex<HashMap<String, Hook>>,
    scripts: Mutex<HashMap<String, Script>>,
    calls: Mutex<BTreeMap<String, Arc<AtomicU64>>>,
    /// `prepare NAME VERSION`, `start LABEL`, `stop LABEL`, `gone LABEL` and `free LABEL`, in
    /// order, and `try LABEL` for a start that does not end.
    log: Mutex<Vec<String>>,
    /// Whether `recognises` panics at components.
    panics_at_components: AtomicBool,
    /// How often each plugin was asked to retry, by its label.
    retries: Mutex<HashMap<String, usize>>,
    /// The number of health checks that run now, and the maximum so far.
    health_checks: Mutex<(usize, usize)>,
}

/// The runtime, and the handle of the test.
#[derive(Clone, Default)]
pub(crate) struct Puppets(Arc<Shared>);

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Puppets {
    /// Sets the script of `name@version`, now and for every later start.
    pub(crate) fn script(&self, label: &str, script: Script) {
        lock(&self.0.scripts).insert(label.to_owned(), script);
    }

    /// Lets each call of `name@version` do this before it is answered.
    pub(crate) fn on_call(&self, label: &str, hook: impl Fn() + Send + Sync + 'static) {
        lock(&self.0.hooks).insert(label.to_owned(), Arc::new(hook));
    }

    /// Lets `recognises` panic at components from now on.
    pub(crate) fn panic_at_components(&self) {
        self.0.panics_at_components.store(true, Ordering::SeqCst);
    }

    /// How many calls reached `name@version`.
    pub(crate) fn calls(&self, label: &str) -> u64 {
        lock(&self.0.calls).get(label).map_or(0, |calls| calls.load(Ordering::SeqCst))
    }

    /// The starts and stops so far.
    pub(crate) fn log(&self) -> Vec<String> {
        lock(&self.0.log).clone()
    }

    /// How often this plugin was asked to retry.
    pub(crate) fn retries(&self, label: &str) -> usize {
        lock(&self.0.retries).get(label).copied().unwrap_or_default()
    }

    /// The maximum number of health checks at the same time.
    pub(crate) fn max_health_checks(&self) -> usize {
        lock(&self.0.health_checks).1
    }

    /// How often `name@version` was started.
    pub(crate) fn starts(&self, label: &str) -> usize {
        let started = format!("start {label}");
        self.log().iter().filter(|line| **line == started).count()
    }
}

impl Shared {
    fn script(&self, label: &str) -> Script {
        lock(&self.scripts).get(label).cloned().unwrap_or_default()
    }

    /// Panics if the script says that this function does.
    fn run_into(&self, label: &str, function: &str) {
        assert!(self.script(label).panics_in != Some(function), "a bug in {label}");
    }
}

/// The label of the puppet of an artifact's text.
fn label_of(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().skip(1).take(2).collect();
    words.join("@")
}

impl Runtime for Puppets {
    fn name(&self) -> &'static str {
        "puppet"
    }

    fn recognises(&self, artifact: &Artifact) -> bool {
        let is_puppet = artifact.bytes.starts_with(b"puppet ");
        let is_component = artifact.bytes.starts_with(b"\0asm");
        let at_components = self.0.panics_at_components.load(Ordering::SeqCst);
        assert!(!(is_component && at_components), "a bug in the runtime");
        if is_puppet {
            let label = label_of(&String::from_utf8_lossy(&artifact.bytes));
            self.0.run_into(&label, "recognises");
        }
        is_puppet
    }

    fn is_whole(&self, artifact: &Artifact) -> bool {
        self.0.run_into(&label_of(&String::from_utf8_lossy(&artifact.bytes)), "is_whole");
        true
    }

    fn prepare(&self, artifact: &Artifact) -> Result<Arc<dyn Prepared>, Refusal> {
        let text = String::from_utf8(artifact.bytes.to_vec()).unwrap();
        let label = label_of(&text);
        self.0.run_into(&label, "prepare");
        let takes = self.0.script(&label).prepare_takes;
        if !takes.is_zero() {
            #[expect(clippy::disallowed_methods, reason = "simulates slow code")]
            std::thread::sleep(takes);
        }
        lock(&self.0.log).push(format!("prepare {}", label.replace('@', " ")));
        Ok(Arc::new(PreparedPuppet { shared: Arc::clone(&self.0), text }))
    }
}

struct PreparedPuppet {
    shared: Arc<Shared>,
    text: String,
}

impl PreparedPuppet {
    fn run_into(&self, function: &str) {
        self.shared.run_into(&label_of(&self.text), function);
    }
}

impl Prepared for PreparedPuppet {
    fn describe(&self, _: Isolation) -> Result<Description, Refusal> {
        self.run_into("describe");
        if let Some(message) = self.shared.script(&label_of(&self.text)).describe_error {
            return Err(Refusal::new(Reason::Describe, message));
        }
        let mut words = self.text.split_whitespace().skip(1);
        let (name, version) = (words.next().unwrap(), words.next().unwrap());
        let capabilities = words.map(|offer| {
            let (kind, name) = offer.split_once(':').unwrap();
            let route = RouteDescription { methods: Vec::new(), path: format!("/{name}") };
            CapabilityDescription {
                kind: kind.to_owned(),
                name: name.to_owned(),
                description: String::new(),
                media_types: Vec::new(),
                routes: if kind == "handler" { vec![route] } else { Vec::new() },
                nonblocking: false,
            }
        });
        Ok(Description {
            name: name.to_owned(),
            version: version.parse().unwrap(),
            description: String::new(),
            capabilities: capabilities.collect(),
            config_schema: Some(serde_json::json!({ "type": "object" })),
        })
    }

    fn is_native(&self) -> bool {
        self.run_into("is_native");
        false
    }

    fn imports(&self) -> &[String] {
        self.run_into("imports");
        &[]
    }

    fn exports(&self) -> &[String] {
        self.run_into("exports");
        &[]
    }

    fn code_size(&self) -> u64 {
        self.run_into("code_size");
        0
    }

    fn start(&self, start: StartPlugin) -> Result<Arc<dyn Plugin>, Refusal> {
        self.run_into("start");
        let label = start.identity.label().to_string();
        let puppet = RunningPuppet {
            calls: Arc::clone(lock(&self.shared.calls).entry(label.clone()).or_default()),
            description: Arc::clone(&start.description),
            instance: Arc::new(Instance { shared: Arc::clone(&self.shared), label }),
        };
        if puppet.script().stuck_in == Some("start") {
            puppet.log("try");
            puppet.block_while_stuck("start");
        }
        if let Some(message) = puppet.script().start_error {
            return Err(Refusal::new(Reason::Init, message));
        }
        puppet.log("start");
        Ok(Arc::new(puppet))
    }
}

#[derive(Clone)]
struct RunningPuppet {
    calls: Arc<AtomicU64>,
    description: Arc<Description>,
    instance: Arc<Instance>,
}

impl std::ops::Deref for RunningPuppet {
    type Target = Instance;

    fn deref(&self) -> &Instance {
        &self.instance
    }
}

/// Freed with the last handle of a started plugin.
struct Instance {
    shared: Arc<Shared>,
    label: String,
}

impl Drop for Instance {
    fn drop(&mut self) {
        self.log("free");
        self.block_while_stuck("free");
    }
}

impl Instance {
    fn script(&self) -> Script {
        self.shared.script(&self.label)
    }

    fn run_into(&self, function: &str) {
        self.shared.run_into(&self.label, function);
    }

    fn log(&self, what: &str) {
        lock(&self.shared.log).push(format!("{what} {}", self.label));
    }

    /// Blocks while the script says that this function is stuck.
    fn block_while_stuck(&self, here: &str) {
        while self.script().stuck_in == Some(here) {
            std::thread::park_timeout(Duration::from_millis(1));
        }
    }
}

impl RunningPuppet {
    fn answer(&self) -> Result<Vec<u8>, CallError> {
        let (script, call) = (self.script(), self.calls.fetch_add(1, Ordering::SeqCst));
        if !script.call_takes.is_zero() {
            #[expect(clippy::disallowed_methods, reason = "simulates slow code")]
            std::thread::sleep(script.call_takes);
        }
        let hook = lock(&self.shared.hooks).get(&self.label).cloned();
        if let Some(hook) = hook {
            hook();
        }
        match script.fails {
            Some(kind) if call.is_multiple_of(script.one_in.max(1)) => {
                Err(CallError::new(kind, "failed by the script").of(&self.label.as_str().into()))
            }
            _ => Ok(self.label.clone().into_bytes()),
        }
    }
}

impl Plugin for RunningPuppet {
    fn provide(&self, capability: u32) -> Option<Provider> {
        self.run_into("provide");
        let kind = &self.description.capabilities.get(capability as usize)?.kind;
        match kind.as_str() {
            "codec" => Some(Provider::new::<Codec>(Arc::new(self.clone()))),
            "handler" => Some(Provider::new::<Handler>(Arc::new(self.clone()))),
            _ => None,
        }
    }

    fn calls_others(&self) -> bool {
        self.run_into("calls_others");
        false
    }

    fn health(&self, _within: Duration) -> Result<(), CallError> {
        self.run_into("health");
        {
            let mut checks = lock(&self.shared.health_checks);
            checks.0 += 1;
            checks.1 = checks.1.max(checks.0);
        }
        let script = self.script();
        if !script.health_takes.is_zero() {
            #[expect(clippy::disallowed_methods, reason = "simulates slow code")]
            std::thread::sleep(script.health_takes);
        }
        self.block_while_stuck("health");
        lock(&self.shared.health_checks).0 -= 1;
        match self.script().unhealthy {
            Some(message) => Err(CallError::new(CallErrorKind::Internal, message)),
            None => Ok(()),
        }
    }

    fn retry(&self) {
        self.run_into("retry");
        *lock(&self.shared.retries).entry(self.label.clone()).or_default() += 1;
    }

    fn shutdown(&self) {
        self.run_into("shutdown");
        self.log("stop");
        self.block_while_stuck("shutdown");
        self.log("gone");
    }

    fn stats(&self) -> PluginStats {
        self.run_into("stats");
        let worker =
            |state: &'static str| WorkerStatus { state: state.into(), ..WorkerStatus::default() };
        let calls = self.calls.load(Ordering::SeqCst);
        let counter = GuestMetric::counter("calls", calls);
        // A blank help must cost no series.
        let gauge =
            |name: &str| GuestMetric { help: " ".to_owned(), ..GuestMetric::gauge(name, 1.5) };
        PluginStats {
            metrics: std::iter::once(counter).chain(self.script().gauge.map(gauge)).collect(),
            worker: self.script().worker.map(worker),
            ..PluginStats::default()
        }
    }
}

impl CodecCall for RunningPuppet {
    fn convert(&self, _: &Context<'_>, _: Direction, _: &[u8]) -> Result<Vec<u8>, CallError> {
        self.answer()
    }
}

impl HandlerCall for RunningPuppet {
    fn handle<'a>(&'a self, _: Context<'a>, _: Request) -> HandlerFuture<'a> {
        Box::pin(async move {
            if self.script().hangs {
                self.calls.fetch_add(1, Ordering::SeqCst);
                std::future::pending::<()>().await;
            }
            let body = self.answer()?;
            let status = Some(self.script().status).filter(|status| *status != 0).unwrap_or(200);
            Ok(Response { status, headers: Vec::new(), body })
        })
    }
}
