//! Turns errors of the validator into violations: which key, what was expected, what was found.

use jsonschema::ValidationError;
use jsonschema::error::{TypeKind, ValidationErrorKind as Kind};
use plugbay_registry::nearest;
use serde_json::Value;

use super::SchemaViolation;
use crate::config::problem::{render, secret};

/// The most names of a list that are shown.
const LISTED: usize = 30;

pub(super) fn unusable(error: &ValidationError<'_>) -> SchemaViolation {
    let found = match error.kind() {
        Kind::Format { format } if format == "regex" => {
            "a pattern that is malformed, too large, or needs lookaround or back references"
                .to_owned()
        }
        _ => shortened(&error.masked().to_string()),
    };
    SchemaViolation::schema(error.instance_path().as_str(), "a valid JSON Schema", found)
}

/// One error of the validator is one violation, or several where it names several keys.
pub(super) fn violations(
    error: &ValidationError<'_>,
    schema: &Value,
    config: &Value,
) -> Vec<SchemaViolation> {
    let key = dotted(error.instance_path().as_str(), config);
    let one = |expected: String| {
        let hidden =
            secret::sounds_secret(&key) || is_marked_secret(schema, error.schema_path().as_str());
        let found = found(error.instance(), hidden);
        vec![SchemaViolation::config(key.clone(), expected, found)]
    };
    match error.kind() {
        Kind::AdditionalProperties { unexpected } | Kind::UnevaluatedProperties { unexpected } => {
            let known = known_keys(error.schema_path().as_str(), schema);
            unexpected.iter().map(|name| unknown_key(&key, name, &known)).collect()
        }
        Kind::Required { property } => {
            let name = property.as_str().unwrap_or_default();
            let key = render::join_key(&key, name);
            vec![SchemaViolation::config(
                key,
                "a value: the key is required".to_owned(),
                "nothing".to_owned(),
            )]
        }
        Kind::AnyOf { context } | Kind::OneOfNotValid { context } => {
            match meant(context, error.instance_path().as_str()) {
                Some(branch) => {
                    branch.iter().flat_map(|error| violations(error, schema, config)).collect()
                }
                None => one(alternatives(context)),
            }
        }
        Kind::PropertyNames { error: inner } => {
            let name = inner.instance().as_str().unwrap_or_default();
            let expected = format!("a key that is {}", expected(inner));
            vec![SchemaViolation::config(key, expected, render::quoted(name))]
        }
        _ => one(expected(error)),
    }
}

fn unknown_key(parent: &str, name: &str, known: &[&str]) -> SchemaViolation {
    let mut expected = if known.is_empty() {
        "no other key".to_owned()
    } else {
        format!("one of the keys {}", list(known.iter().map(ToString::to_string)))
    };
    if let Some(near) = nearest(name, known.iter().copied()) {
        expected = format!("{expected} (did you mean `{}`?)", render::printable(near));
    }
    let found = format!("the unknown key {}", render::quoted(name));
    SchemaViolation::config(render::join_key(parent, name), expected, found)
}

/// The properties next to the keyword at `pointer`.
fn known_keys<'a>(pointer: &str, schema: &'a Value) -> Vec<&'a str> {
    pointer
        .rsplit_once('/')
        .and_then(|(parent, _)| schema.pointer(parent))
        .and_then(|parent| parent.get("properties"))
        .and_then(Value::as_object)
        .map(|properties| properties.keys().map(String::as_str).collect())
        .unwrap_or_default()
}

/// The branch of an alternative that the operator probably meant: the only branch whose type and
/// constants (a tag) match the value.
fn meant<'a>(
    context: &'a [Vec<ValidationError<'static>>],
    path: &str,
) -> Option<&'a [ValidationError<'static>]> {
    let another_kind = |error: &ValidationError<'_>| match error.kind() {
        Kind::Type { .. } | Kind::Enum { .. } => error.instance_path().as_str() == path,
        Kind::Constant { .. } | Kind::FalseSchema => true,
        Kind::AnyOf { context } | Kind::OneOfNotValid { context } => {
            error.instance_path().as_str() == path && meant(context, path).is_none()
        }
        _ => false,
    };
    let mut candidates =
        context.iter().filter(|branch| !branch.is_empty() && !branch.iter().any(another_kind));
    match (candidates.next(), candidates.next()) {
        (Some(only), None) => Some(only),
        _ => None,
    }
}

fn alternatives(context: &[Vec<ValidationError<'static>>]) -> String {
    let mut each: Vec<String> =
        context.iter().filter_map(|branch| branch.first()).map(expected).collect();
    each.dedup();
    match each.len() {
        0 => "one of the declared alternatives".to_owned(),
        1..=8 => each.join(", or "),
        more => format!("{}, or one of {} others", each[..8].join(", or "), more - 8),
    }
}

fn expected(error: &ValidationError<'_>) -> String {
    match error.kind() {
        Kind::Type { kind: TypeKind::Single(one) } => type_name(one.as_str()).to_owned(),
        Kind::Type { kind: TypeKind::Multiple(several) } => {
            several.iter().map(|one| type_name(one.as_str())).collect::<Vec<_>>().join(" or ")
        }
        Kind::Enum { options } => match options.as_array() {
            Some(options) => {
                let near = error
                    .instance()
                    .as_str()
                    .and_then(|wrong| nearest(wrong, options.iter().filter_map(Value::as_str)));
                let list = format!("one of {}", list(options.iter().map(short)));
                match near {
                    Some(near) => format!("{list} (did you mean {}?)", render::quoted(near)),
                    None => list,
                }
            }
            None => "one of the declared values".to_owned(),
        },
        Kind::AnyOf { context } | Kind::OneOfNotValid { context } => alternatives(context),
        Kind::Constant { expected_value } => short(expected_value),
        Kind::Minimum { limit } => format!("{limit} or more"),
        Kind::Maximum { limit } => format!("{limit} or less"),
        Kind::ExclusiveMinimum { limit } => format!("more than {limit}"),
        Kind::ExclusiveMaximum { limit } => format!("less than {limit}"),
        Kind::MultipleOf { multiple_of } => format!("a multiple of {multiple_of}"),
        Kind::MinLength { limit } => format!("at least {limit} characters"),
        Kind::MaxLength { limit } => format!("at most {limit} characters"),
        Kind::MinItems { limit } => format!("at least {limit} items"),
        Kind::MaxItems { limit } => format!("at most {limit} items"),
        Kind::AdditionalItems { limit } => format!("at most {limit} items"),
        Kind::MinProperties { limit } => format!("at least {limit} keys"),
        Kind::MaxProperties { limit } => format!("at most {limit} keys"),
        Kind::UniqueItems => "items that differ".to_owned(),
        Kind::Pattern { pattern } => format!("a string that matches {}", render::quoted(pattern)),
        Kind::Format { format } => format!("a string of the format {}", render::quoted(format)),
        Kind::FalseSchema => "nothing here".to_owned(),
        Kind::Contains => "an item of the declared form".to_owned(),
        Kind::Not { .. } => "another value: this one is excluded".to_owned(),
        Kind::OneOfMultipleValid { .. } => "a value of exactly one of the alternatives".to_owned(),
        _ => shortened(&error.masked().to_string()),
    }
}

fn type_name(json: &str) -> &'static str {
    match json {
        "null" => "null",
        "boolean" => "true or false",
        "integer" => "an integer",
        "number" => "a number",
        "string" => "a string",
        "array" => "an array",
        _ => "a table",
    }
}

/// Whether a schema on the way to the keyword at `pointer` says that its value must not be shown.
fn is_marked_secret(schema: &Value, pointer: &str) -> bool {
    let mut at = Some(schema);
    let mut parts = pointer.split('/').skip(1);
    while let Some(schema) = at {
        if schema["writeOnly"] == true || schema["format"] == "password" {
            return true;
        }
        // What a reference leads to is elsewhere.
        let Some(part) = parts.next() else { break };
        let name = part.replace("~1", "/").replace("~0", "~");
        at = schema.get(&name).or_else(|| schema.get(name.parse::<usize>().ok()?));
    }
    false
}

/// What was found. A value that is hidden is only told by its type.
fn found(value: &Value, hidden: bool) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Array(items) => format!("an array of {}", items.len()),
        Value::Object(_) => "a table".to_owned(),
        Value::Bool(_) if hidden => "a boolean".to_owned(),
        Value::Number(_) if hidden => "a number".to_owned(),
        Value::String(_) if hidden => "a string".to_owned(),
        Value::Bool(yes) => format!("the boolean {yes}"),
        Value::Number(number) if number.is_f64() => format!("the float {number}"),
        Value::Number(number) => format!("the integer {number}"),
        Value::String(text) => format!("the string {}", render::quoted(text)),
    }
}

fn short(value: &Value) -> String {
    match value {
        Value::String(text) => render::quoted(text),
        other => shortened(&other.to_string()),
    }
}

/// Text from the plugin: printable and of bounded length.
fn shortened(text: &str) -> String {
    let text = render::printable(text);
    match text.char_indices().nth(200) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text,
    }
}

fn list(names: impl Iterator<Item = String>) -> String {
    let mut names: Vec<String> = names.collect();
    let more = names.len().saturating_sub(LISTED);
    names.truncate(LISTED);
    let shown = names.iter().map(|name| shortened(name)).collect::<Vec<_>>().join(", ");
    if more > 0 { format!("{shown} and {more} more") } else { shown }
}

/// `/a/0/b` as `a[0].b`, where `a` is an array.
fn dotted(pointer: &str, config: &Value) -> String {
    let mut path = String::new();
    let mut at = Some(config);
    for part in pointer.split('/').skip(1) {
        let part = part.replace("~1", "/").replace("~0", "~");
        if let Some(Value::Array(items)) = at {
            path = format!("{path}[{part}]");
            at = part.parse().ok().and_then(|index: usize| items.get(index));
        } else {
            path = render::join_key(&path, &part);
            at = at.and_then(|value| value.get(&part));
        }
    }
    path
}
