//! Values that know where they were written.

use std::collections::BTreeMap;
use std::ops::Range;

use toml::de::{DeTable, DeValue};

use super::error::{Excerpt, Origin};
use super::report::Report;
use super::{render, secret};

pub(super) type Table = BTreeMap<String, Entry>;

/// A key and its value, each with its place.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub key_at: Place,
    pub node: Node,
}

#[derive(Clone, Debug)]
pub(super) struct Node {
    pub at: Place,
    pub value: Value,
}

#[derive(Clone, Debug)]
pub(super) enum Value {
    Boolean(bool),
    Integer(i128),
    Float(f64),
    String(String),
    /// As RFC 3339 writes it.
    Datetime(String),
    Array(Vec<Node>),
    Table(Table),
    /// From a variable or a flag: whoever reads it decides what it is.
    Text(String),
}

/// A span in one of the [`Sources`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub source: usize,
    pub span: Range<usize>,
}

impl Place {
    pub(super) fn new(source: usize, span: Range<usize>) -> Place {
        Place { source, span }
    }

    /// The place of a part. Variables and flags have only one place.
    fn inner(&self, span: Range<usize>) -> Place {
        if self.source == FILE { Place::new(FILE, span) } else { self.clone() }
    }
}

/// The index of the file, or of the defaults that stand in its place, in [`Sources`].
pub(super) const FILE: usize = 0;

/// Everything that values came from. Index 0 is the file.
#[derive(Clone, Debug)]
pub(super) struct Sources(pub Vec<Source>);

#[derive(Clone, Debug)]
pub(super) struct Source {
    pub origin: Origin,
    /// Empty for variables and flags.
    pub text: String,
}

/// Bytes of a line that is worth showing a part of.
const SHOWN_LINE: usize = 64 << 10;

/// Line and column (from 1, in characters) of the beginning of a span, and its line.
pub(super) fn locate(text: &str, span: Range<usize>) -> (usize, usize, Option<Excerpt>) {
    let start = text.floor_char_boundary(span.start.min(text.len()));
    let end = text.floor_char_boundary(span.end.clamp(start, text.len()));
    let before = &text[..start];
    let line_start = before.rfind('\n').map_or(0, |at| at + 1);
    let line_end = text[start..].find('\n').map_or(text.len(), |at| start + at);
    let line = 1 + before.matches('\n').count();
    let column = 1 + text[line_start..start].chars().count();
    let width = text[start..end.min(line_end)].chars().count();
    let line_text = &text[line_start..line_end];
    let shown = line_text.len() <= SHOWN_LINE && !secret::in_environment(&text[..line_start]);
    let excerpt = shown.then(|| render::excerpt(line_text, column, width));
    (line, column, excerpt)
}

/// More nesting than any plugin's config needs, and little enough for every recursion over it.
const DEPTH: usize = 64;

/// The file's tables as a tree. What cannot be kept is reported and left out.
pub(super) fn from_toml(table: DeTable<'_>, report: &mut Report<'_>) -> Table {
    table_from(table, &Place::new(FILE, 0..0), "", 0, report)
}

/// A single value, all of it at one place.
pub(super) fn value_at(
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
    /// With an article, and with the value where it is short: `the integer 30`.
    pub(super) fn found(&self) -> String {
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

    /// With an article, and without the value: `an integer`.
    pub(super) fn kind(&self) -> &'static str {
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
