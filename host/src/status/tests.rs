//! What a host writes, a client reads back.

use std::fmt::Debug;
use std::time::{Duration, UNIX_EPOCH};

use plugbay_core::{Bucket, GuestMetric, MetricValue, Notice, Reason, WorkerStatus};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::*;
use crate::change::{Inspection, PlannedPlugin};
use crate::report::{Event, Outcome, Report};
use crate::set::Switch;

/// Asserts that a value is read back as it was written.
fn assert_round_trip<T: Serialize + DeserializeOwned + PartialEq + Debug>(value: &T) {
    let json = serde_json::to_string(value).unwrap();
    let read: T = serde_json::from_str(&json).unwrap_or_else(|error| panic!("{error}: {json}"));
    assert_eq!(read, *value, "{json}");
}

/// A time to the millisecond, which is what is written.
fn time() -> SystemTime {
    UNIX_EPOCH + Duration::from_millis(1_700_000_000_123)
}

fn rejected() -> Rejected {
    Rejected {
        source: "plugins/a.wasm".into(),
        plugin: Some("a".into()),
        digest: Some("00".repeat(32)),
        reason: Reason::WrongWorld,
        message: "expected a world".into(),
        hint: String::new(),
        since: time(),
    }
}

fn trial() -> TrialStatus {
    let steps = plugbay_guard::Steps::default();
    let terms = crate::set::Terms { steps, rules: plugbay_guard::CanaryRules::default() };
    let mut trial = Trial::new(["a@1.0.0".into(), "a@2.0.0".into()], terms).status();
    trial.latency_ms = Some(1.5);
    trial
}

fn route() -> RouteStatus {
    RouteStatus {
        state: "serving".into(),
        path: "/a/{id}".into(),
        methods: vec!["GET".into()],
        handler: "a".into(),
        serves: true,
        origin: "plugin:a".into(),
    }
}

fn plugin() -> PluginStatus {
    PluginStatus {
        name: "a".into(),
        version: "1.0.0".into(),
        state: PluginState::BreakerHalfOpen,
        description: "does a".into(),
        form: "native".into(),
        source: "plugins/a.so".into(),
        digest: "11".repeat(32),
        size: 1,
        code_size: u64::MAX,
        generation: 3,
        started_at: time(),
        capabilities: vec!["codec:a".into()],
        routes: vec![route()],
        imports: vec!["wasi:clocks/wall-clock@0.2.6".into()],
        requested: vec![Grant::Clocks],
        granted: vec![Grant::Clocks, Grant::Files],
        exports: Vec::new(),
        config_schema: Some(json!({ "type": "object" })),
        leases: 2,
        calls: CallStatus { answered: 5, failed: [("trap".into(), 1)].into(), cancelled: 1 },
        health: HealthStatus {
            since: time(),
            last_error: Some("tired".into()),
            ..Default::default()
        },
        trial: Some(trial()),
        policy: Policy { isolation: Isolation::Process, ..Policy::default() },
        isolation: Some(Isolation::Process),
        stats: PluginStats {
            denied: [("files".into(), 1)].into(),
            limited: [("logs".into(), 2)].into(),
            metrics: vec![
                GuestMetric::counter("c", 1),
                GuestMetric::gauge("g", -0.5),
                GuestMetric {
                    name: "h".into(),
                    help: "how long".into(),
                    unit: "seconds".into(),
                    value: MetricValue::Histogram {
                        buckets: vec![Bucket { le: 0.5, count: 2 }],
                        sum: 9.25,
                        count: 3,
                    },
                },
            ],
            worker: Some(WorkerStatus {
                state: "running".into(),
                pid: Some(7),
                reason: None,
                protections: vec!["seccomp".into()],
            }),
            ..PluginStats::default()
        },
    }
}

fn status() -> Status {
    let restart = json!({ "key": "server.listen", "running": "a", "next": "b" });
    Status {
        generation: 3,
        published_at: time(),
        plugins: vec![plugin()],
        capabilities: vec![CapabilityStatus {
            kind: "codec".into(),
            name: "a".into(),
            plugin: "a".into(),
            version: "1.0.0".into(),
            description: String::new(),
            media_types: vec!["text/a".into()],
            strategy: Some("failover".into()),
            retries: Some(RetryStatus::default()),
            weights: [("a".into(), 9)].into(),
            providers: vec!["a@1.0.0".into()],
        }],
        routes: vec![RouteStatus {
            path: "/a".into(),
            methods: vec!["GET".into()],
            handler: "a".into(),
            serves: true,
            state: "serving".into(),
            origin: "config".into(),
        }],
        rejected: vec![rejected()],
        preparing: vec!["c.wasm".into()],
        warnings: vec![ConfigWarning::new("plugins.a", "no plugin")],
        watch_error: Some("file watching unavailable".into()),
        draining: vec![DrainingStatus {
            plugin: "a@0.9.0".into(),
            digest: "22".repeat(32),
            leases: 1,
            others: 0,
        }],
        libraries: vec![LibraryStatus {
            digest: "33".repeat(32),
            size: 9,
            loaded_at: time(),
            serves: false,
            hung_threads: 0,
        }],
        pending_restart: vec![serde_json::from_value(restart).unwrap()],
        pinned: None,
        overrides: vec![Override {
            on: "a".into(),
            switch: Switch::Disabled,
            by: "ops".into(),
            since: time(),
        }],
        history: vec![GenerationStatus {
            generation: 2,
            published_at: time(),
            plugins: vec!["a@1.0.0".into()],
        }],
        previous: Some(2),
    }
}

#[test]
fn every_part_of_a_status_is_read_back() {
    let status = status();
    assert_round_trip(&status);
    assert_round_trip(&status.plugins[0]);
    assert_round_trip(&status.plugins[0].calls);
    assert_round_trip(&status.plugins[0].health);
    assert_round_trip(&status.plugins[0].trial);
    assert_round_trip(&status.plugins[0].policy);
    assert_round_trip(&status.plugins[0].stats);
    assert_round_trip(&status.capabilities[0]);
    assert_round_trip(&status.routes[0]);
    assert_round_trip(&status.rejected[0]);
    assert_round_trip(&status.draining[0]);
    assert_round_trip(&status.libraries[0]);
    assert_round_trip(&status.pending_restart[0]);
    assert_round_trip(&status.history[0]);
    for state in [
        PluginState::Running,
        PluginState::Canary,
        PluginState::BreakerOpen,
        PluginState::BreakerHalfOpen,
        PluginState::Unhealthy,
        PluginState::Drained,
        PluginState::CrashLoop,
    ] {
        assert_eq!(serde_json::to_value(state).unwrap(), state.as_str());
        assert_round_trip(&state);
    }
    // These fields are left out if they have no value.
    assert_round_trip(&PluginStatus {
        trial: None,
        isolation: None,
        config_schema: None,
        ..plugin()
    });
}

#[test]
fn a_report_and_an_inspection_are_read_back() {
    assert_round_trip(&Report {
        generation: 3,
        published: true,
        loaded: vec!["a@1.0.0".into()],
        retired: Vec::new(),
        rejected: vec![rejected()],
        preparing: vec!["b.wasm".into()],
    });
    assert_round_trip(&Inspection {
        source: "a.wasm".into(),
        digest: "44".repeat(32),
        size: 1,
        code_size: 2,
        form: "wasm".into(),
        imports: Vec::new(),
        requested: vec![Grant::Random],
        exports: vec!["plugbay:plugin/codec@1.0.0".into()],
        description: std::sync::Arc::new(
            serde_json::from_value(json!({
                "name": "a", "version": "1.0.0", "description": "", "capabilities": [],
            }))
            .unwrap(),
        ),
        plugins: vec![PlannedPlugin {
            name: "a".into(),
            isolation: None,
            grants: plugbay_core::Grants::default(),
        }],
    });
}

#[test]
fn every_outcome_is_read_back() {
    let plugin = || "a@1.0.0".to_owned();
    let because = || "of this".to_owned();
    let noticed = |notice| Outcome::Noticed { plugin: plugin(), notice };
    let outcomes = [
        Outcome::Loaded {
            plugin: plugin(),
            source: "a.wasm".into(),
            digest: "00".into(),
            replaces: Some("a@0.9.0".into()),
            replaced_digest: Some("01".into()),
            took_ms: 7,
        },
        Outcome::Rejected {
            source: "a.wasm".into(),
            plugin: None,
            reason: Reason::NotALibrary,
            message: because(),
            hint: String::new(),
        },
        Outcome::Recovered { source: "a.wasm".into() },
        Outcome::Published { plugins: 3, loaded: 1, retired: 0 },
        Outcome::Drained { plugin: plugin(), took_ms: 1 },
        Outcome::DrainDeadline { plugin: plugin(), leases: 1, others: 2 },
        noticed(Notice::Denied { grant: Grant::Network, tried: "connect".into(), times: 3 }),
        noticed(Notice::Limited { limit: "logs".into(), times: 3 }),
        noticed(Notice::WorkerEnded { because: because(), again_in_ms: 5 }),
        noticed(Notice::WorkerBroken { because: because() }),
        noticed(Notice::Moved { mapped: 1 << 30 }),
        Outcome::BreakerOpened { plugin: plugin(), failures: 5, open_ms: 9, because: because() },
        Outcome::BreakerHalfOpen { plugin: plugin() },
        Outcome::BreakerClosed { plugin: plugin() },
        Outcome::Unhealthy { plugin: plugin(), because: because() },
        Outcome::Healthy { plugin: plugin() },
        Outcome::Restarting { plugin: plugin(), in_ms: 4 },
        Outcome::CrashLoop { plugin: plugin(), restarts: 5, because: because() },
        Outcome::CanaryStarted { plugin: plugin(), stable: plugin() },
        Outcome::CanaryStep { plugin: plugin(), percent: 10 },
        Outcome::CanaryPromoted { plugin: plugin(), because: because() },
        Outcome::CanaryEnded { plugin: plugin(), because: because() },
        Outcome::CanaryRolledBack { plugin: plugin(), because: because() },
        Outcome::RolledBack { to: 2 },
        Outcome::Resumed,
        Outcome::Configured,
        Outcome::LastConfig { source: "config.toml".into(), message: because() },
        Outcome::ConfigWarning(ConfigWarning::new("plugins.a", because())),
        Outcome::PendingRestart { key: "server.listen".into() },
        Outcome::WatchLost { rescan_ms: 30_000, message: because() },
        Outcome::WatchRestored,
        Outcome::CertificateReloaded { plane: "server".into(), expires_at: time() },
        Outcome::CertificateRefused { plane: "admin".into(), message: because(), hint: because() },
        Outcome::CertificateExpiring {
            plane: "admin".into(),
            file: "admin.pem".into(),
            expires_at: time(),
        },
    ];
    for outcome in outcomes {
        assert_round_trip(&outcome);
        assert_round_trip(&Event { at: time(), generation: 3, outcome });
    }
}

/// Adds a field to every object, as a newer host might; a duration of the standard library stays.
fn extend(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(extend),
        Value::Object(fields) if fields.contains_key("secs") => {}
        Value::Object(fields) => {
            fields.values_mut().for_each(extend);
            fields.insert("added_later".into(), json!({ "a": [1] }));
        }
        _ => {}
    }
}

#[test]
fn fields_of_a_newer_host_are_tolerated() {
    let mut status = status();
    // Maps of counts have no fields of their own.
    status.plugins[0].calls.failed.clear();
    status.plugins[0].stats.denied.clear();
    status.plugins[0].stats.limited.clear();
    status.capabilities.iter_mut().for_each(|capability| capability.weights.clear());
    let mut value = serde_json::to_value(&status).unwrap();
    value["plugins"][0]["config_schema"] = Value::Null;
    for plugin in value["plugins"].as_array_mut().unwrap() {
        // An empty map is also written.
        plugin["calls"]["failed"] = Value::Null;
    }
    extend(&mut value);
    value["plugins"][0]["calls"]["failed"] = json!({});
    status.plugins[0].config_schema = None;
    assert_eq!(serde_json::from_value::<Status>(value).unwrap(), status);
    let event = Event { at: time(), generation: 3, outcome: Outcome::Resumed };
    let mut value = serde_json::to_value(&event).unwrap();
    extend(&mut value);
    assert_eq!(serde_json::from_value::<Event>(value).unwrap(), event);
}
