//! Replaces the validator in a build without the feature `schema`.

use serde_json::Value;

use super::SchemaViolation;

/// Accepts a `config` without keys, whatever `schema` requires.
///
/// # Errors
/// If `config` has keys: this build lacks the feature `schema`, and cannot check them.
pub fn check_plugin_config(_schema: &Value, config: &Value) -> Result<(), Vec<SchemaViolation>> {
    let keys = config.as_object().map_or(0, serde_json::Map::len);
    if keys == 0 {
        return Ok(());
    }
    let expected = "no keys, because this host is built without the feature `schema`, which checks \
                    them against the plugin's schema";
    Err(vec![SchemaViolation::config(
        String::new(),
        expected.to_owned(),
        format!("{keys} of them"),
    )])
}
