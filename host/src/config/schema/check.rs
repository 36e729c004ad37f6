//! Checks one config against one schema.

use jsonschema::PatternOptions;
use serde_json::Value;

use super::{SchemaViolation, budget, explain};
use crate::config::read::deep::{Failed, on_deep_stack};

/// The most violations that are reported.
const REPORTED: usize = 50;

/// Checks `config` against `schema`. Blocks for a time in proportion to the size of both, at most
/// about a second, whatever the schema contains.
///
/// # Errors
/// With every violation, up to fifty; with exactly one when the schema itself cannot be used.
pub fn check_plugin_config(schema: &Value, config: &Value) -> Result<(), Vec<SchemaViolation>> {
    let unusable = |found: String| {
        let expected = "a schema that can be checked";
        Err(vec![SchemaViolation::schema("", expected, found)])
    };
    match on_deep_stack(|| check(schema, config)) {
        Ok(verdict) => verdict,
        Err(Failed::Panicked) => unusable("a schema that makes the validator panic".to_owned()),
        Err(Failed::NoThread(error)) => {
            unusable(format!("no thread to run the validator: {error}"))
        }
    }
}

fn check(schema: &Value, config: &Value) -> Result<(), Vec<SchemaViolation>> {
    budget::check(schema, config).map_err(|violation| vec![violation])?;
    let validator = jsonschema::options()
        .offline()
        .with_pattern_options(PatternOptions::regex().size_limit(budget::PATTERN_PROGRAM))
        .build(schema)
        .map_err(|error| vec![explain::unusable(&error)])?;
    let violations: Vec<SchemaViolation> = validator
        .iter_errors(config)
        .take(REPORTED)
        .flat_map(|error| explain::violations(&error, schema, config))
        .take(REPORTED)
        .collect();
    if violations.is_empty() { Ok(()) } else { Err(violations) }
}
