//! A plugin's own config as JSON.

use serde_json::{Map, Number, Value as Json};
use toml::de::DeValue;

use super::tree::{self, Node, Value};
use crate::config::problem::render;
use crate::config::problem::report::Report;

/// The value as JSON. A value that JSON cannot hold is reported, and the result is then `None`.
pub(crate) fn from_node(node: &Node, path: &str, report: &mut Report<'_>) -> Option<Json> {
    match &node.value {
        Value::Boolean(yes) => Some(Json::Bool(*yes)),
        Value::String(text) | Value::Datetime(text) => Some(Json::String(text.clone())),
        Value::Integer(number) => {
            let json = i64::try_from(*number)
                .map(Number::from)
                .or_else(|_| u64::try_from(*number).map(Number::from));
            if json.is_err() {
                let message = format!("expected a 64-bit integer, found {number}");
                report.value(&node.at, path, message, None);
            }
            json.ok().map(Json::Number)
        }
        Value::Float(float) => {
            let json = Number::from_f64(*float).map(Json::Number);
            if json.is_none() {
                let message = format!("expected a finite number, found {float}");
                let hint = "plugins receive their config as JSON, which has no infinity and no NaN";
                report.value(&node.at, path, message, Some(hint.to_owned()));
            }
            json
        }
        Value::Array(items) => {
            // Every item is converted, so that every mistake is reported.
            let items: Vec<Option<Json>> = items
                .iter()
                .enumerate()
                .map(|(index, item)| from_node(item, &format!("{path}[{index}]"), report))
                .collect();
            items.into_iter().collect::<Option<Vec<Json>>>().map(Json::Array)
        }
        Value::Table(table) => {
            let entries: Vec<Option<(String, Json)>> = table
                .iter()
                .map(|(key, entry)| {
                    from_node(&entry.node, &render::join_key(path, key), report)
                        .map(|value| (key.clone(), value))
                })
                .collect();
            entries.into_iter().collect::<Option<Map<String, Json>>>().map(Json::Object)
        }
        Value::Text(text) => from_text(text, node, path, report),
    }
}

/// A flag's text: a TOML value if it is one (`3`, `true`, `[1, 2]`, `"x"`), otherwise a string.
fn from_text(text: &str, node: &Node, path: &str, report: &mut Report<'_>) -> Option<Json> {
    let Ok(value) = DeValue::parse(text) else {
        return Some(Json::String(text.to_owned()));
    };
    let value = tree::value_at(value.into_inner(), &node.at, path, report)?;
    from_node(&Node { at: node.at.clone(), value }, path, report)
}
