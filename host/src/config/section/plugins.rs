//! `[plugins.NAME]`.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use plugbay_core::{Grants, Isolation};
use plugbay_registry::order;
use serde::{Serialize, Serializer};
use serde_json::{Map, Value as Json};

use super::grants;
use super::policy::{PluginDefaults, Reuse};
use crate::config::problem::report::Report;
use crate::config::problem::{render, secret};
use crate::config::read::section::{self, Section};
use crate::config::read::tree::{Table, Value};
use crate::config::read::{json, keys};
use crate::config::value::duration;
use crate::config::value::size::Size;

/// One plugin: where it comes from, its config, and what it may use other than the defaults.
///
/// [`Debug`](fmt::Debug) and [`Serialize`] hide the values of config keys that sound like secrets,
/// and those of granted environment variables: use the fields themselves to compare or to hash.
#[derive(Clone, PartialEq, Serialize)]
pub struct PluginSettings {
    /// The file in the plugin folder; `None` = the plugin's name with any known extension.
    pub artifact: Option<String>,
    /// Whether it runs.
    pub enabled: bool,
    /// Plugins that start before this one, and stop after it, if they run at all.
    pub after: Vec<String>,
    /// For the plugin's `init`; always an object.
    #[serde(serialize_with = "serialize_masked")]
    pub config: Json,
    /// What it may reach beyond its own memory.
    #[serde(serialize_with = "grants::serialize")]
    pub grants: Grants,
    /// The most instances at once.
    pub instances: Option<u32>,
    /// The most calls that wait for an instance; further ones are refused.
    pub queue: Option<u32>,
    /// Whether instances are used again.
    pub reuse: Option<Reuse>,
    /// Calls after which an instance is replaced.
    pub recycle_calls: Option<u64>,
    /// Memory past which an instance is replaced.
    pub recycle_memory: Option<Size>,
    /// The most memory of one instance.
    pub memory: Option<Size>,
    /// The most memory of all instances together.
    pub total_memory: Option<Size>,
    /// The most elements of all tables of one instance.
    pub tables: Option<u32>,
    /// The most files and sockets that are open at once, over all instances.
    pub files: Option<u32>,
    /// Guest CPU time of one call.
    #[serde(serialize_with = "duration::serialize_option")]
    pub cpu: Option<Duration>,
    /// Wall time of one call.
    #[serde(serialize_with = "duration::serialize_option")]
    pub deadline: Option<Duration>,
    /// Wall time of each lifecycle call.
    #[serde(serialize_with = "duration::serialize_option")]
    pub init: Option<Duration>,
    /// The largest answer.
    pub output: Option<Size>,
    /// The most lines of log in a second, over all instances; 0 = no limit.
    pub logs: Option<u32>,
    /// The most calls of the host in a second, over all instances; 0 = no limit.
    pub host_calls: Option<u32>,
    /// Where native code runs, if it may.
    pub isolation: Option<Isolation>,
    /// Failures in a row after which the plugin gets no calls for a while; 0 = never.
    pub breaker_failures: Option<u32>,
    /// How long that while is, the first time.
    #[serde(serialize_with = "duration::serialize_option")]
    pub breaker_open: Option<Duration>,
    /// Trial calls in a row that must succeed before all calls come back.
    pub breaker_successes: Option<u8>,
    /// Time between two questions of health; zero = never.
    #[serde(serialize_with = "duration::serialize_option")]
    pub health_every: Option<Duration>,
    /// Wall time of one question of health.
    #[serde(serialize_with = "duration::serialize_option")]
    pub health_deadline: Option<Duration>,
    /// Bad answers in a row after which the plugin counts as unhealthy.
    pub health_fall: Option<u32>,
    /// Good answers in a row after which it counts as healthy again.
    pub health_rise: Option<u32>,
    /// How often an unhealthy plugin is started anew within 10 minutes; 0 = never.
    pub restarts: Option<u32>,
}

impl Default for PluginSettings {
    fn default() -> PluginSettings {
        PluginSettings {
            artifact: None,
            enabled: true,
            after: Vec::new(),
            config: Json::Object(Map::new()),
            grants: Grants::default(),
            instances: None,
            queue: None,
            reuse: None,
            recycle_calls: None,
            recycle_memory: None,
            memory: None,
            total_memory: None,
            tables: None,
            files: None,
            cpu: None,
            deadline: None,
            init: None,
            output: None,
            logs: None,
            host_calls: None,
            isolation: None,
            breaker_failures: None,
            breaker_open: None,
            breaker_successes: None,
            health_every: None,
            health_deadline: None,
            health_fall: None,
            health_rise: None,
            restarts: None,
        }
    }
}

fn serialize_masked<S: Serializer>(config: &Json, to: S) -> Result<S::Ok, S::Error> {
    secret::masked(config).serialize(to)
}

impl fmt::Debug for PluginSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PluginSettings")
            .field("artifact", &self.artifact)
            .field("enabled", &self.enabled)
            .field("after", &self.after)
            .field("config", &format_args!("{}", secret::masked(&self.config)))
            .field("grants", &self.grants)
            .field("instances", &self.instances)
            .field("queue", &self.queue)
            .field("reuse", &self.reuse)
            .field("recycle_calls", &self.recycle_calls)
            .field("recycle_memory", &self.recycle_memory)
            .field("memory", &self.memory)
            .field("total_memory", &self.total_memory)
            .field("tables", &self.tables)
            .field("files", &self.files)
            .field("cpu", &self.cpu)
            .field("deadline", &self.deadline)
            .field("init", &self.init)
            .field("output", &self.output)
            .field("logs", &self.logs)
            .field("host_calls", &self.host_calls)
            .field("isolation", &self.isolation)
            .field("breaker_failures", &self.breaker_failures)
            .field("breaker_open", &self.breaker_open)
            .field("breaker_successes", &self.breaker_successes)
            .field("health_every", &self.health_every)
            .field("health_deadline", &self.health_deadline)
            .field("health_fall", &self.health_fall)
            .field("health_rise", &self.health_rise)
            .field("restarts", &self.restarts)
            .finish()
    }
}

impl PluginDefaults {
    /// These, with what `plugin` says of its own in their place.
    #[must_use]
    pub fn overlaid(&self, plugin: &PluginSettings) -> PluginDefaults {
        PluginDefaults {
            instances: plugin.instances.unwrap_or(self.instances),
            queue: plugin.queue.unwrap_or(self.queue),
            reuse: plugin.reuse.unwrap_or(self.reuse),
            recycle_calls: plugin.recycle_calls.unwrap_or(self.recycle_calls),
            recycle_memory: plugin.recycle_memory.unwrap_or(self.recycle_memory),
            memory: plugin.memory.unwrap_or(self.memory),
            total_memory: plugin.total_memory.unwrap_or(self.total_memory),
            tables: plugin.tables.unwrap_or(self.tables),
            files: plugin.files.unwrap_or(self.files),
            cpu: plugin.cpu.unwrap_or(self.cpu),
            deadline: plugin.deadline.unwrap_or(self.deadline),
            init: plugin.init.unwrap_or(self.init),
            output: plugin.output.unwrap_or(self.output),
            logs: plugin.logs.unwrap_or(self.logs),
            host_calls: plugin.host_calls.unwrap_or(self.host_calls),
            isolation: plugin.isolation.unwrap_or(self.isolation),
            breaker_failures: plugin.breaker_failures.unwrap_or(self.breaker_failures),
            breaker_open: plugin.breaker_open.unwrap_or(self.breaker_open),
            breaker_successes: plugin.breaker_successes.unwrap_or(self.breaker_successes),
            health_every: plugin.health_every.unwrap_or(self.health_every),
            health_deadline: plugin.health_deadline.unwrap_or(self.health_deadline),
            health_fall: plugin.health_fall.unwrap_or(self.health_fall),
            health_rise: plugin.health_rise.unwrap_or(self.health_rise),
            restarts: plugin.restarts.unwrap_or(self.restarts),
        }
    }
}

pub(crate) fn read(
    root: &Table,
    defaults: &PluginDefaults,
    report: &mut Report<'_>,
) -> BTreeMap<String, PluginSettings> {
    let mut plugins = BTreeMap::new();
    let Some(table) =
        root.get("plugins").and_then(|entry| section::as_table(entry, "plugins", report))
    else {
        return plugins;
    };
    for (name, entry) in table {
        let path = render::join_key("plugins", name);
        if !is_plugin_name(name) {
            let message = format!("expected a plugin name, found {}", render::quoted(name));
            report.value(&entry.key_at, &path, message, Some(NAME_RULE.to_owned()));
        }
        if let Some(table) = section::as_table(entry, &path, report) {
            let section = Section::over(Some(table), path, keys::PLUGIN, report);
            plugins.insert(name.clone(), read_one(section, name, defaults));
        }
    }
    plugins
}

pub(crate) const NAME_RULE: &str = "names are 1 to 64 of a-z, 0-9, '.', '_' and '-', beginning with a letter or digit; \
                         a name with a dot is quoted: [plugins.\"a.b\"]";

/// `[a-z0-9][a-z0-9._-]{0,63}`
pub(crate) fn is_plugin_name(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    name.len() <= 64
        && name.bytes().next().is_some_and(plain)
        && name.bytes().all(|byte| plain(byte) || b"._-".contains(&byte))
}

fn read_one(mut section: Section<'_, '_>, name: &str, defaults: &PluginDefaults) -> PluginSettings {
    let mut policy = defaults.clone();
    policy.read(&mut section);
    let mut plugin =
        PluginSettings { artifact: read_artifact(&mut section), ..PluginSettings::default() };
    section.read("enabled", &mut plugin.enabled);
    plugin.after = read_after(&mut section, name);
    if let Some(node) = section.node("config") {
        let path = section.key("config");
        match json::from_node(node, &path, section.report) {
            Some(object @ Json::Object(_)) => plugin.config = object,
            Some(_) => {
                let found = match &node.value {
                    Value::Table(_) => "something else".to_owned(),
                    other => other.found(),
                };
                let hint = format!("write [{path}] and the plugin's own keys below it");
                let message = format!("expected a table, found {found}");
                section.report.wrong_type(&node.at, &path, message, Some(hint));
            }
            None => {}
        }
    }
    plugin.grants = grants::read(&mut section);
    plugin.instances = section.has("instances").then_some(policy.instances);
    plugin.queue = section.has("queue").then_some(policy.queue);
    plugin.reuse = section.has("reuse").then_some(policy.reuse);
    plugin.recycle_calls = section.has("recycle_calls").then_some(policy.recycle_calls);
    plugin.recycle_memory = section.has("recycle_memory").then_some(policy.recycle_memory);
    plugin.memory = section.has("memory").then_some(policy.memory);
    plugin.total_memory = section.has("total_memory").then_some(policy.total_memory);
    plugin.tables = section.has("tables").then_some(policy.tables);
    plugin.files = section.has("files").then_some(policy.files);
    plugin.cpu = section.has("cpu").then_some(policy.cpu);
    plugin.deadline = section.has("deadline").then_some(policy.deadline);
    plugin.init = section.has("init").then_some(policy.init);
    plugin.output = section.has("output").then_some(policy.output);
    plugin.logs = section.has("logs").then_some(policy.logs);
    plugin.host_calls = section.has("host_calls").then_some(policy.host_calls);
    plugin.isolation = section.has("isolation").then_some(policy.isolation);
    plugin.breaker_failures = section.has("breaker_failures").then_some(policy.breaker_failures);
    plugin.breaker_open = section.has("breaker_open").then_some(policy.breaker_open);
    plugin.breaker_successes = section.has("breaker_successes").then_some(policy.breaker_successes);
    plugin.health_every = section.has("health_every").then_some(policy.health_every);
    plugin.health_deadline = section.has("health_deadline").then_some(policy.health_deadline);
    plugin.health_fall = section.has("health_fall").then_some(policy.health_fall);
    plugin.health_rise = section.has("health_rise").then_some(policy.health_rise);
    plugin.restarts = section.has("restarts").then_some(policy.restarts);
    plugin
}

/// A file of the plugin folder itself: nothing that leads elsewhere.
fn read_artifact(section: &mut Section<'_, '_>) -> Option<String> {
    let name: String = section.get("artifact")?;
    let elsewhere = name.is_empty()
        || name.len() > 255
        || matches!(name.as_str(), "." | "..")
        || name.chars().any(|letter| matches!(letter, '/' | '\\' | ':') || letter.is_control());
    if elsewhere {
        let message = format!("expected a file name, found {}", render::quoted(&name));
        let hint = "name a file that lies in the folder of [host] plugins, such as \"hello.wasm\"";
        section.refuse("artifact", message, Some(hint.to_owned()));
        return None;
    }
    Some(name)
}

/// Names of other plugins. That they make no circle is a matter of the whole file.
/// How deep each plugin stands below those that start before it.
pub(crate) fn start_depths(plugins: &BTreeMap<String, PluginSettings>) -> BTreeMap<&str, usize> {
    let needs: order::Needs<'_> = plugins
        .iter()
        .map(|(name, it)| (name.as_str(), it.after.iter().map(String::as_str).collect()))
        .collect();
    let mut depths: BTreeMap<&str, usize> = BTreeMap::new();
    // Circles were refused, so each comes after all that it needs.
    for name in order::walk(&needs).order {
        let above = needs.get(name).into_iter().flatten().filter_map(|need| depths.get(need));
        let depth = above.max().map_or(0, |deepest| deepest + 1);
        depths.insert(name, depth);
    }
    depths
}

fn read_after(section: &mut Section<'_, '_>, name: &str) -> Vec<String> {
    let after = section.list("after", "an array such as [\"other\"]", |other: &String| {
        if !is_plugin_name(other) {
            let message = format!("expected a plugin name, found {}", render::quoted(other));
            return Err((message, Some(NAME_RULE.to_owned())));
        }
        if other == name {
            let message = "expected other plugins, found this one".to_owned();
            return Err((message, Some("a plugin cannot start before itself".to_owned())));
        }
        Ok(())
    });
    after.unwrap_or_default()
}
