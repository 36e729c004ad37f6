//! A runtime whose plugins do what the test says, at once.
//!
//! An artifact is a line of text: `puppet NAME VERSION KIND:NAME…`. Every started version has
//! a mood, which the test may change while it runs; all versions of a plugin that were started
//! under one label share it.

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

/// An artifact of the plugin `name` in `version`, which offers these.
pub(crate) fn puppet(name: &str, version: &str, offers: &[&str]) -> Bytes {
    Bytes(format!("puppet {name} {version} {}", offers.join(" ")).into_bytes())
}

/// What one version does.
#[derive(Clone, Debug, Default)]
pub(crate) struct Mood {
    /// What calls come to; nothing means that they are answered with the label.
    pub(crate) fails: Option<CallErrorKind>,
    /// One call in so many fails so; 0 and 1 mean each.
    pub(crate) one_in: u64,
    /// How long an answer takes.
    pub(crate) takes: Duration,
    /// What it says when it is asked for its health.
    pub(crate) sick: Option<String>,
    /// Why it does not start.
    pub(crate) wont_start: Option<String>,
    /// Whether calls of a handler never end.
    pub(crate) hangs: bool,
    /// What does not end until the mood is another: `start`, `health`, `shutdown`, `free`.
    pub(crate) stuck_in: Option<&'static str>,
    /// How long it takes to say how it is.
    pub(crate) ponders: Duration,
    /// How its worker process is, if it has one.
    pub(crate) worker: Option<&'static str>,
    /// The status of a handler's answers; 0 is 200.
    pub(crate) status: u16,
}

#[derive(Default)]
struct Strings {
    moods: Mutex<HashMap<String, Mood>>,
    calls: Mutex<BTreeMap<String, Arc<AtomicU64>>>,
    /// `prepare NAME VERSION`, `start LABEL`, `stop LABEL`, `gone LABEL` and `free LABEL`, in the
    /// order in which they came, and `try LABEL` for a start that does not end.
    log: Mutex<Vec<String>>,
    /// How many are asked for their health now, and were at most.
    asked: Mutex<(usize, usize)>,
}

/// The runtime, and the test's hold on it.
#[derive(Clone, Default)]
pub(crate) struct Puppets(Arc<Strings>);

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Puppets {
    /// Changes the mood of `name@version`, now and for every later start.
    pub(crate) fn mood(&self, label: &str, mood: Mood) {
        lock(&self.0.moods).insert(label.to_owned(), mood);
    }

    /// How many calls reached `name@version`.
    pub(crate) fn calls(&self, label: &str) -> u64 {
        lock(&self.0.calls).get(label).map_or(0, |calls| calls.load(Ordering::SeqCst))
    }

    /// What was started and stopped so far.
    pub(crate) fn log(&self) -> Vec<String> {
        lock(&self.0.log).clone()
    }

    /// How many plugins were asked for their health at the same time, at most.
    pub(crate) fn asked_at_once(&self) -> usize {
        lock(&self.0.asked).1
    }

    /// How often it was started.
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
        Ok(Arc::new(Doll { strings: Arc::clone(&self.0), text }))
    }
}

struct Doll {
    strings: Arc<Strings>,
    text: String,
}

impl Prepared for Doll {
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
        let marionette = Marionette {
            calls: Arc::clone(lock(&self.strings.calls).entry(label.clone()).or_default()),
            description: Arc::clone(&start.description),
            soul: Arc::new(Soul { strings: Arc::clone(&self.strings), label }),
        };
        if marionette.now().stuck_in == Some("start") {
            marionette.log("try");
            marionette.stuck("start");
        }
        if let Some(why) = marionette.now().wont_start {
            return Err(Refusal::new(Reason::Init, why));
        }
        marionette.log("start");
        Ok(Arc::new(marionette))
    }
}

#[derive(Clone)]
struct Marionette {
    calls: Arc<AtomicU64>,
    description: Arc<Description>,
    soul: Arc<Soul>,
}

impl std::ops::Deref for Marionette {
    type Target = Soul;

    fn deref(&self) -> &Soul {
        &self.soul
    }
}

/// What is freed with the last of a started plugin.
struct Soul {
    strings: Arc<Strings>,
    label: String,
}

impl Drop for Soul {
    fn drop(&mut self) {
        self.log("free");
        self.stuck("free");
    }
}

impl Soul {
    fn now(&self) -> Mood {
        lock(&self.strings.moods).get(&self.label).cloned().unwrap_or_default()
    }

    fn log(&self, what: &str) {
        lock(&self.strings.log).push(format!("{what} {}", self.label));
    }

    /// Blocks while its mood says so.
    fn stuck(&self, here: &str) {
        while self.now().stuck_in == Some(here) {
            std::thread::park_timeout(Duration::from_millis(1));
        }
    }
}

impl Marionette {
    fn answer(&self) -> Result<Vec<u8>, CallError> {
        let (mood, call) = (self.now(), self.calls.fetch_add(1, Ordering::SeqCst));
        if !mood.takes.is_zero() {
            #[expect(clippy::disallowed_methods, reason = "it is slow: nothing is waited for")]
            std::thread::sleep(mood.takes);
        }
        match mood.fails {
            Some(kind) if call.is_multiple_of(mood.one_in.max(1)) => {
                Err(CallError::new(kind, "as the test says").of(&self.label.as_str().into()))
            }
            _ => Ok(self.label.clone().into_bytes()),
        }
    }
}

impl Plugin for Marionette {
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
            let mut asked = lock(&self.strings.asked);
            asked.0 += 1;
            asked.1 = asked.1.max(asked.0);
        }
        let mood = self.now();
        if !mood.ponders.is_zero() {
            #[expect(clippy::disallowed_methods, reason = "it is slow: nothing is waited for")]
            std::thread::sleep(mood.ponders);
        }
        self.stuck("health");
        lock(&self.strings.asked).0 -= 1;
        match self.now().sick {
            Some(why) => Err(CallError::new(CallErrorKind::Internal, why)),
            None => Ok(()),
        }
    }

    fn shutdown(&self) {
        self.log("stop");
        self.stuck("shutdown");
        self.log("gone");
    }

    fn stats(&self) -> PluginStats {
        let worker =
            |state: &'static str| WorkerStatus { state: state.into(), ..WorkerStatus::default() };
        PluginStats { worker: self.now().worker.map(worker), ..PluginStats::default() }
    }
}

impl CodecCall for Marionette {
    fn convert(&self, _: &Context<'_>, _: Direction, _: &[u8]) -> Result<Vec<u8>, CallError> {
        self.answer()
    }
}

impl HandlerCall for Marionette {
    fn handle<'a>(&'a self, _: Context<'a>, _: Request) -> HandlerFuture<'a> {
        Box::pin(async move {
            if self.now().hangs {
                self.calls.fetch_add(1, Ordering::SeqCst);
                std::future::pending::<()>().await;
            }
            let body = self.answer()?;
            let status = Some(self.now().status).filter(|status| *status != 0).unwrap_or(200);
            Ok(Response { status, headers: Vec::new(), body })
        })
    }
}
