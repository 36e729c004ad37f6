//! The whole configuration, and the sections of the host itself.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use plugbay_core::{CapabilityKey, Isolation};
use plugbay_registry::migrate::Migrator;
use serde::Serialize;

use super::admin::{self, AdminSettings};
use super::capabilities::{self, CapabilitySettings};
use super::discovery::{self, DiscoverySettings};
use super::keys;
use super::limits::{self, PluginDefaults};
use super::migrations;
use super::places::{read_folder, read_optional_path};
use super::plugins::{self, PluginSettings};
use super::routes::{self, RouteSettings};
use super::server::{self, ServerSettings};
use super::telemetry::{self, TelemetrySettings};
use crate::config::problem::report::Report;
use crate::config::read::section::{self, Section};
use crate::config::read::tree::Table;
use crate::config::value::duration::{self, DAY, MINUTE, SECOND};
use crate::config::value::size::Size;

/// The whole configuration, checked. It serializes for people and APIs: as written in the file,
/// with the values of plugin keys that sound like secrets hidden. Compare `Config`s themselves, not
/// their serialized form.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Config {
    /// Where plugins come from, and how changes are applied.
    pub host: HostSettings,
    /// The data plane.
    pub server: ServerSettings,
    /// The admin plane.
    pub admin: AdminSettings,
    /// Traces.
    pub telemetry: TelemetrySettings,
    /// A directory of services in the host.
    pub discovery: DiscoverySettings,
    /// The limits of every plugin, unless its own section overrides them.
    pub defaults: PluginDefaults,
    /// Plugins by name. A plugin that is not named here runs with the defaults.
    pub plugins: BTreeMap<String, PluginSettings>,
    /// Routes to handlers; they win over those that plugins suggest.
    pub routes: Vec<RouteSettings>,
    /// How calls are distributed where several plugins, or versions of one, offer a capability.
    pub capabilities: BTreeMap<CapabilityKey, CapabilitySettings>,
    /// Rules for what may be removed only once something else is present.
    pub migrations: Migrator,
}

/// `[host]`: where plugins come from and how changes are applied.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct HostSettings {
    /// The folder of artifacts. A relative path in the file (and the default) is joined to the
    /// folder of the file; one in a variable or flag is left relative to the working directory.
    pub plugins: PathBuf,
    /// The folder of compiled code; a relative path is handled as for `plugins`.
    pub cache: PathBuf,
    /// Needs a restart. The file in which the host keeps the state of plugins; empty = in memory. A relative path is
    /// handled as for `plugins`.
    pub state: PathBuf,
    /// Whether plugins that are linked into the program serve.
    pub linked: bool,
    /// Whether any failure refuses the whole change.
    pub strict: bool,
    /// How long the folder must be quiet before it is read.
    #[serde(serialize_with = "duration::serialize")]
    pub debounce: Duration,
    /// How often the folder is read without any event.
    #[serde(serialize_with = "duration::serialize")]
    pub rescan: Duration,
    /// How long a retired plugin may finish its calls.
    #[serde(serialize_with = "duration::serialize")]
    pub drain: Duration,
    /// Artifacts loaded at once; 0 = one per core.
    pub parallel: u32,
    /// Needs a restart. The most bytes of native libraries that are mapped into the host; zero = no
    /// limit.
    pub mapped: Size,
    /// Needs a restart. Where an in-process library runs that would exceed this: in a worker
    /// process, or nowhere.
    pub mapped_beyond: Isolation,
    /// Generations that can be rolled back to.
    pub history: u32,
    /// The most health checks at the same time.
    pub probes: u32,
    /// How long one step of a reconciliation may take before the host no longer counts as alive.
    #[serde(serialize_with = "duration::serialize")]
    pub stall_timeout: Duration,
}

impl Default for HostSettings {
    fn default() -> HostSettings {
        HostSettings {
            plugins: PathBuf::from("plugins"),
            cache: PathBuf::from(".plugbay/cache"),
            state: PathBuf::from(".plugbay/state.db"),
            linked: true,
            strict: false,
            debounce: Duration::from_millis(100),
            rescan: Duration::from_secs(30),
            drain: Duration::from_secs(30),
            parallel: 0,
            mapped: Size::gib(1),
            mapped_beyond: Isolation::Process,
            history: 5,
            probes: 4,
            stall_timeout: Duration::from_mins(5),
        }
    }
}

impl Config {
    /// The limits of `plugin`: the defaults, overlaid with its own section.
    #[must_use]
    pub fn policy(&self, plugin: &str) -> PluginDefaults {
        match self.plugins.get(plugin) {
            Some(settings) => self.defaults.overlaid(&settings.limits),
            None => self.defaults.clone(),
        }
    }

    /// For each plugin, how many plugins must start one after the other before it, by `after`; zero
    /// for plugins that are not named here.
    #[must_use]
    pub fn start_depths(&self) -> BTreeMap<&str, usize> {
        plugins::start_depths(&self.plugins)
    }
}

/// Reads a whole tree. A wrong value is reported and replaced by its default.
pub(crate) fn read(root: &Table, report: &mut Report<'_>) -> Config {
    for (key, entry) in root {
        if !keys::SECTIONS.contains(&key.as_str()) {
            section::unknown(key, entry, "", keys::SECTIONS, report);
        }
    }
    let defaults = limits::read_defaults(root, report);
    Config {
        host: read_host(root, report),
        server: server::read(root, report),
        admin: admin::read(root, report),
        telemetry: telemetry::read(root, report),
        discovery: discovery::read(root, report),
        plugins: plugins::read(root, &defaults, report),
        routes: routes::read(root, report),
        capabilities: capabilities::read(root, report),
        migrations: migrations::read(root, report),
        defaults,
    }
}

fn read_host(root: &Table, report: &mut Report<'_>) -> HostSettings {
    let mut host = HostSettings::default();
    let section = &mut Section::open(root, "host", keys::HOST, report);
    read_folder(section, "plugins", &mut host.plugins);
    read_optional_path(section, "cache", &mut host.cache);
    read_optional_path(section, "state", &mut host.state);
    section.read("linked", &mut host.linked);
    section.read("strict", &mut host.strict);
    section.read_within("debounce", &mut host.debounce, Duration::ZERO..=MINUTE);
    section.read_within("rescan", &mut host.rescan, SECOND..=DAY);
    section.read_within("drain", &mut host.drain, Duration::ZERO..=DAY);
    section.read_within("parallel", &mut host.parallel, 0..=1024);
    section.read_within("mapped", &mut host.mapped, Size::ZERO..=Size::gib(1024));
    read_beyond(section, &mut host.mapped_beyond);
    section.read_within("history", &mut host.history, 0..=50);
    section.read_within("probes", &mut host.probes, 1..=1024);
    section.read_within("stall_timeout", &mut host.stall_timeout, SECOND..=DAY);
    host
}

/// Where a library runs that would exceed `mapped`: in a worker, or nowhere.
fn read_beyond(section: &mut Section<'_, '_>, beyond: &mut Isolation) {
    const KEY: &str = "mapped_beyond";
    let mut wanted = *beyond;
    section.read(KEY, &mut wanted);
    if wanted != Isolation::InProcess {
        *beyond = wanted;
    } else if let Some(node) = section.node(KEY) {
        let path = section.key(KEY);
        let message = "expected \"process\" or \"refuse\", found \"in-process\"".to_owned();
        section.report.value(&node.at, &path, message, None);
    }
}
