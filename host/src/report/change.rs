//! The difference between two sets: what an action changes.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What differs between the set that serves and another one.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[non_exhaustive]
pub struct Change {
    /// The plugins that are added, removed or changed, by name.
    pub plugins: Vec<PluginChange>,
    /// The capabilities that are added, as `KIND:NAME`.
    pub capabilities_added: Vec<String>,
    /// The capabilities that are removed: their last provider goes.
    pub capabilities_removed: Vec<String>,
    /// The capabilities whose providers all get no calls afterwards.
    #[serde(default)]
    pub capabilities_held: Vec<String>,
    /// The routes that are added, as `METHODS PATTERN to HANDLER`.
    pub routes_added: Vec<String>,
    /// The routes that are removed.
    pub routes_removed: Vec<String>,
    /// The keys of the configuration that differ. Values that sound like secrets are hidden.
    pub config: Vec<KeyChange>,
}

impl Change {
    /// Whether nothing differs.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// A plugin that is added, removed or changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[non_exhaustive]
pub struct PluginChange {
    /// Its name.
    pub name: String,
    /// What serves now; `None` if it is added.
    pub from: Option<PluginVersion>,
    /// What serves then; `None` if it is removed.
    pub to: Option<PluginVersion>,
    /// What about it differs: `version`, `digest`, `config`, `policy`, `restart`.
    pub differs: Vec<String>,
}

impl PluginChange {
    pub(crate) fn new(name: &str, from: Option<PluginVersion>, to: Option<PluginVersion>) -> Self {
        Self { name: name.to_owned(), from, to, differs: Vec::new() }
    }
}

/// One version of a plugin.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[non_exhaustive]
pub struct PluginVersion {
    /// The version.
    pub version: String,
    /// SHA-256 of the artifact.
    pub digest: String,
    /// The file, or `linked:NAME`.
    pub source: String,
}

impl PluginVersion {
    pub(crate) fn new(version: String, digest: String, source: String) -> Self {
        Self { version, digest, source }
    }
}

/// A key of the configuration that differs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[non_exhaustive]
pub struct KeyChange {
    /// The dotted key.
    pub key: String,
    /// The value now; `None` if the key is added.
    pub from: Option<Value>,
    /// The value then; `None` if the key is removed.
    pub to: Option<Value>,
}

impl KeyChange {
    pub(crate) fn new(key: String, from: Option<Value>, to: Option<Value>) -> Self {
        Self { key, from, to }
    }
}
