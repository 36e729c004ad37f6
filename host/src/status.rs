//! What runs, what was refused and why: one answer for the library, HTTP and the CLI.

mod parts;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::time::{Instant, SystemTime};

use plugbay_core::handler::Handler;
use plugbay_core::{Grant, Isolation, Kind as _, PluginStats, Policy, Source};
use plugbay_guard::BreakerState;
#[cfg(feature = "native")]
use plugbay_native::Libraries;
use plugbay_registry::Leased;
use serde::{Deserialize, Serialize};

use crate::config::PendingRestart;
use crate::control::{Draining, others};
use crate::report::{Rejected, timestamp};
use crate::set::{
    CallStatus, Generation, HealthStatus, Member, Past, PublishedSet, RetryStatus, RouteOrigin,
    Running, Trial, TrialStatus, Wanted, previous,
};

/// Everything a host holds, as of one generation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Status {
    /// The number of the generation that serves.
    pub generation: u64,
    /// When it was published.
    #[serde(with = "timestamp")]
    pub published_at: SystemTime,
    /// What serves, by name.
    pub plugins: Vec<PluginStatus>,
    /// What can be called, by kind and name.
    pub capabilities: Vec<CapabilityStatus>,
    /// The routes of the data plane, by pattern.
    pub routes: Vec<RouteStatus>,
    /// What was refused, by source.
    pub rejected: Vec<Rejected>,
    /// Plugin versions that left and still have calls under way.
    pub draining: Vec<DrainingStatus>,
    /// Native libraries that are mapped into this process, the longest first. They stay until it
    /// ends, whether a plugin still runs from them or not.
    pub libraries: Vec<LibraryStatus>,
    /// Settings that only a restart applies.
    pub pending_restart: Vec<PendingRestart>,
    /// The generation that an operator rolled back to, while changes are held back.
    pub pinned: Option<u64>,
    /// The generations that can be rolled back to, oldest first; the last one serves.
    pub history: Vec<GenerationStatus>,
    /// Of these, the newest that differs from the serving one: the one to roll back to if none is
    /// named.
    pub previous: Option<u64>,
}

/// A generation that can be rolled back to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct GenerationStatus {
    /// Its number.
    pub generation: u64,
    /// When it was published.
    #[serde(with = "timestamp")]
    pub published_at: SystemTime,
    /// Its plugins, as `name@version`.
    pub plugins: Vec<String>,
}

/// The state of a plugin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum PluginState {
    /// It gets calls.
    Running,
    /// A new version, which gets a share of the calls.
    Canary,
    /// It failed several times in a row: its breaker is open, and it gets no calls for a while.
    BreakerOpen,
    /// Its breaker is half-open: it gets a probe call.
    BreakerTried,
    /// Its health checks fail: it gets no calls.
    Unhealthy,
    /// It, or its worker process, was restarted in vain, and is not restarted any more.
    CrashLoop,
}

impl PluginState {
    /// The stable word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Canary => "canary",
            Self::BreakerOpen => "breaker-open",
            Self::BreakerTried => "breaker-tried",
            Self::Unhealthy => "unhealthy",
            Self::CrashLoop => "crash-loop",
        }
    }
}

/// A native library that is mapped into the host's process.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct LibraryStatus {
    /// SHA-256 of its bytes.
    pub digest: String,
    /// Bytes of its file.
    pub size: u64,
    /// When it was loaded.
    #[serde(with = "timestamp")]
    pub loaded_at: SystemTime,
    /// Whether a plugin of the generation that serves runs from it, in this process.
    pub serves: bool,
    /// Threads that hang in it, outside its calls; the host no longer waits for them.
    pub left_behind: usize,
}

/// A plugin that serves.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct PluginStatus {
    /// The name it runs under.
    pub name: String,
    /// Its version.
    pub version: String,
    /// How it is.
    pub state: PluginState,
    /// What it says of itself.
    pub description: String,
    /// The runtime: `wasm`, `linked`, `native`.
    pub form: Cow<'static, str>,
    /// The file, or `linked:NAME`.
    pub source: String,
    /// SHA-256 of the artifact.
    pub digest: String,
    /// Bytes of the artifact.
    pub size: u64,
    /// Bytes of compiled code.
    pub code_size: u64,
    /// The first generation that held it.
    pub generation: u64,
    /// When it was started.
    #[serde(with = "timestamp")]
    pub started_at: SystemTime,
    /// What it offers, as `kind:name`.
    pub capabilities: Vec<String>,
    /// The interfaces it imports.
    pub imports: Vec<String>,
    /// What it wants to reach, by its imports.
    pub requested: Vec<Grant>,
    /// What of that, or beyond it, the configuration grants; see `policy.grants`.
    pub granted: Vec<Grant>,
    /// The interfaces it exports.
    pub exports: Vec<String>,
    /// The JSON Schema of its configuration.
    pub config_schema: Option<serde_json::Value>,
    /// Calls under way.
    pub leases: usize,
    /// What came of its calls since it was started.
    pub calls: CallStatus,
    /// What its health checks say.
    pub health: HealthStatus,
    /// How its trial goes, if it is a canary.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trial: Option<TrialStatus>,
    /// What it may use.
    pub policy: Policy,
    /// Where it runs, if it is native code. Beyond `host.mapped` that is a worker process, whatever
    /// its policy asks for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub isolation: Option<Isolation>,
    /// What it uses.
    pub stats: PluginStats,
}

/// A capability that can be called.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct CapabilityStatus {
    /// Its kind.
    pub kind: String,
    /// Its name within the kind.
    pub name: String,
    /// The plugin that offers it.
    pub plugin: String,
    /// That plugin's version.
    pub version: String,
    /// What the plugin says of it.
    pub description: String,
    /// For codecs: media types, the preferred one first.
    pub media_types: Vec<String>,
    /// How calls are given out among several providers: `failover`, `split` or `canary`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub strategy: Option<Cow<'static, str>>,
    /// How often another provider was called after the first one failed, if there are several.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retries: Option<RetryStatus>,
    /// All who offer it, as `name@version`, in the order of the configuration; `plugin` is the
    /// first of them.
    pub providers: Vec<String>,
}

/// A route of the data plane.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct RouteStatus {
    /// The pattern.
    pub path: String,
    /// Its methods; empty means every method.
    pub methods: Vec<String>,
    /// The handler's name.
    pub handler: String,
    /// Whether the generation holds that handler.
    pub serves: bool,
    /// `config`, or `plugin:NAME` for one that the plugin suggested.
    pub origin: String,
}

/// A plugin version that left.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct DrainingStatus {
    /// `name@version`.
    pub plugin: String,
    /// Its digest.
    pub digest: String,
    /// Calls of it under way.
    pub leases: usize,
    /// Calls under way in generations that were replaced, which may still reach it: through other
    /// plugins, or as one of several providers.
    pub others: usize,
}

impl Status {
    pub(crate) fn of(published: &PublishedSet, draining: &Draining) -> Self {
        let generation = &published.generation;
        let plugins: Vec<PluginStatus> =
            generation.plugins.iter().flat_map(|(name, member)| versions(name, member)).collect();
        Self {
            generation: generation.number,
            published_at: generation.published,
            libraries: libraries(&plugins),
            plugins,
            capabilities: capabilities(generation),
            routes: routes(generation),
            rejected: published.rejected.to_vec(),
            draining: draining_versions(draining),
            pending_restart: published.pending_restart.to_vec(),
            pinned: published.pinned,
            history: history(published),
            previous: to_roll_back_to(published),
        }
    }
}

fn history(published: &PublishedSet) -> Vec<GenerationStatus> {
    published.history.iter().map(|past| past_status(past)).collect()
}

/// The generation to roll back to if none is named.
fn to_roll_back_to(published: &PublishedSet) -> Option<u64> {
    let mut plugins = published.generation.plugins.iter();
    let on_trial = plugins.any(|(_, member)| member.canary.is_some());
    previous(&published.history, on_trial, published.pinned)
}

fn past_status(past: &Past) -> GenerationStatus {
    let label = |it: &Wanted| format!("{}@{}", it.identity.name, it.offer.description.version);
    GenerationStatus {
        generation: past.number,
        published_at: past.published,
        plugins: past.wanted.iter().map(label).collect(),
    }
}

/// Every version of a plugin that serves.
fn versions(name: &str, member: &Member) -> Vec<PluginStatus> {
    let stable = plugin(name, &member.running, &member.source, member.since, None);
    let canary = member.canary.as_ref().map(|canary| {
        plugin(name, &canary.running, &canary.source, canary.since, Some(&canary.trial))
    });
    std::iter::once(stable).chain(canary).collect()
}

fn state(
    running: &Running,
    health: &HealthStatus,
    stats: &PluginStats,
    trial: Option<&Trial>,
) -> PluginState {
    let broken = stats.worker.as_ref().is_some_and(|worker| worker.state == "broken");
    if health.crash_loop.is_some() || broken {
        return PluginState::CrashLoop;
    }
    if !health.healthy {
        return PluginState::Unhealthy;
    }
    match running.guard.state(Instant::now()) {
        BreakerState::Open { .. } => PluginState::BreakerOpen,
        BreakerState::HalfOpen => PluginState::BreakerTried,
        BreakerState::Closed if trial.is_some() => PluginState::Canary,
        BreakerState::Closed => PluginState::Running,
    }
}

fn plugin(
    name: &str,
    running: &Leased<Running>,
    source: &Source,
    since: u64,
    trial: Option<&Trial>,
) -> PluginStatus {
    let description = &running.description;
    let (health, stats) = (running.health.status(), running.plugin.stats());
    let here = || if stats.worker.is_some() { Isolation::Process } else { Isolation::InProcess };
    PluginStatus {
        name: name.to_owned(),
        version: description.version.to_string(),
        state: state(running, &health, &stats, trial),
        description: description.description.clone(),
        form: running.runtime.into(),
        source: source.to_string(),
        digest: running.identity.digest.to_string(),
        size: running.offer.size,
        code_size: running.code_size,
        generation: since,
        started_at: running.started,
        capabilities: description
            .capabilities
            .iter()
            .map(|capability| format!("{}:{}", capability.kind, capability.name))
            .collect(),
        imports: running.imports.clone(),
        requested: Grant::requested(&running.imports),
        granted: running.identity.policy.grants.open(),
        exports: running.exports.clone(),
        config_schema: description.config_schema.clone(),
        leases: running.leases(),
        calls: running.tally.status(),
        health,
        trial: trial.map(Trial::status),
        policy: running.identity.policy.clone(),
        isolation: running.offer.native.then(here),
        stats,
    }
}

#[cfg(not(feature = "native"))]
fn libraries(_plugins: &[PluginStatus]) -> Vec<LibraryStatus> {
    Vec::new()
}

#[cfg(feature = "native")]
fn libraries(plugins: &[PluginStatus]) -> Vec<LibraryStatus> {
    let here = |it: &&PluginStatus| it.isolation == Some(Isolation::InProcess);
    let loaded = Libraries::of_this_process().loaded().into_iter().map(|library| {
        let digest = library.digest.to_string();
        LibraryStatus {
            size: library.size,
            loaded_at: library.loaded_at,
            left_behind: library.left_behind,
            serves: plugins.iter().filter(here).any(|plugin| plugin.digest == digest),
            digest,
        }
    });
    loaded.collect()
}

fn capabilities(generation: &Generation) -> Vec<CapabilityStatus> {
    let capabilities = generation.capabilities.iter().map(|(_, capability)| {
        let running = &capability.first.running;
        let described = capability.first.described();
        CapabilityStatus {
            kind: capability.key.kind.clone(),
            name: capability.key.name.clone(),
            plugin: running.identity.name.clone(),
            version: running.description.version.to_string(),
            description: described.description.clone(),
            media_types: described.media_types.clone(),
            strategy: capability.spread.as_ref().map(|spread| spread.rule.as_str().into()),
            retries: capability.spread.as_ref().map(|spread| spread.retries.status()),
            providers: capability.targets().map(|it| it.running.label.to_string()).collect(),
        }
    });
    capabilities.collect()
}

fn routes(generation: &Generation) -> Vec<RouteStatus> {
    let routes = generation.router.routes().map(|route| RouteStatus {
        path: route.pattern.clone(),
        methods: route.methods.clone(),
        handler: route.value.handler.clone(),
        serves: generation.capabilities.contains(&format!(
            "{}:{}",
            Handler::NAME,
            route.value.handler
        )),
        origin: match &route.value.origin {
            RouteOrigin::Config => "config".to_owned(),
            RouteOrigin::Plugin(name) => format!("plugin:{name}"),
        },
    });
    routes.collect()
}

/// What is under way of versions that left.
fn draining_versions(draining: &Draining) -> Vec<DrainingStatus> {
    let users = draining.users();
    let versions = draining.versions().into_iter().map(|running| DrainingStatus {
        plugin: running.label.to_string(),
        digest: running.identity.digest.to_string(),
        leases: running.leases(),
        others: others(&running, &users),
    });
    versions.collect()
}
