//! A configuration as a list of keys and values, and where each value comes from.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::problem::error::ConfigSource;
use super::problem::render;
use super::problem::report::locate;
use super::problem::source::{Place, Sources};
use super::read::tree::{self, Table};
use super::section::settings::Config;

/// Where a value of the running configuration comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(tag = "from", rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Origin {
    /// A default of the program.
    Default,
    /// A line of the file.
    File {
        /// The file.
        #[cfg_attr(feature = "openapi", schema(value_type = String))]
        path: PathBuf,
        /// The line, from 1.
        line: usize,
    },
    /// An environment variable.
    Environment {
        /// Its name.
        variable: String,
    },
    /// A flag.
    Flag {
        /// Its key.
        key: String,
    },
    /// The application that embeds the host.
    Application,
    /// An operator switched it.
    Operator {
        /// Who.
        by: String,
        /// Since when, as RFC 3339.
        since: String,
    },
    /// An operator rolled back to this generation, and the configuration says otherwise now.
    Generation {
        /// Its number.
        number: u64,
    },
}

/// The origins of the values that are not defaults, by dotted key.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Origins(BTreeMap<String, Origin>);

impl Origins {
    /// The origins of the values of a merged tree.
    pub(crate) fn of(root: &Table, sources: &Sources) -> Self {
        let mut origins = BTreeMap::new();
        collect(root, "", sources, &mut origins);
        Self(origins)
    }

    /// Those of a configuration that the application made: everything that is not a default.
    pub(crate) fn of_application(config: &Config) -> Self {
        let defaults = flat(&Config::default());
        let own = flat(config).into_iter().filter(|(key, value)| defaults.get(key) != Some(value));
        Self(own.map(|(key, _)| (key, Origin::Application)).collect())
    }

    /// The origin of a key: its own, or that of the table which a flag or a line sets as a whole.
    pub(crate) fn get(&self, key: &str) -> Origin {
        let mut key = key;
        loop {
            if let Some(origin) = self.0.get(key) {
                return origin.clone();
            }
            match key.rsplit_once('.') {
                Some((table, _)) => key = table,
                None => return Origin::Default,
            }
        }
    }
}

fn collect(table: &Table, parent: &str, sources: &Sources, into: &mut BTreeMap<String, Origin>) {
    for (name, entry) in table {
        let key = render::join_key(parent, name);
        match &entry.node.value {
            tree::Value::Table(inner) => collect(inner, &key, sources, into),
            _ => drop(into.insert(key, origin(&entry.node.at, sources))),
        }
    }
}

fn origin(at: &Place, sources: &Sources) -> Origin {
    let Some(source) = sources.0.get(at.source) else { return Origin::Default };
    match &source.origin {
        ConfigSource::File(path) => {
            let (line, ..) = locate(&source.text, at.span.clone());
            Origin::File { path: path.clone(), line }
        }
        ConfigSource::Environment(variable) => Origin::Environment { variable: variable.clone() },
        ConfigSource::Flag(key) => Origin::Flag { key: key.clone() },
        ConfigSource::Default => Origin::Default,
    }
}

/// The values of a configuration by dotted key, with secrets hidden. Arrays are values.
pub(crate) fn flat(config: &Config) -> BTreeMap<String, Value> {
    let mut values = BTreeMap::new();
    if let Ok(Value::Object(sections)) = serde_json::to_value(config) {
        for (name, value) in sections {
            flatten(name, value, &mut values);
        }
    }
    values
}

fn flatten(key: String, value: Value, into: &mut BTreeMap<String, Value>) {
    match value {
        Value::Object(entries) => {
            for (name, value) in entries {
                flatten(render::join_key(&key, &name), value, into);
            }
        }
        Value::Null => {}
        value => drop(into.insert(key, value)),
    }
}
