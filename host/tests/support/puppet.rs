//! A runtime whose plugins, the puppets, do what the test's script says.
//!
//! An artifact is a line of text: `puppet NAME VERSION KIND:NAME…`. Each label `name@version` has a
//! script, which the test can change while the plugin runs.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use plugbay::runtime::{
    Artifact, CapabilityDescription, CodecCall, Direction, HandlerCall, HandlerFuture, PluginStats,
    RouteDescription, StartPlugin, WorkerStatus,
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
    /// The error of its start.
    pub(crate) start_error: Option<String>,
    /// Whether calls of a handler never end.
    pub(crate) hangs: bool,
    /// The function that does not return until the script changes: `start`, `health`, `shutdown`,
    /// `free`.
    pub(crate) stuck_in: Option<&'static str>,
    /// How long a health check takes.
    pub(crate) health_takes: Duration,
    /// The state of its worker process, if it has one.
    pub(crate) worker: Option<&'static str>,
    /// The status of a handler's answers; 0 is 200.
    pub(crate) status: u16,
}

#[derive(Default)]
struct Shared {
    scripts: Mutex<HashMap<String, Script>>,
    calls: Mutex<BTreeMap<String, Arc<AtomicU64>>>,
    /// `prepare NAME VERSION`, `start LABEL`, `stop LABEL`, `gone LABEL` and `free LABEL`, in
    /// order, and `try LABEL` for a start that does not end.
    log: Mutex<Vec<String>>,
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

impl Runtime for Puppets {
    fn name(&self) -> &'static str {
        "puppet"
    }

    fn recognises(&self, artifact: &Artifact) -> bool {
        artifact.bytes.starts_with(b"puppet ")
    }

    fn is_whole(&self, _: &Artifact) -> bool {
        true
    }

    fn prepare(&self, artifact: &Artifact) -> Result<Arc<dyn Prepared>, Refusal> {
        let text = String::from_utf8(artifact.bytes.to_vec()).unwrap();
        let name: Vec<&str> = text.split_whitespace().skip(1).take(2).collect();
        lock(&self.0.log).push(format!("prepare {}", name.join(" ")));
        Ok(Arc::new(PreparedPuppet { shared: Arc::clone(&self.0), text }))
    }
}

struct PreparedPuppet {
    shared: Arc<Shared>,
    text: String,
}

impl Prepared for PreparedPuppet {
    fn describe(&self, _: Isolation) -> Result<Description, Refusal> {
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

    fn imports(&self) -> &[String] {
        &[]
    }

    fn exports(&self) -> &[String] {
        &[]
    }

    fn code_size(&self) -> u64 {
        0
    }

    fn start(&self, start: StartPlugin) -> Result<Arc<dyn Plugin>, Refusal> {
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
        lock(&self.shared.scripts).get(&self.label).cloned().unwrap_or_default()
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
        let kind = &self.description.capabilities.get(capability as usize)?.kind;
        match kind.as_str() {
            "codec" => Some(Provider::new::<Codec>(Arc::new(self.clone()))),
            "handler" => Some(Provider::new::<Handler>(Arc::new(self.clone()))),
            _ => None,
        }
    }

    fn calls_others(&self) -> bool {
        false
    }

    fn health(&self, _within: Duration) -> Result<(), CallError> {
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
        *lock(&self.shared.retries).entry(self.label.clone()).or_default() += 1;
    }

    fn shutdown(&self) {
        self.log("stop");
        self.block_while_stuck("shutdown");
        self.log("gone");
    }

    fn stats(&self) -> PluginStats {
        let worker =
            |state: &'static str| WorkerStatus { state: state.into(), ..WorkerStatus::default() };
        PluginStats { worker: self.script().worker.map(worker), ..PluginStats::default() }
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
