//! The configuration that a host runs with, and where each value comes from.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Host;
use crate::config::{Origin, Origins, flat};
use crate::report::timestamp;
use crate::set::{Override, PublishedSet, Switch};

/// The configuration that a host runs with. Values that sound like secrets are hidden.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[non_exhaustive]
pub struct RunningConfig {
    /// The generation that it is in force in.
    pub generation: u64,
    /// All of it, as a configuration file.
    pub toml: String,
    /// Each value, by key.
    pub values: Vec<ConfigValue>,
}

/// A value of the running configuration.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[non_exhaustive]
pub struct ConfigValue {
    /// The dotted key.
    pub key: String,
    /// The value.
    pub value: Value,
    /// Where it comes from.
    pub origin: Origin,
}

impl Host {
    /// The configuration in force with the origin of each value, for people: secrets are hidden.
    /// [`Host::config`] is the same for programs.
    #[must_use]
    pub fn running_config(&self) -> RunningConfig {
        let published = self.shared.cell.load();
        let generation = &published.generation;
        let (read, origins) = self.shared.origins();
        let now = flat(&read);
        let in_force = flat(&generation.config);
        let base = flat(&generation.base);
        let values = in_force.into_iter().map(|(key, value)| {
            let origin = origin(&key, &value, &published, [&base, &now], &origins);
            ConfigValue { key, value, origin }
        });
        RunningConfig {
            generation: generation.number,
            values: values.collect(),
            toml: toml::to_string_pretty(&*generation.config)
                .unwrap_or_else(|error| format!("# cannot be written as TOML: {error}\n")),
        }
    }
}

fn origin(
    key: &str,
    value: &Value,
    published: &PublishedSet,
    [base, now]: [&BTreeMap<String, Value>; 2],
    origins: &Origins,
) -> Origin {
    if base.get(key) != Some(value)
        && let Some(it) = published.overrides.list().iter().find(|it| switches(it, key))
    {
        return Origin::Operator { by: it.by.clone(), since: timestamp::text(it.since) };
    }
    match published.pinned {
        Some(number) if now.get(key) != Some(value) => Origin::Generation { number },
        _ => origins.get(key),
    }
}

/// Whether an override switches this key, or makes its table.
fn switches(it: &Override, key: &str) -> bool {
    let on = plugbay_core::key_part(&it.on);
    match &it.switch {
        Switch::Disabled | Switch::Enabled => key.starts_with(&format!("plugins.{on}.")),
        Switch::Weights { .. } => {
            key == format!("capabilities.\"{}\".weights", it.on)
                || key == format!("capabilities.{on}.weights")
        }
        _ => false,
    }
}
