//! The size of a schema, including parts that are not used: data, unused definitions, unknown
//! keywords.

use serde_json::Value;

use super::{SchemaViolation, Verdict, below};
use crate::config::problem::render;

const VALUES: usize = 10_000;
const DEPTH: usize = 64;
const TEXT: usize = 256 << 10;
const PATTERNS: usize = 64;
const PATTERN: usize = 1024;

pub(super) fn check(schema: &Value) -> Verdict<()> {
    SchemaSize::default().take(schema, "", 0)
}

#[derive(Default)]
struct SchemaSize {
    values: usize,
    text: usize,
    patterns: usize,
}

impl SchemaSize {
    fn take(&mut self, value: &Value, pointer: &str, depth: usize) -> Verdict<()> {
        self.values += 1;
        if self.values > VALUES {
            return Err(SchemaViolation::schema("", format!("at most {VALUES} values"), "more"));
        }
        if depth > DEPTH {
            return Err(SchemaViolation::schema(
                "",
                format!("at most {DEPTH} levels of nesting"),
                "more",
            ));
        }
        match value {
            Value::Object(entries) => {
                for (key, child) in entries {
                    self.text(key)?;
                    self.keyword(key, child, pointer, depth)?;
                    self.take(child, &below(pointer, key), depth + 1)?;
                }
            }
            Value::Array(items) => {
                for (index, item) in items.iter().enumerate() {
                    self.take(item, &below(pointer, &index.to_string()), depth + 1)?;
                }
            }
            Value::String(text) => self.text(text)?,
            _ => {}
        }
        Ok(())
    }

    fn text(&mut self, text: &str) -> Verdict<()> {
        self.text += text.len();
        if self.text > TEXT {
            return Err(SchemaViolation::schema(
                "",
                format!("at most {TEXT} bytes of text"),
                "more",
            ));
        }
        Ok(())
    }

    /// A key with the name of a keyword counts as one only if its value has the keyword's type: a
    /// property may be called `pattern` or `$id` too.
    fn keyword(&mut self, key: &str, value: &Value, pointer: &str, depth: usize) -> Verdict<()> {
        let at = || below(pointer, key);
        match (key, value) {
            ("pattern", Value::String(pattern)) => self.pattern(pattern, &at()),
            ("patternProperties", Value::Object(entries)) => {
                entries.keys().try_for_each(|pattern| self.pattern(pattern, &at()))
            }
            ("$ref", Value::String(target)) if target != "#" && !target.starts_with("#/") => {
                Err(SchemaViolation::schema(
                    &at(),
                    "a reference within the schema, such as \"#/$defs/name\"",
                    render::quoted(target),
                ))
            }
            // These keywords change the base or the target of references in ways that `Walk` does
            // not follow.
            ("$dynamicRef" | "$recursiveRef" | "$dynamicAnchor" | "$anchor", Value::String(_))
            | ("$recursiveAnchor", Value::Bool(_)) => Err(SchemaViolation::schema(
                &at(),
                "references by \"$ref\" and a JSON pointer only",
                format!("the keyword {key}"),
            )),
            ("$id" | "$schema", Value::String(_)) if depth > 0 => {
                Err(SchemaViolation::schema(&at(), "one schema", "another one inside of it"))
            }
            _ => Ok(()),
        }
    }

    fn pattern(&mut self, pattern: &str, at: &str) -> Verdict<()> {
        self.patterns += 1;
        if self.patterns > PATTERNS {
            return Err(SchemaViolation::schema(
                at,
                format!("at most {PATTERNS} patterns"),
                "more",
            ));
        }
        if pattern.len() > PATTERN {
            let found = format!("{} bytes", pattern.len());
            return Err(SchemaViolation::schema(
                at,
                format!("a pattern of at most {PATTERN} bytes"),
                found,
            ));
        }
        Ok(())
    }
}
