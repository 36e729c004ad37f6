//! `[plugins.NAME]`.

use std::collections::BTreeMap;
use std::fmt;

use plugbay_core::Grants;
use plugbay_registry::order;
use serde::{Serialize, Serializer};
use serde_json::{Map, Value as Json};

use super::grants;
use super::keys;
use super::limits::{PluginDefaults, PluginOverrides};
use crate::config::problem::report::Report;
use crate::config::problem::{render, secret};
use crate::config::read::json;
use crate::config::read::section::{self, Section};
use crate::config::read::tree::{Table, Value};

/// One plugin: its file, its config, and its overrides of the defaults.
///
/// [`Debug`](fmt::Debug) and [`Serialize`] hide the values of config keys that sound like secrets,
/// and those of granted environment variables: use the fields themselves to compare or to hash.
#[derive(Clone, PartialEq, Serialize)]
pub struct PluginSettings {
    /// The file in the plugin folder; `None` = the plugin's name with any known extension.
    pub artifact: Option<String>,
    /// Whether the plugin runs.
    pub enabled: bool,
    /// Plugins that start before this one, and stop after it, if they run at all.
    pub after: Vec<String>,
    /// The config for the plugin's `init`; always an object.
    #[serde(serialize_with = "serialize_masked")]
    pub config: Json,
    /// What it may reach beyond its own memory.
    #[serde(serialize_with = "grants::serialize")]
    pub grants: Grants,
    /// The limits that differ from the defaults.
    #[serde(flatten)]
    pub limits: PluginOverrides,
}

impl Default for PluginSettings {
    fn default() -> PluginSettings {
        PluginSettings {
            artifact: None,
            enabled: true,
            after: Vec::new(),
            config: Json::Object(Map::new()),
            grants: Grants::default(),
            limits: PluginOverrides::default(),
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
            .field("limits", &self.limits)
            .finish()
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
            let section = Section::over(Some(table), path, &keys::PLUGIN, report);
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
    let limits = PluginOverrides::read(&mut section, defaults);
    let artifact = read_artifact(&mut section);
    let mut plugin = PluginSettings { artifact, limits, ..PluginSettings::default() };
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
    plugin
}

/// The name of a file directly in the plugin folder.
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

/// For each plugin, the number of plugins that must start one after the other before it.
pub(crate) fn start_depths(plugins: &BTreeMap<String, PluginSettings>) -> BTreeMap<&str, usize> {
    let needs: order::Dependencies<'_> = plugins
        .iter()
        .map(|(name, it)| (name.as_str(), it.after.iter().map(String::as_str).collect()))
        .collect();
    let mut depths: BTreeMap<&str, usize> = BTreeMap::new();
    // Cycles were refused, so each name comes after all names that it needs.
    for name in order::topological_order(&needs).order {
        let above = needs.get(name).into_iter().flatten().filter_map(|need| depths.get(need));
        let depth = above.max().map_or(0, |deepest| deepest + 1);
        depths.insert(name, depth);
    }
    depths
}

/// Names of other plugins. Cycles are checked on the whole configuration.
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
