//! What a runtime implements: recognise, prepare, describe, start.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{Artifact, CallError, Description, Isolation, Observer, Policy, Provider, Refusal};

/// Something that runs plugins of one form: WASM components, native libraries, linked crates.
pub trait Runtime: Send + Sync + 'static {
    /// The runtime's name, for people: `wasm`, `linked`.
    fn name(&self) -> &'static str;

    /// Whether the artifact is of this runtime's form, judged by its first bytes, never by
    /// its name alone. Cheap; runs no foreign code.
    fn recognises(&self, artifact: &Artifact) -> bool;

    /// Whether the bytes end where their format says so: `false` for a file that is still
    /// being written. Cheap; runs no foreign code.
    fn is_whole(&self, artifact: &Artifact) -> bool;

    /// Checks the API version, then compiles. Called at most once per digest, off the async
    /// threads; runs no foreign code.
    ///
    /// # Errors
    ///
    /// Refuses what is not a plugin that this host can serve, saying what was expected.
    fn prepare(&self, artifact: &Artifact) -> Result<Arc<dyn Prepared>, Refusal>;

    /// The host is shut down: nothing is prepared any more, and what is being prepared is given up.
    fn stop(&self) {}
}

/// A checked and compiled artifact. Shared by all plugins that are started from it.
pub trait Prepared: Send + Sync + 'static {
    /// Calls `describe` of the plugin, in an instance that is granted nothing. Native code runs
    /// where `isolation` says.
    ///
    /// # Errors
    ///
    /// Refuses a plugin that traps, hangs, or describes what breaks a rule, and native code
    /// that may not run.
    fn describe(&self, isolation: Isolation) -> Result<Description, Refusal>;

    /// Whether this is native code, which the configuration has to allow.
    fn is_native(&self) -> bool {
        false
    }

    /// The interfaces that it imports, sorted.
    fn imports(&self) -> &[String];

    /// The interfaces that it exports, sorted.
    fn exports(&self) -> &[String];

    /// Bytes of compiled code; 0 where nothing is compiled.
    fn code_size(&self) -> u64;

    /// Starts a plugin: makes the first instance and calls `init` and `health` on it.
    ///
    /// # Errors
    ///
    /// Refuses a configuration that `init` refuses, and a plugin that traps, hangs or is
    /// not healthy.
    fn start(&self, start: StartPlugin) -> Result<Arc<dyn Plugin>, Refusal>;
}

/// What a plugin is started with.
#[derive(Clone)]
pub struct StartPlugin {
    /// Its name and version.
    pub identity: Identity,
    /// Its description.
    pub description: Arc<Description>,
    /// A JSON object that satisfies its schema.
    pub config: Value,
    /// What it may use.
    pub policy: Policy,
    /// Receives what is noticed while it runs.
    pub observer: Arc<dyn Observer>,
}

/// The name under which a plugin runs, and its version.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Identity {
    name: Arc<str>,
    label: Arc<str>,
}

impl Identity {
    /// A plugin called `name` in version `version`.
    #[must_use]
    pub fn new(name: &str, version: &semver::Version) -> Self {
        Self { name: Arc::from(name), label: Arc::from(format!("{name}@{version}")) }
    }

    /// The name.
    #[must_use]
    pub fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// `name@version`, as errors and logs show it.
    #[must_use]
    pub fn label(&self) -> &Arc<str> {
        &self.label
    }
}

/// A started plugin. Dropping it frees what it holds; the host calls
/// [`shutdown`](Plugin::shutdown) first, once no lease is left.
pub trait Plugin: Send + Sync + 'static {
    /// The call object of the capability with index `capability` in the description, or
    /// `None` if the runtime does not serve its kind.
    fn provide(&self, capability: u32) -> Option<Provider>;

    /// Whether its calls may call other plugins: then a call keeps the whole generation
    /// from being shut down, not this plugin alone.
    fn calls_others(&self) -> bool;

    /// Asks the plugin whether it can serve. Blocks for at most `within`, a little more for
    /// native code.
    ///
    /// # Errors
    ///
    /// What the plugin said, or how it failed to answer: `overloaded` if it could not be called
    /// at all, which says nothing of its health.
    fn health(&self, within: Duration) -> Result<(), CallError>;

    /// Tells every instance that it is the last call, then frees them. Blocks for about the
    /// policy's `init` time at most: instances whose turn comes later are freed unasked. Calls that come later are refused as retired.
    fn shutdown(&self);

    /// What the plugin uses now.
    fn stats(&self) -> PluginStats;
}

/// What a plugin uses, and has used.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PluginStats {
    /// Instances that live, idle or in a call.
    pub instances: u64,
    /// Instances made since the start.
    pub instantiations: u64,
    /// Instances thrown away after a trap or an expired limit.
    pub discarded: u64,
    /// Bytes of linear memory over all instances.
    pub memory: u64,
    /// Calls that wait for an instance.
    pub waiting: u64,
    /// Attempts to use what it is not granted, by grant; only those that happened.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub denied: BTreeMap<Cow<'static, str>, u64>,
    /// What it did more often than it may, by the limit's key.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub limited: BTreeMap<Cow<'static, str>, u64>,
    /// The plugin's own metrics.
    pub metrics: Vec<GuestMetric>,
    /// The worker process, of a plugin that runs in one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub worker: Option<WorkerStatus>,
}

/// How a plugin's worker process is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkerStatus {
    /// `starting`, `running`, `backing-off`, `broken` or `stopped`.
    pub state: Cow<'static, str>,
    /// Its process, while it runs.
    pub pid: Option<u32>,
    /// How the last one ended, while there is none.
    pub reason: Option<String>,
    /// What it gave up, and the system lets it give up, before it loaded the library.
    pub protections: Vec<String>,
}

/// A figure that a plugin reports of itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub enum GuestMetric {
    /// Only ever grows.
    Counter {
        /// Its name.
        name: String,
        /// Its value.
        value: u64,
    },
    /// Goes up and down.
    Gauge {
        /// Its name.
        name: String,
        /// Its value.
        value: f64,
    },
}
