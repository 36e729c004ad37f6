//! `[plugins.NAME]`.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use plugbay_core::Isolation;
use serde::{Serialize, Serializer};
use serde_json::{Map, Value as Json};

use super::report::Report;
use super::section::{self, Section};
use super::tree::{Table, Value};
use super::{PluginDefaults, Reuse, Size, duration, json, keys, render, secret};

/// One plugin: where it comes from, its config, and what it may use other than the defaults.
///
/// [`Debug`](fmt::Debug) and [`Serialize`] hide the values of config keys that sound like secrets:
/// use `config` itself to compare or to hash.
#[derive(Clone, PartialEq, Serialize)]
pub struct PluginSettings {
    /// The file in the plugin folder; `None` = the plugin's name with any known extension.
    pub artifact: Option<String>,
    /// Whether it runs.
    pub enabled: bool,
    /// For the plugin's `init`; always an object.
    #[serde(serialize_with = "serialize_masked")]
    pub config: Json,
    /// The most instances at once.
    pub instances: Option<u32>,
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
    /// Where native code runs, if it may.
    pub isolation: Option<Isolation>,
}

impl Default for PluginSettings {
    fn default() -> PluginSettings {
        PluginSettings {
            artifact: None,
            enabled: true,
            config: Json::Object(Map::new()),
            instances: None,
            reuse: None,
            recycle_calls: None,
            recycle_memory: None,
            memory: None,
            total_memory: None,
            cpu: None,
            deadline: None,
            init: None,
            output: None,
            isolation: None,
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
            .field("config", &format_args!("{}", secret::masked(&self.config)))
            .field("instances", &self.instances)
            .field("reuse", &self.reuse)
            .field("recycle_calls", &self.recycle_calls)
            .field("recycle_memory", &self.recycle_memory)
            .field("memory", &self.memory)
            .field("total_memory", &self.total_memory)
            .field("cpu", &self.cpu)
            .field("deadline", &self.deadline)
            .field("init", &self.init)
            .field("output", &self.output)
            .field("isolation", &self.isolation)
            .finish()
    }
}

pub(super) fn read(
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
            plugins.insert(name.clone(), read_one(section, defaults));
        }
    }
    plugins
}

const NAME_RULE: &str = "names are 1 to 64 of a-z, 0-9, '.', '_' and '-', beginning with a letter or digit; \
                         a name with a dot is quoted: [plugins.\"a.b\"]";

/// `[a-z0-9][a-z0-9._-]{0,63}`
pub(super) fn is_plugin_name(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    name.len() <= 64
        && name.bytes().next().is_some_and(plain)
        && name.bytes().all(|byte| plain(byte) || b"._-".contains(&byte))
}

fn read_one(mut section: Section<'_, '_>, defaults: &PluginDefaults) -> PluginSettings {
    let mut policy = defaults.clone();
    policy.read(&mut section);
    let mut plugin =
        PluginSettings { artifact: read_artifact(&mut section), ..PluginSettings::default() };
    section.read("enabled", &mut plugin.enabled);
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
    plugin.instances = section.has("instances").then_some(policy.instances);
    plugin.reuse = section.has("reuse").then_some(policy.reuse);
    plugin.recycle_calls = section.has("recycle_calls").then_some(policy.recycle_calls);
    plugin.recycle_memory = section.has("recycle_memory").then_some(policy.recycle_memory);
    plugin.memory = section.has("memory").then_some(policy.memory);
    plugin.total_memory = section.has("total_memory").then_some(policy.total_memory);
    plugin.cpu = section.has("cpu").then_some(policy.cpu);
    plugin.deadline = section.has("deadline").then_some(policy.deadline);
    plugin.init = section.has("init").then_some(policy.init);
    plugin.output = section.has("output").then_some(policy.output);
    plugin.isolation = section.has("isolation").then_some(policy.isolation);
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
