//! The names of a kind, or of all plugins, with the plugins that provide each and their states.
//!
//! `/debug/registry/{name}` and the command line both use this view of a [`Status`].

use plugbay::kind::BUILT_IN;
use plugbay::{CapabilityStatus, PluginState, PluginStatus, Reason, Status};
use serde::de::value::StrDeserializer;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use utoipa::openapi::{ObjectBuilder, RefOr, Schema, Type};
use utoipa::{PartialSchema, ToSchema};

/// The names of one kind, or of all plugins.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Registry {
    /// The kind, or `plugins`.
    pub name: String,
    /// The generation that serves.
    pub generation: u64,
    /// By name: all plugins that offer it, in the order of the configuration. For `plugins`,
    /// running ones come first, then draining ones, then rejected ones.
    pub entries: Vec<Entry>,
}

/// One name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = RegistryEntry)]
pub struct Entry {
    /// The name of a capability or of a plugin. Empty for a rejected file whose name is not known.
    pub name: String,
    /// The plugin that offers it.
    pub plugin: String,
    /// The plugin's version, if it is known.
    pub version: Option<String>,
    /// SHA-256 of the artifact, if it could be read.
    pub digest: Option<String>,
    /// The size of the artifact in bytes, if the plugin runs.
    pub size: Option<u64>,
    /// The file, or `linked:NAME`; `None` for draining plugins.
    pub source: Option<String>,
    /// The first generation that held it, if the plugin runs.
    pub generation: Option<u64>,
    /// The state of the plugin.
    pub state: State,
    /// The reason of the rejection.
    pub reason: Option<Reason>,
}

/// The state of a plugin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It is in the generation that serves.
    Serving(PluginState),
    /// It is retired, and calls of it are still in flight.
    Draining,
    /// It was refused.
    Rejected,
}

impl State {
    /// The stable word: `running`, `unhealthy`, `draining`, …
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Serving(state) => state.as_str(),
            Self::Draining => "draining",
            Self::Rejected => "rejected",
        }
    }
}

impl Serialize for State {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl PartialSchema for State {
    fn schema() -> RefOr<Schema> {
        let words = PluginState::ALL.map(Self::Serving).into_iter();
        let words = words.chain([Self::Draining, Self::Rejected]).map(Self::as_str);
        let words = ObjectBuilder::new().schema_type(Type::String).enum_values(Some(words));
        words.description(Some("The state of a plugin.")).into()
    }
}

impl ToSchema for State {}

impl<'de> Deserialize<'de> for State {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let word = String::deserialize(deserializer)?;
        Ok(match word.as_str() {
            "draining" => Self::Draining,
            "rejected" => Self::Rejected,
            state => Self::Serving(PluginState::deserialize(StrDeserializer::new(state))?),
        })
    }
}

/// The names of the kind `name`, or of `plugins`. `None` if there is no such kind: the built-in ones
/// are always there.
#[must_use]
pub fn registry(status: &Status, name: &str) -> Option<Registry> {
    let entries = if name == "plugins" {
        plugins(status)
    } else if names(&status.capabilities).iter().any(|kind| kind == name) {
        capabilities(status, name)
    } else {
        return None;
    };
    Some(Registry { name: name.to_owned(), generation: status.generation, entries })
}

/// The names that [`registry`] takes, sorted.
#[must_use]
pub fn names(capabilities: &[CapabilityStatus]) -> Vec<String> {
    let kinds = capabilities.iter().map(|capability| capability.kind.as_str());
    let mut names: Vec<String> =
        kinds.chain(BUILT_IN.map(|kind| kind.name)).chain(["plugins"]).map(str::to_owned).collect();
    names.sort();
    names.dedup();
    names
}

fn capabilities(status: &Status, kind: &str) -> Vec<Entry> {
    let of_kind = status.capabilities.iter().filter(|capability| capability.kind == kind);
    let entries = of_kind.flat_map(|capability| {
        let key = format!("{kind}:{}", capability.name);
        let mut providers = capability.providers.clone();
        // A version on trial may have the same label as the stable one: the label finds both.
        providers.dedup();
        let of = move |label: &String| {
            let is = |plugin: &&PluginStatus| {
                *label == format!("{}@{}", plugin.name, plugin.version)
                    && plugin.capabilities.contains(&key)
            };
            status.plugins.iter().filter(is).collect::<Vec<_>>()
        };
        let plugins: Vec<_> = providers.iter().flat_map(of).collect();
        plugins.into_iter().map(|plugin| running(&capability.name, plugin))
    });
    entries.collect()
}

fn plugins(status: &Status) -> Vec<Entry> {
    let running = status.plugins.iter().map(|plugin| running(&plugin.name, plugin));
    let draining = status.draining.iter().map(|left| {
        let (name, version) = left.plugin.split_once('@').unwrap_or((&left.plugin, ""));
        Entry {
            name: name.to_owned(),
            plugin: name.to_owned(),
            version: Some(version.to_owned()),
            digest: Some(left.digest.clone()),
            size: None,
            source: None,
            generation: None,
            state: State::Draining,
            reason: None,
        }
    });
    let rejected = status.rejected.iter().map(|refused| Entry {
        name: refused.plugin.clone().unwrap_or_default(),
        plugin: refused.plugin.clone().unwrap_or_default(),
        version: None,
        digest: refused.digest.clone(),
        size: None,
        source: Some(refused.source.clone()),
        generation: None,
        state: State::Rejected,
        reason: Some(refused.reason),
    });
    running.chain(draining).chain(rejected).collect()
}

fn running(name: &str, plugin: &PluginStatus) -> Entry {
    Entry {
        name: name.to_owned(),
        plugin: plugin.name.clone(),
        version: Some(plugin.version.clone()),
        digest: Some(plugin.digest.clone()),
        size: Some(plugin.size),
        source: Some(plugin.source.clone()),
        generation: Some(plugin.generation),
        state: State::Serving(plugin.state),
        reason: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_registry_is_read_back() {
        let entry = |state, reason| Entry {
            name: "a".into(),
            plugin: "a".into(),
            version: None,
            digest: None,
            size: Some(1),
            source: Some("a.wasm".into()),
            generation: Some(1),
            state,
            reason,
        };
        let registry = Registry {
            name: "plugins".into(),
            generation: 1,
            entries: vec![
                entry(State::Serving(PluginState::CrashLoop), None),
                entry(State::Draining, None),
                entry(State::Rejected, Some(Reason::Init)),
            ],
        };
        let json = serde_json::to_string(&registry).unwrap();
        assert!(json.contains(r#""state":"crash-loop""#) && json.contains(r#""reason":"init""#));
        assert_eq!(serde_json::from_str::<Registry>(&json).unwrap(), registry);
        assert!(serde_json::from_str::<State>(r#""sleeping""#).is_err());
    }
}
