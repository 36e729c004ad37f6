//! The traits that a runtime implements: recognize, prepare, describe, start.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    Artifact, CallError, Description, DurationStats, GuestMetric, Isolation, MachineCode, Observer,
    Policy, Provider, Refusal, Source, check_name, cut,
};

/// A file's name is cut to this many bytes where it stands for a plugin.
const MAX_FILE_NAME: usize = 256;

/// Runs plugins of one form: WASM components, native libraries, linked crates.
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
    /// If the artifact is not a plugin that this host can serve.
    fn prepare(&self, artifact: &Artifact) -> Result<Arc<dyn Prepared>, Refusal>;

    /// The code that it compiled, or loaded as compiled, of all its plugins that are started: for profilers, which
    /// find no names for it elsewhere.
    fn machine_code(&self) -> Vec<Arc<dyn MachineCode>> {
        Vec::new()
    }

    /// Called when the host is shut down: cancels running preparations, and rejects new ones.
    fn stop(&self) {}
}

/// A checked and compiled artifact. Shared by all plugins that are started from it.
pub trait Prepared: Send + Sync + 'static {
    /// Calls `describe` of the plugin, in an instance without grants. `isolation` says where native
    /// code runs.
    ///
    /// # Errors
    ///
    /// If the plugin traps or hangs, if its description breaks a rule, or if it is native code that
    /// may not run.
    fn describe(&self, isolation: Isolation) -> Result<Description, Refusal>;

    /// Whether this is native code, which the configuration must allow.
    fn is_native(&self) -> bool {
        false
    }

    /// The interfaces that it imports, sorted.
    fn imports(&self) -> &[String];

    /// The interfaces that it exports, sorted.
    fn exports(&self) -> &[String];

    /// The size of the compiled code in bytes; 0 if nothing is compiled.
    fn code_size(&self) -> u64;

    /// Starts a plugin: makes the first instance and calls `init` and `health` on it.
    ///
    /// # Errors
    ///
    /// If `init` refuses the configuration, or if the plugin traps, hangs or is not healthy.
    fn start(&self, start: StartPlugin) -> Result<Arc<dyn Plugin>, Refusal>;
}

/// The parameters with which a plugin is started.
#[derive(Clone)]
pub struct StartPlugin {
    /// Its name and version.
    pub identity: Identity,
    /// Its description.
    pub description: Arc<Description>,
    /// A JSON object that satisfies its schema.
    pub config: Value,
    /// Its limits and grants.
    pub policy: Policy,
    /// Receives the notices about it.
    pub observer: Arc<dyn Observer>,
}

/// The name under which a plugin runs, and its version.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Identity {
    name: Arc<str>,
    label: Arc<str>,
}

impl Identity {
    /// The identity of the plugin `name` in version `version`.
    #[must_use]
    pub fn new(name: &str, version: &semver::Version) -> Self {
        Self { name: Arc::from(name), label: Arc::from(format!("{name}@{version}")) }
    }

    /// The identity of an artifact whose plugin is not described yet: the name of its file.
    #[must_use]
    pub fn of_source(source: &Source) -> Self {
        let name: Arc<str> = Arc::from(cut(source.file_name(), MAX_FILE_NAME));
        Self { label: Arc::clone(&name), name }
    }

    /// The name.
    #[must_use]
    pub fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// The version; `None` before `describe`.
    #[must_use]
    pub fn version(&self) -> Option<&str> {
        self.label.strip_prefix(&*self.name)?.strip_prefix('@')
    }

    /// The name and the version, as fields of the log.
    #[must_use]
    pub fn name_and_version(&self) -> (&str, Option<&str>) {
        (&self.name, self.version())
    }

    /// `name@version`, as errors and messages show it; before `describe` the name of the file.
    #[must_use]
    pub fn label(&self) -> &Arc<str> {
        &self.label
    }
}

/// The name and the version of a plugin's label, `name@version`. A text of another form, such as the name of a
/// file, is returned whole.
#[must_use]
pub fn split_label(label: &str) -> (&str, Option<&str>) {
    match label.split_once('@') {
        Some((name, version))
            if check_name(name).is_ok() && semver::Version::parse(version).is_ok() =>
        {
            (name, Some(version))
        }
        _ => (label, None),
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

    /// Runs a health check. Blocks for at most `within`, a little longer for native code.
    ///
    /// # Errors
    ///
    /// The plugin's error, or the failure of the call: `overloaded` if the plugin could not be
    /// called, which says nothing about its health.
    fn health(&self, within: Duration) -> Result<(), CallError>;

    /// Tries again what was given up, such as starting a process that ended too often: an operator asks
    /// for it.
    fn retry(&self) {}

    /// Calls `shutdown` of each instance, then frees the instances. Blocks for about the policy's
    /// `init` time at most: after that, the remaining instances are freed without a call. Later
    /// calls are refused as retired.
    fn shutdown(&self);

    /// The resources that the plugin uses now.
    fn stats(&self) -> PluginStats;
}

/// The resources that a plugin uses and has used.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PluginStats {
    /// Instances, idle or in a call.
    pub instances: u64,
    /// Instances made since the start.
    pub instantiations: u64,
    /// Instances discarded after a trap or an exceeded limit.
    pub discarded: u64,
    /// Bytes of linear memory over all instances; of a worker process, its memory.
    pub memory: u64,
    /// The most that `memory` has been.
    #[serde(default)]
    pub peak_memory: u64,
    /// The CPU time of the plugin's calls, in seconds, as far as the runtime can tell it from that of the host.
    /// The runtime may estimate that of short calls.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu_seconds: Option<f64>,
    /// Calls that wait for an instance.
    pub waiting: u64,
    /// How long those calls waited that had to wait for an instance, whether they got one or not.
    #[serde(default, skip_serializing_if = "DurationStats::is_empty")]
    pub waited: DurationStats,
    /// Attempts to use something that is not granted, by grant.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub denied: BTreeMap<Cow<'static, str>, u64>,
    /// How often it exceeded a limit, by the limit's key.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub limited: BTreeMap<Cow<'static, str>, u64>,
    /// The plugin's own metrics.
    pub metrics: Vec<GuestMetric>,
    /// The worker process, if the plugin runs in one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub worker: Option<WorkerStatus>,
}

/// The state of a plugin's worker process.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct WorkerStatus {
    /// `starting`, `running`, `backing-off`, `broken` or `stopped`.
    pub state: Cow<'static, str>,
    /// Its process id, while it runs.
    pub pid: Option<u32>,
    /// How the last process ended, while none runs.
    pub reason: Option<String>,
    /// The protections of the operating system that were active before it loaded the library.
    pub protections: Vec<String>,
}
