//! Reads one table: known keys, types and ranges.

use std::borrow::Cow;
use std::collections::HashSet;
use std::hash::Hash;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use plugbay_registry::nearest;
use toml::de::DeValue;

use super::setting::{BadValue, Setting};
use super::tree::{self, Entry, Node, Table, Value};
use crate::config::problem::error::ConfigSource;
use crate::config::problem::render;
use crate::config::problem::report::Report;
use crate::config::problem::source::FILE;

/// What is wrong with a value, and what to do.
pub(crate) type Refusal = (String, Option<String>);

/// A table being read. Unknown keys are reported when it is opened.
pub(crate) struct Section<'a, 's> {
    path: String,
    table: Option<&'a Table>,
    pub report: &'a mut Report<'s>,
}

impl<'a, 's> Section<'a, 's> {
    /// The section `name` of `parent`; an absent one counts as empty.
    pub(crate) fn open(
        parent: &'a Table,
        name: &str,
        known: &[&str],
        report: &'a mut Report<'s>,
    ) -> Section<'a, 's> {
        let table = parent.get(name).and_then(|entry| as_table(entry, name, report));
        Section::over(table, name.to_owned(), known, report)
    }

    pub(crate) fn over(
        table: Option<&'a Table>,
        path: String,
        known: &[&str],
        report: &'a mut Report<'s>,
    ) -> Section<'a, 's> {
        for (key, entry) in table.into_iter().flatten() {
            if !known.contains(&key.as_str()) {
                unknown(key, entry, &path, known, report);
            }
        }
        Section { path, table, report }
    }

    /// The table below `key`; an absent one counts as empty.
    pub(crate) fn nested(&mut self, key: &str, known: &[&str]) -> Section<'_, 's> {
        let (table, path) = (self.table(key), self.key(key));
        Section::over(table, path, known, self.report)
    }

    /// The table below `key`, which may have any keys.
    pub(crate) fn table(&mut self, key: &str) -> Option<&'a Table> {
        let entry = self.table?.get(key)?;
        let path = self.key(key);
        as_table(entry, &path, self.report)
    }

    pub(crate) fn path(&self) -> &str {
        &self.path
    }

    pub(crate) fn key(&self, key: &str) -> String {
        render::join_key(&self.path, key)
    }

    pub(crate) fn node(&self, key: &str) -> Option<&'a Node> {
        self.table.and_then(|table| table.get(key)).map(|entry| &entry.node)
    }

    pub(crate) fn has(&self, key: &str) -> bool {
        self.node(key).is_some()
    }

    /// The value of `key`; a value of the wrong type is reported and counts as absent.
    pub(crate) fn get<T: Setting>(&mut self, key: &str) -> Option<T> {
        let node = self.node(key)?;
        let path = self.key(key);
        read_node(node, &path, self.report)
    }

    pub(crate) fn read<T: Setting>(&mut self, key: &str, into: &mut T) {
        if let Some(value) = self.get(key) {
            *into = value;
        }
    }

    /// As [`Section::read`], and reports a value outside of `range`.
    pub(crate) fn read_within<T: Setting + PartialOrd>(
        &mut self,
        key: &str,
        into: &mut T,
        range: RangeInclusive<T>,
    ) {
        let Some(value) = self.get::<T>(key) else {
            return;
        };
        if range.contains(&value) {
            *into = value;
            return;
        }
        let message = format!(
            "expected {} to {}, found {}",
            range.start().show(),
            range.end().show(),
            value.show()
        );
        self.refuse(key, message, None);
    }

    /// The items of an array; anything else is reported and counts as absent. A variable or flag
    /// writes the array as in the file.
    pub(crate) fn items(&mut self, key: &str, expected: &str) -> Option<Cow<'a, [Node]>> {
        let node = self.node(key)?;
        let path = self.key(key);
        if let Value::Array(items) = &node.value {
            return Some(Cow::Borrowed(items));
        }
        if let Value::Text(text) = &node.value
            && let Ok(value) = DeValue::parse(text)
            && let DeValue::Array(_) = value.get_ref()
            && let Value::Array(items) =
                tree::value_at(value.into_inner(), &node.at, &path, self.report)?
        {
            return Some(Cow::Owned(items));
        }
        let message = format!("expected {expected}, found {}", node.value.found());
        self.report.wrong_type(&node.at, &path, message, None);
        None
    }

    /// An array of distinct items that `check` accepts. `None` if the array is absent, or an item
    /// was refused.
    pub(crate) fn list<T: Setting + Clone + Eq + Hash>(
        &mut self,
        key: &str,
        expected: &str,
        check: impl Fn(&T) -> Result<(), Refusal>,
    ) -> Option<Vec<T>> {
        let path = self.key(key);
        let items = self.items(key, expected)?;
        let (mut list, mut seen) = (Vec::with_capacity(items.len()), HashSet::new());
        for (index, node) in items.iter().enumerate() {
            let path = format!("{path}[{index}]");
            let Some(item) = read_node::<T>(node, &path, self.report) else {
                continue;
            };
            let checked = check(&item).and_then(|()| {
                let again = || (format!("expected each once, found {} again", item.show()), None);
                if seen.insert(item.clone()) { Ok(()) } else { Err(again()) }
            });
            match checked {
                Ok(()) => list.push(item),
                Err((message, hint)) => self.report.value(&node.at, &path, message, hint),
            }
        }
        (list.len() == items.len()).then_some(list)
    }

    /// Reports the value of a key, if the key is present.
    pub(crate) fn refuse(&mut self, key: &str, message: String, hint: Option<String>) {
        if let Some(node) = self.node(key) {
            let path = self.key(key);
            self.report.value(&node.at, &path, message, hint);
        }
    }
}

pub(crate) fn read_node<T: Setting>(node: &Node, path: &str, report: &mut Report<'_>) -> Option<T> {
    match T::from_node(node) {
        Ok(value) => Some(value),
        Err(BadValue::Type) => {
            let found = tree::found(path, &node.value);
            let message = format!("expected {}, found {found}", T::EXPECTED);
            report.wrong_type(&node.at, path, message, None);
            None
        }
        Err(BadValue::Value { found, hint }) => {
            report.value(&node.at, path, format!("expected {}, found {found}", T::EXPECTED), hint);
            None
        }
    }
}

/// The table of an entry; anything else is reported.
pub(crate) fn as_table<'a>(
    entry: &'a Entry,
    path: &str,
    report: &mut Report<'_>,
) -> Option<&'a Table> {
    if let Value::Table(table) = &entry.node.value {
        return Some(table);
    }
    let message = format!("expected a table, found {}", tree::found(path, &entry.node.value));
    let hint = format!(
        "write [{path}] on a line of its own and its keys below, or name a key of it: {path}.KEY"
    );
    report.wrong_type(&entry.node.at, path, message, Some(hint));
    None
}

/// Reports an unknown key, with the nearest known one.
pub(crate) fn unknown(
    key: &str,
    entry: &Entry,
    path: &str,
    known: &[&str],
    report: &mut Report<'_>,
) {
    let message = match nearest(key, known.iter().copied()) {
        Some(near) => format!("unknown key; did you mean `{near}`?"),
        None => "unknown key".to_owned(),
    };
    let known = known.join(", ");
    let hint = if path.is_empty() {
        format!("sections of the file: {known}")
    } else {
        format!("keys of [{path}]: {known}")
    };
    report.unknown_key(&entry.key_at, &render::join_key(path, key), message, Some(hint));
}

/// `folder`, joined to the folder of the file if it was written in the file or is the default.
pub(crate) fn in_folder_of_file(
    folder: &Path,
    node: Option<&Node>,
    report: &Report<'_>,
) -> PathBuf {
    match &report.sources().0[FILE].origin {
        ConfigSource::File(file) if node.is_none_or(|node| node.at.source == FILE) => {
            file.parent().unwrap_or(Path::new("")).join(folder)
        }
        _ => folder.to_owned(),
    }
}
