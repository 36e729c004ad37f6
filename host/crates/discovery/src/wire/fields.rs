//! Reads the fields of a JSON object one by one, and collects what is wrong with each.

use std::fmt;

use serde_json::{Map, Value};

use super::invalid::{Invalid, shortened};

/// The fields of an object that are not read yet.
pub(super) struct Fields<'a> {
    rest: Map<String, Value>,
    /// What stands before the name of a field in an error, with the dot.
    prefix: &'static str,
    known: Vec<&'static str>,
    invalid: &'a mut Invalid,
}

impl<'a> Fields<'a> {
    /// The fields of `value`, or none and an error if it is not an object.
    pub(super) fn of(value: Value, prefix: &'static str, invalid: &'a mut Invalid) -> Self {
        let rest = match value {
            Value::Object(map) => map,
            other => {
                let field = prefix.trim_end_matches('.');
                invalid.add(field, format!("expected an object, found {}", kind(&other)));
                Map::new()
            }
        };
        Self { rest, prefix, known: Vec::new(), invalid }
    }

    /// Takes a field; `null` counts as absent.
    pub(super) fn take(&mut self, name: &'static str) -> Option<Value> {
        self.known.push(name);
        self.rest.remove(name).filter(|value| !value.is_null())
    }

    /// Takes a field and reads it. Absent or wrong, it is `None`, and wrong ones are noted.
    pub(super) fn read<T, E: fmt::Display>(
        &mut self,
        name: &'static str,
        read: impl FnOnce(&Value) -> Result<T, E>,
    ) -> Option<T> {
        let value = self.take(name)?;
        let field = format!("{}{name}", self.prefix);
        self.invalid.keep(&field, read(&value))
    }

    /// As [`read`](Self::read), for a field that must be there.
    pub(super) fn need<T, E: fmt::Display>(
        &mut self,
        name: &'static str,
        read: impl FnOnce(&Value) -> Result<T, E>,
    ) -> Option<T> {
        let Some(value) = self.take(name) else {
            self.add(name, "this field is required");
            return None;
        };
        let field = format!("{}{name}", self.prefix);
        self.invalid.keep(&field, read(&value))
    }

    pub(super) fn add(&mut self, name: &str, detail: impl Into<String>) {
        self.invalid.add(format!("{}{name}", self.prefix), detail);
    }

    pub(super) fn invalid(&mut self) -> &mut Invalid {
        self.invalid
    }

    /// Notes the fields that nobody took: a misspelt one would be ignored otherwise.
    pub(super) fn finish(self) {
        for name in self.rest.keys() {
            let detail = format!("unknown field, expected one of {}", self.known.join(", "));
            self.invalid.add(format!("{}{}", self.prefix, bare(name)), detail);
        }
    }
}

/// The name of an unknown field, shortened, as it stands in a path.
fn bare(name: &str) -> String {
    shortened(name).trim_matches('"').to_owned()
}

/// A text.
pub(super) fn string(value: &Value) -> Result<&str, String> {
    value.as_str().ok_or_else(|| format!("expected a text, found {}", kind(value)))
}

/// A whole number from `least` to `most`.
pub(super) fn integer(value: &Value, least: u64, most: u64) -> Result<u64, String> {
    let found = value.as_u64().filter(|number| (least..=most).contains(number));
    found.ok_or_else(|| {
        let found = shortened(&value.to_string());
        format!("expected a whole number from {least} to {most}, found {}", found.trim_matches('"'))
    })
}

/// The kind of a JSON value, with its article.
pub(super) fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}
