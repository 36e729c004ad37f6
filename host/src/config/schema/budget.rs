//! Bounds what an untrusted schema may cost, before it is compiled.
//!
//! Two walks. [`size`] goes over the schema as plain JSON and bounds what compiling it can cost:
//! values, depth, text, patterns, and the targets of references. [`walk`] goes over schema and
//! config together, as a validator will, and counts the evaluations without doing any. Both
//! overestimate. If a real schema gets near a limit, the limit should be raised.

mod size;
mod walk;

use serde_json::Value;

use super::SchemaViolation;
use crate::config::problem::render;

/// The most bytes of one compiled pattern.
pub(super) const PATTERN_PROGRAM: usize = 1 << 20;

const DIALECTS: [&str; 3] = [
    "http://json-schema.org/draft-07/schema",
    "https://json-schema.org/draft/2019-09/schema",
    "https://json-schema.org/draft/2020-12/schema",
];

type Verdict<T> = Result<T, SchemaViolation>;

pub(super) fn check(schema: &Value, config: &Value) -> Verdict<()> {
    dialect(schema)?;
    size::check(schema)?;
    walk::check(schema, config)
}

fn dialect(schema: &Value) -> Verdict<()> {
    match schema.get("$schema") {
        None => Ok(()),
        Some(Value::String(uri)) if DIALECTS.contains(&uri.trim_end_matches('#')) => Ok(()),
        Some(other) => Err(SchemaViolation::schema(
            "/$schema",
            "draft 7, 2019-09 or 2020-12",
            render::quoted(other.as_str().unwrap_or("something else than a string")),
        )),
    }
}

fn below(pointer: &str, key: &str) -> String {
    format!("{pointer}/{}", key.replace('~', "~0").replace('/', "~1"))
}
