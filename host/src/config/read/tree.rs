//! Values with the places where they were written.

use std::collections::BTreeMap;

use toml::de::{DeTable, DeValue};

use crate::config::problem::report::Report;
use crate::config::problem::source::{FILE, Place};
use crate::config::problem::{render, secret};

pub(crate) type Table = BTreeMap<String, Entry>;

/// A key and its value, each with its place.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub key_at: Place,
    pub node: Node,
}

#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub at: Place,
    pub value: Value,
}

#[derive(Clone, Debug)]
pub(crate) enum Value {
    Boolean(bool),
    Integer(i128),
    Float(f64),
    String(String),
    /// In the format of RFC 3339.
    Datetime(String),
    Array(Vec<Node>),
    Table(Table),
    /// The text of a variable or a flag: the reader of the key decides its type.
    Text(String),
}

/// The deepest nesting: more than any plugin's config needs, and little enough for recursion.
const DEPTH: usize = 64;

/// The file's tables as a tree. Values that the tree cannot hold are reported and left out.
pub(crate) fn from_toml(table: DeTable<'_>, report: &mut Report<'_>) -> Table {
    table_from(table, &Place::new(FILE, 0..0), "", 0, report)
}

/// A single value, with one place for all its parts.
pub(crate) fn value_at(
    value: DeValue<'_>,
    at: &Place,
    path: &str,
    report: &mut Report<'_>,
) -> Option<Value> {
    value_from(value, at, path, 0, report)
}

fn table_from(
    table: DeTable<'_>,
    within: &Place,
    parent: &str,
    depth: usize,
    report: &mut Report<'_>,
) -> Table {
    let mut entries = Table::new();
    for (key, value) in table {
        let key_at = within.inner(key.span());
        let name = key.into_inner().into_owned();
        let at = within.inner(value.span());
        let path = render::join_key(parent, &name);
        if let Some(value) = value_from(value.into_inner(), &at, &path, depth, report) {
            let node = Node { at, value };
            entries.insert(name, Entry { key_at, node });
        }
    }
    entries
}

fn value_from(
    value: DeValue<'_>,
    at: &Place,
    path: &str,
    depth: usize,
    report: &mut Report<'_>,
) -> Option<Value> {
    let nested = matches!(value, DeValue::Array(_) | DeValue::Table(_));
    if nested && depth >= DEPTH {
        let message = format!("expected at most {DEPTH} levels of nesting, found more");
        report.value(at, path, message, None);
        return None;
    }
    Some(match value {
        DeValue::String(text) => Value::String(text.into_owned()),
        DeValue::Boolean(yes) => Value::Boolean(yes),
        DeValue::Datetime(mut datetime) => {
            // TOML lets the seconds be left out, RFC 3339 does not.
            if let Some(time) = &mut datetime.time {
                time.second.get_or_insert(0);
            }
            Value::Datetime(datetime.to_string())
        }
        DeValue::Float(float) => Value::Float(float.as_str().parse().unwrap_or(f64::NAN)),
        DeValue::Integer(integer) => {
            let Ok(number) = i128::from_str_radix(integer.as_str(), integer.radix()) else {
                let found = if secret::is_hidden(path) {
                    "a larger one".to_owned()
                } else {
                    render::quoted(integer.as_str())
                };
                report.value(at, path, format!("expected a 64-bit integer, found {found}"), None);
                return None;
            };
            Value::Integer(number)
        }
        DeValue::Array(items) => {
            let mut nodes = Vec::with_capacity(items.len());
            for (index, item) in items.into_iter().enumerate() {
                let at = at.inner(item.span());
                let path = format!("{path}[{index}]");
                let value = value_from(item.into_inner(), &at, &path, depth + 1, report);
                nodes.extend(value.map(|value| Node { at, value }));
            }
            Value::Array(nodes)
        }
        DeValue::Table(table) => Value::Table(table_from(table, at, path, depth + 1, report)),
    })
}

impl Value {
    /// A description with an article, and with the value where it is short: `the integer 30`.
    pub(crate) fn found(&self) -> String {
        match self {
            Value::Boolean(yes) => format!("the boolean {yes}"),
            Value::Integer(number) => format!("the integer {number}"),
            Value::Float(number) => format!("the float {number}"),
            Value::String(text) => format!("the string {}", render::quoted(text)),
            Value::Text(text) => render::quoted(text),
            Value::Datetime(datetime) => format!("the datetime {datetime}"),
            Value::Array(_) => "an array".to_owned(),
            Value::Table(_) => "a table".to_owned(),
        }
    }

    /// A description with an article, and without the value: `an integer`.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Value::Boolean(_) => "a boolean",
            Value::Integer(_) => "an integer",
            Value::Float(_) => "a float",
            Value::String(_) | Value::Text(_) => "a string",
            Value::Datetime(_) => "a datetime",
            Value::Array(_) => "an array",
            Value::Table(_) => "a table",
        }
    }
}

/// The value at a path of keys, if it is there.
pub(crate) fn find<'a>(root: &'a Table, path: &[&str]) -> Option<&'a Node> {
    let (last, parents) = path.split_last()?;
    let mut table = root;
    for part in parents {
        match &table.get(*part)?.node.value {
            Value::Table(next) => table = next,
            _ => return None,
        }
    }
    table.get(*last).map(|entry| &entry.node)
}

/// A description of the value of a dotted key; without the value if it is a secret.
pub(crate) fn found(key: &str, value: &Value) -> String {
    if secret::is_hidden(key) { value.kind().to_owned() } else { value.found() }
}
