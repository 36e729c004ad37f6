//! The status of a host: what runs, what was refused and why, for the library, HTTP and the CLI.

pub(crate) mod live;
mod parts;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::time::{Instant, SystemTime};

use plugbay_core::handler::Handler;
use plugbay_core::{CapabilityKey, Grant, Isolation, Kind as _, PluginStats, Policy, Source};
use plugbay_guard::BreakerState;
#[cfg(feature = "native")]
use plugbay_native::Libraries;
use plugbay_registry::Leased;
use serde::{Deserialize, Serialize};

use crate::config::{PendingRestart, Strategy};
use crate::control::{Draining, HostState, other_calls};
use crate::report::{ConfigWarning, Rejected, timestamp};
use crate::set::{
    CallStatus, Generation, HealthStatus, Hold, Member, Override, PastGeneration, PublishedSet,
    RetryStatus, Route, RouteOrigin, Running, Trial, TrialStatus, Wanted, previous,
};

/// The status of a host, as of one generation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[non_exhaustive]
pub struct Status {
    /// The number of the generation that serves.
    pub generation: u64,
    /// When it was published.
    #[serde(with = "timestamp")]
    #[cfg_attr(feature = "openapi", schema(value_type = String, format = DateTime))]
    pub published_at: SystemTime,
    /// The plugins that serve, by name.
    pub plugins: Vec<PluginStatus>,
    /// The capabilities that can be called, by kind and name.
    pub capabilities: Vec<CapabilityStatus>,
    /// The routes of the data plane, by pattern.
    pub routes: Vec<RouteStatus>,
    /// The rejections, by source.
    pub rejected: Vec<Rejected>,
    /// The sources of the artifacts that are new and still being prepared: what runs stays until they
    /// are.
    #[serde(default)]
    pub preparing: Vec<String>,
    /// The parts of the configuration that have no effect, as of the last reconciliation in which
    /// everything was prepared.
    #[serde(default)]
    pub warnings: Vec<ConfigWarning>,
    /// Why changes of files are not seen at once, but only every `host.rescan`; `None` while they are,
    /// and for a host that does not watch.
    #[serde(default)]
    pub watch_error: Option<String>,
    /// Retired plugin versions that still have calls in flight.
    pub draining: Vec<DrainingStatus>,
    /// Native libraries that are mapped into this process, the oldest first. They stay mapped until
    /// the process ends, whether a plugin still uses them or not.
    pub libraries: Vec<LibraryStatus>,
    /// Settings that only a restart applies.
    pub pending_restart: Vec<PendingRestart>,
    /// The generation that an operator rolled back to, while changes are held back.
    pub pinned: Option<u64>,
    /// What operators switched over the configuration.
    #[serde(default)]
    pub overrides: Vec<Override>,
    /// The generations that can be rolled back to, oldest first; the last one serves.
    pub history: Vec<GenerationStatus>,
    /// The newest of these that differs from the serving one: the default target of a rollback.
    pub previous: Option<u64>,
}

/// A generation that can be rolled back to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[non_exhaustive]
pub struct GenerationStatus {
    /// Its number.
    pub generation: u64,
    /// When it was published.
    #[serde(with = "timestamp")]
    #[cfg_attr(feature = "openapi", schema(value_type = String, format = DateTime))]
    pub published_at: SystemTime,
    /// Its plugins, as `name@version`.
    pub plugins: Vec<String>,
}

/// The state of a plugin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum PluginState {
    /// The plugin gets calls.
    Running,
    /// The plugin is a new version, which gets a share of the calls.
    Canary,
    /// The plugin failed several times in a row: its breaker is open, and it gets no calls for a
    /// while.
    BreakerOpen,
    /// The breaker is half-open: the plugin gets a probe call.
    BreakerHalfOpen,
    /// The plugin's health checks fail: it gets no calls.
    Unhealthy,
    /// An operator drains the plugin: it gets no new calls.
    Drained,
    /// Restarts of the plugin, or of its worker process, did not help, and it is not restarted any
    /// more.
    CrashLoop,
}

impl PluginState {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Running,
        Self::Canary,
        Self::BreakerOpen,
        Self::BreakerHalfOpen,
        Self::Unhealthy,
        Self::Drained,
        Self::CrashLoop,
    ];

    /// The stable word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Canary => "canary",
            Self::BreakerOpen => "breaker-open",
            Self::BreakerHalfOpen => "breaker-half-open",
            Self::Unhealthy => "unhealthy",
            Self::Drained => "drained",
            Self::CrashLoop => "crash-loop",
        }
    }
}

/// A native library that is mapped into the host's process.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[non_exhaustive]
pub struct LibraryStatus {
    /// SHA-256 of its bytes.
    pub digest: String,
    /// Bytes of its file.
    pub size: u64,
    /// When it was loaded.
    #[serde(with = "timestamp")]
    #[cfg_attr(feature = "openapi", schema(value_type = String, format = DateTime))]
    pub loaded_at: SystemTime,
    /// Whether a plugin of the generation that serves runs from it, in this process.
    pub serves: bool,
    /// Threads that hang in the library's code, outside of calls; the host no longer waits for
    /// them.
    pub hung_threads: usize,
}

/// A plugin that serves.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[non_exhaustive]
pub struct PluginStatus {
    /// The name under which it runs.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Its state.
    pub state: PluginState,
    /// Its own description.
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
    #[cfg_attr(feature = "openapi", schema(value_type = String, format = DateTime))]
    pub started_at: SystemTime,
    /// The capabilities that it offers, as `kind:name`.
    pub capabilities: Vec<String>,
    /// The routes that lead to its handlers, whoever suggested them.
    #[serde(default)]
    pub routes: Vec<RouteStatus>,
    /// The interfaces that it imports.
    pub imports: Vec<String>,
    /// The grants that its imports need.
    pub requested: Vec<Grant>,
    /// The grants that the configuration gives it; see `policy.grants`.
    pub granted: Vec<Grant>,
    /// The interfaces that it exports.
    pub exports: Vec<String>,
    /// The JSON Schema of its configuration.
    pub config_schema: Option<serde_json::Value>,
    /// Calls in flight.
    pub leases: usize,
    /// The results of its calls since it was started.
    pub calls: CallStatus,
    /// The results of its health checks.
    pub health: HealthStatus,
    /// The state of its trial, if it is a canary.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trial: Option<TrialStatus>,
    /// Its limits, grants and protection settings.
    pub policy: Policy,
    /// Where it runs, if it is native code. A library that exceeds `host.mapped` runs in a worker
    /// process, whatever its policy says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub isolation: Option<Isolation>,
    /// The resources that it uses.
    pub stats: PluginStats,
}

/// A capability that can be called.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
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
    /// The plugin's description of it.
    pub description: String,
    /// For codecs: media types, the preferred one first.
    pub media_types: Vec<String>,
    /// How calls are distributed among several providers: `failover`, `split` or `canary`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub strategy: Option<Cow<'static, str>>,
    /// The retries with another provider, if there are several.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retries: Option<RetryStatus>,
    /// The weights in force by plugin, if the strategy is `split`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub weights: BTreeMap<String, u32>,
    /// All providers, as `name@version`, in the order of the configuration; `plugin` is the first
    /// of them.
    pub providers: Vec<String>,
}

/// A route of the data plane.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
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
    /// `serving`; or why the plugin of its handler does not: `starting`, `draining`, `disabled` or `rejected`; or
    /// `unknown`, if no plugin is known to offer the handler.
    pub state: Cow<'static, str>,
    /// `config`, or `plugin:NAME` for one that the plugin suggested.
    pub origin: String,
}

/// A retired plugin version.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[non_exhaustive]
pub struct DrainingStatus {
    /// `name@version`.
    pub plugin: String,
    /// Its digest.
    pub digest: String,
    /// Calls of it in flight.
    pub leases: usize,
    /// Calls in flight in replaced generations that may still reach it: through other plugins, or
    /// as one of several providers.
    pub others: usize,
}

impl Status {
    pub(crate) fn of(published: &PublishedSet, shared: &HostState) -> Self {
        let generation = &published.generation;
        let routes = routes(published);
        let members = generation.plugins.iter();
        let plugins: Vec<PluginStatus> =
            members.flat_map(|(name, member)| versions(name, member, &routes)).collect();
        Self {
            generation: generation.number,
            published_at: generation.published,
            libraries: libraries(&plugins),
            plugins,
            capabilities: capabilities(generation),
            routes,
            rejected: published.rejected.to_vec(),
            preparing: shared.preparing(),
            warnings: shared.warnings(),
            watch_error: shared.watch_error(),
            draining: draining_versions(&shared.draining),
            pending_restart: published.pending_restart.to_vec(),
            pinned: published.pinned,
            overrides: published.overrides.list().to_vec(),
            history: history(published),
            previous: default_rollback(published),
        }
    }
}

fn history(published: &PublishedSet) -> Vec<GenerationStatus> {
    published.history.iter().map(|past| past_status(past)).collect()
}

/// The default target of a rollback.
fn default_rollback(published: &PublishedSet) -> Option<u64> {
    let mut plugins = published.generation.plugins.iter();
    let on_trial = plugins.any(|(_, member)| member.canary.is_some());
    previous(&published.history, on_trial, published.pinned)
}

fn past_status(past: &PastGeneration) -> GenerationStatus {
    let label = |it: &Wanted| format!("{}@{}", it.identity.name, it.offer.description.version);
    GenerationStatus {
        generation: past.number,
        published_at: past.published,
        plugins: past.wanted.iter().map(label).collect(),
    }
}

/// Every version of a plugin that serves.
fn versions(name: &str, member: &Member, routes: &[RouteStatus]) -> Vec<PluginStatus> {
    let stable = plugin(name, &member.running, &member.source, member.since, None, routes);
    let canary = member.canary.as_ref().map(|canary| {
        plugin(name, &canary.running, &canary.source, canary.since, Some(&canary.trial), routes)
    });
    std::iter::once(stable).chain(canary).collect()
}

pub(crate) fn state(
    running: &Running,
    health: &HealthStatus,
    stats: &PluginStats,
    trial: Option<&Trial>,
) -> PluginState {
    let broken = stats.worker.as_ref().is_some_and(|worker| worker.state == "broken");
    if health.crash_loop.is_some() || broken {
        return PluginState::CrashLoop;
    }
    match running.held() {
        Hold::Draining => return PluginState::Drained,
        Hold::BreakerOpen => return PluginState::BreakerOpen,
        Hold::None => {}
    }
    if !health.healthy {
        return PluginState::Unhealthy;
    }
    match running.guard.state(Instant::now()) {
        BreakerState::Open { .. } => PluginState::BreakerOpen,
        BreakerState::HalfOpen => PluginState::BreakerHalfOpen,
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
    routes: &[RouteStatus],
) -> PluginStatus {
    let description = &running.description;
    let handles = |name: &str| {
        description.capabilities.iter().any(|it| it.kind == Handler::NAME && it.name == name)
    };
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
        routes: routes.iter().filter(|route| handles(&route.handler)).cloned().collect(),
        imports: running.imports.clone(),
        requested: Grant::requested(&running.imports),
        granted: running.identity.policy.grants.open(),
        exports: running.exports.clone(),
        config_schema: description.config_schema.clone(),
        leases: running.leases(),
        calls: running.figures.tally.status(),
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
            hung_threads: library.hung_threads,
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
            strategy: capability.balancing.as_ref().map(|balancing| balancing.rule.as_str().into()),
            retries: capability.balancing.as_ref().map(|balancing| balancing.retries.status()),
            weights: weights(generation, &capability.key),
            providers: capability.targets().map(|it| it.running.label.to_string()).collect(),
        }
    });
    capabilities.collect()
}

fn weights(generation: &Generation, key: &CapabilityKey) -> BTreeMap<String, u32> {
    let settings = generation.config.capabilities.get(key);
    match settings.map(|settings| &settings.strategy) {
        Some(Strategy::Split { providers, weights, .. }) => {
            providers.iter().cloned().zip(weights.iter().copied()).collect()
        }
        _ => BTreeMap::new(),
    }
}

/// The routes of the generation, and those of plugins that are known and do not serve.
fn routes(published: &PublishedSet) -> Vec<RouteStatus> {
    let PublishedSet { generation, absent, .. } = published;
    let of_generation = generation.router.routes().map(|route| {
        let state = if generation.capabilities.contains(&route.value.key) {
            "serving"
        } else {
            absent.offering(&route.value.key).map_or("unknown", |it| it.why.as_str())
        };
        route_status(route, state)
    });
    let of_absent = absent.routes().filter(|(route, _)| generation.router.taken(route).is_none());
    let mut routes: Vec<RouteStatus> = of_generation
        .chain(of_absent.map(|(route, why)| route_status(route, why.as_str())))
        .collect();
    routes.sort_by(|a, b| (&a.path, &a.methods).cmp(&(&b.path, &b.methods)));
    routes
}

fn route_status(route: &Route, state: &'static str) -> RouteStatus {
    RouteStatus {
        path: route.pattern.clone(),
        methods: route.methods.clone(),
        handler: route.value.handler().to_owned(),
        serves: state == "serving",
        state: state.into(),
        origin: match &route.value.origin {
            RouteOrigin::Config => "config".to_owned(),
            RouteOrigin::Plugin(name) => format!("plugin:{name}"),
        },
    }
}

/// The retired versions, with their calls in flight.
fn draining_versions(draining: &Draining) -> Vec<DrainingStatus> {
    let users = draining.users();
    let versions = draining.versions().into_iter().map(|running| DrainingStatus {
        plugin: running.label.to_string(),
        digest: running.identity.digest.to_string(),
        leases: running.leases(),
        others: other_calls(&running, &users),
    });
    versions.collect()
}
