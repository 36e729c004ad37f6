//! The bodies of the admin plane's answers, as it writes them and clients read them.
//!
//! A client can read the answers of a host of a later version: it ignores unknown fields.

use std::time::SystemTime;

use plugbay::config::PendingRestart;
use plugbay::{DrainingStatus, GenerationStatus, PluginStatus, Rejected, timestamp};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::history::Record;

/// `GET /v1/plugins`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[non_exhaustive]
pub struct Plugins {
    /// The number of the generation that serves.
    pub generation: u64,
    /// Its plugins, by name.
    pub plugins: Vec<PluginStatus>,
}

/// `GET /v1/plugins/{name}`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[non_exhaustive]
pub struct Versions {
    /// The version that serves.
    #[serde(flatten)]
    pub stable: PluginStatus,
    /// The new version, while it is on trial.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub canary: Option<PluginStatus>,
}

/// `GET /v1/generations`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[non_exhaustive]
pub struct Generations {
    /// The number of the generation that serves.
    pub generation: u64,
    /// When it was published.
    #[serde(with = "timestamp")]
    #[schema(value_type = String, format = DateTime)]
    pub published_at: SystemTime,
    /// The generation that an operator rolled back to, while changes are held back.
    pub pinned: Option<u64>,
    /// The generations that can be rolled back to, oldest first; the last one serves.
    pub history: Vec<GenerationStatus>,
    /// The generation of the history to roll back to if the operator names none.
    pub previous: Option<u64>,
    /// Retired plugin versions that still have calls in flight.
    pub draining: Vec<DrainingStatus>,
    /// Settings that only a restart applies.
    pub pending_restart: Vec<PendingRestart>,
    /// The latest events, oldest first.
    pub events: Vec<Record>,
}

/// `GET /v1/rejected`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[non_exhaustive]
pub struct RejectedList {
    /// The number of the generation that serves.
    pub generation: u64,
    /// The rejections, by source.
    pub rejected: Vec<Rejected>,
}

/// `GET /debug/registry`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[non_exhaustive]
pub struct Names {
    /// The number of the generation that serves.
    pub generation: u64,
    /// The kinds, and `plugins`, sorted.
    pub names: Vec<String>,
}

/// `GET /readyz?verbose`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[non_exhaustive]
pub struct Readiness {
    /// Whether the server is ready: all checks are.
    pub ready: bool,
    /// What the readiness depends on: `server`, `generation`.
    pub checks: Vec<Check>,
}

/// One of the things that the readiness depends on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[non_exhaustive]
pub struct Check {
    /// Its name.
    pub name: String,
    /// Whether it is as it should be.
    pub ok: bool,
    /// Why it is not.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub details: Vec<String>,
}

impl Check {
    /// A check that is as it should be if there are no details.
    pub(super) fn new(name: &str, details: Vec<String>) -> Self {
        Self { name: name.to_owned(), ok: details.is_empty(), details }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::{Duration, UNIX_EPOCH};

    use plugbay::{Event, Outcome};
    use serde_json::{Value, json};

    use super::*;

    fn round_trip<T: Serialize + serde::de::DeserializeOwned + PartialEq + std::fmt::Debug>(
        value: &T,
    ) {
        let mut written = serde_json::to_value(value).unwrap();
        assert_eq!(serde_json::from_value::<T>(written.clone()).unwrap(), *value);
        written["added_later"] = json!([1]);
        assert_eq!(serde_json::from_value::<T>(written).unwrap(), *value);
    }

    fn plugin() -> PluginStatus {
        let mut plugin: Value = json!({
            "name": "a", "version": "1.0.0", "state": "running", "description": "", "form": "wasm",
            "source": "a.wasm", "digest": "00", "size": 1, "code_size": 1, "generation": 1,
            "started_at": "2026-01-31T12:00:00.123Z", "capabilities": ["codec:a"], "imports": [],
            "requested": [], "granted": [], "exports": [], "config_schema": null, "leases": 0,
            "calls": { "answered": 1, "failed": { "trap": 1 }, "cancelled": 0 },
            "health": {
                "healthy": true, "since": "2026-01-31T12:00:00Z", "last_error": null, "crash_loop": null,
                "checks": 3,
            },
            "stats": {
                "instances": 1, "instantiations": 1, "discarded": 0, "memory": 1, "waiting": 0,
                "metrics": [{ "type": "gauge", "name": "g", "value": 0.5 }],
            },
        });
        plugin["policy"] = serde_json::to_value(plugbay::Policy::default()).unwrap();
        serde_json::from_value(plugin).unwrap()
    }

    #[test]
    fn every_body_is_read_back_and_unknown_fields_are_ignored() {
        let at = UNIX_EPOCH + Duration::from_millis(1_700_000_000_123);
        round_trip(&Plugins { generation: 1, plugins: vec![plugin()] });
        round_trip(&Versions { stable: plugin(), canary: None });
        round_trip(&Versions { stable: plugin(), canary: Some(plugin()) });
        let event = Arc::new(Event { at, generation: 1, outcome: Outcome::Configured });
        round_trip(&Generations {
            generation: 1,
            published_at: at,
            pinned: Some(1),
            history: Vec::new(),
            previous: None,
            draining: Vec::new(),
            pending_restart: Vec::new(),
            events: vec![Record { seq: 1, event }],
        });
        round_trip(&super::super::Preparing { preparing: vec!["a.wasm".into()] });
        round_trip(&RejectedList { generation: 1, rejected: Vec::new() });
        round_trip(&Names { generation: 1, names: vec!["codec".into()] });
    }
}
