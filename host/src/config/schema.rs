//! A plugin's config against the JSON Schema that the plugin declares.
//!
//! The config is the operator's, and small. The schema is the plugin's, and a plugin is foreign: its
//! schema may be huge, may refer to itself without end, may name files and addresses to fetch, may
//! hold patterns that never finish. So before the schema is compiled, `budget` bounds what it holds,
//! and walks it over the config to bound what checking will cost; patterns go to the engine whose
//! time is linear; nothing is ever fetched; and the work happens on a thread of its own, whose stack
//! fits what the bounds let through and whose panic is an answer.
//!
//! Drafts 7, 2019-09 and 2020-12 are spoken, the latest where `$schema` is absent.
//!
//! Without the feature `schema` there is no validator. A plugin that declares a schema then runs
//! without configuration only.

#[cfg(feature = "schema")]
mod budget;
#[cfg(feature = "schema")]
mod check;
#[cfg(feature = "schema")]
mod explain;
#[cfg(not(feature = "schema"))]
mod unchecked;

use std::fmt;

use serde::Serialize;

#[cfg(feature = "schema")]
pub use self::check::check_plugin_config;
#[cfg(not(feature = "schema"))]
pub use self::unchecked::check_plugin_config;

/// One way in which a config does not fit its schema, or in which the schema is of no use.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct SchemaViolation {
    /// Dotted, within the plugin's config; empty for the whole. Within the schema, and written as
    /// a JSON pointer that begins with `#`, where the schema is at fault.
    pub key: String,
    /// What the schema asks for.
    pub expected: String,
    /// Values whose keys sound like secrets are not named.
    pub found: String,
    /// A lowercase fragment with all of it, and the nearest known key where one is near.
    pub message: String,
    /// Whether the configuration or the schema is at fault.
    pub fault: Fault,
}

/// Who has to mend it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Fault {
    /// The operator: the config does not fit.
    Config,
    /// The plugin's author: the schema cannot be used.
    Schema,
}

impl SchemaViolation {
    /// A stable word for metrics, logs and the API.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        match self.fault {
            Fault::Config => "config-schema-violation",
            Fault::Schema => "config-schema-unusable",
        }
    }

    fn config(key: String, expected: String, found: String) -> SchemaViolation {
        let at = if key.is_empty() { "the config" } else { &key };
        let message = format!("{at}: expected {expected}, found {found}");
        SchemaViolation { key, expected, found, message, fault: Fault::Config }
    }

    #[cfg(feature = "schema")]
    fn schema(
        pointer: &str,
        expected: impl Into<String>,
        found: impl Into<String>,
    ) -> SchemaViolation {
        let (expected, found) = (expected.into(), found.into());
        let key = format!("#{pointer}");
        let message = format!("the plugin's schema at {key}: expected {expected}, found {found}");
        SchemaViolation { key, expected, found, message, fault: Fault::Schema }
    }
}

impl fmt::Display for SchemaViolation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}
