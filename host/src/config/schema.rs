//! A plugin's config against the JSON Schema that the plugin declares.
//!
//! The config is the operator's, and small. The schema is the plugin's, and plugins are untrusted:
//! a schema may be huge, may refer to itself without end, may name files and addresses to fetch,
//! and may hold patterns that never finish. So before the schema is compiled, `budget` bounds its
//! size, and estimates what checking the config will cost; patterns run on an engine with linear
//! time; nothing is ever fetched; and the work runs on a separate thread, whose stack is large
//! enough for what the bounds allow and whose panic becomes an error. Drafts 7, 2019-09 and 2020-12
//! are supported; a schema without `$schema` is of the latest.
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

/// One way in which a config does not satisfy its schema, or in which the schema cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct SchemaViolation {
    /// The dotted key within the plugin's config; empty for the whole config. If the schema is at
    /// fault, a JSON pointer into the schema, which begins with `#`.
    pub key: String,
    /// What the schema expects.
    pub expected: String,
    /// What was found. Values whose keys sound like secrets are not shown, and neither are those that the schema
    /// marks by `"writeOnly": true` or `"format": "password"`.
    pub found: String,
    /// A lowercase fragment with all of this, and the nearest known key, if there is one.
    pub message: String,
    /// Whether the configuration or the schema is at fault.
    pub fault: Fault,
}

/// Who has to fix a violation.
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
