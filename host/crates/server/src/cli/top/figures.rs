//! What a host tells of its plugins, and what happened between two such answers.

use std::time::SystemTime;

use plugbay::timestamp;
use serde::{Deserialize, Serialize};

/// `GET /v1/figures`, as far as it is shown here.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Figures {
    #[serde(with = "timestamp")]
    pub(super) at: SystemTime,
    pub(super) generation: u64,
    pub(super) rejected: usize,
    pub(super) draining: usize,
    /// The upper bounds of the buckets of durations, in seconds.
    bounds: Vec<f64>,
    plugins: Vec<PluginFigures>,
}

/// The counts of a plugin version since it was started.
#[derive(Clone, Debug, Deserialize)]
struct PluginFigures {
    name: String,
    version: String,
    #[serde(default)]
    canary: bool,
    state: String,
    started_at: String,
    answered: u64,
    failed: u64,
    /// How many calls were in each bucket of durations, and beyond; empty if no call was timed.
    durations: Vec<u64>,
    in_flight: u64,
    memory: u64,
}

/// A plugin version, and what it did between two answers.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Row {
    pub(super) name: String,
    pub(super) version: String,
    pub(super) canary: bool,
    pub(super) state: String,
    /// Calls that ended, per second; `None` if it was started meanwhile, or there is no earlier answer.
    pub(super) calls_per_second: Option<f64>,
    pub(super) errors_per_second: Option<f64>,
    /// Half of the calls took at most as many seconds; `None` without calls.
    pub(super) p50: Option<f64>,
    /// 99 of 100 calls took at most as many seconds; infinite if they took longer than the last bucket.
    pub(super) p99: Option<f64>,
    pub(super) memory: u64,
    pub(super) in_flight: u64,
}

/// The plugins of the later answer.
pub(super) fn rows(first: Option<&Figures>, then: &Figures) -> Vec<Row> {
    let passed = first.and_then(|first| then.at.duration_since(first.at).ok());
    let seconds = passed.map_or(0.0, |it| it.as_secs_f64());
    let rows = then.plugins.iter().map(|now| {
        let same = |it: &&PluginFigures| {
            (&it.name, &it.version, it.canary, &it.started_at)
                == (&now.name, &now.version, now.canary, &now.started_at)
        };
        let before = first.and_then(|first| first.plugins.iter().find(same));
        let before = before.filter(|_| seconds > 0.0);
        let rate = |count: fn(&PluginFigures) -> u64| {
            #[expect(clippy::cast_precision_loss, reason = "for people")]
            before.map(|it| count(now).saturating_sub(count(it)) as f64 / seconds)
        };
        let durations: Vec<u64> = match before {
            Some(it) if it.durations.len() == now.durations.len() => now
                .durations
                .iter()
                .zip(&it.durations)
                .map(|(now, it)| now.saturating_sub(*it))
                .collect(),
            Some(_) => now.durations.clone(),
            None => Vec::new(),
        };
        Row {
            name: now.name.clone(),
            version: now.version.clone(),
            canary: now.canary,
            state: now.state.clone(),
            calls_per_second: rate(|it| it.answered + it.failed),
            errors_per_second: rate(|it| it.failed),
            p50: quantile(&then.bounds, &durations, 50),
            p99: quantile(&then.bounds, &durations, 99),
            memory: now.memory,
            in_flight: now.in_flight,
        }
    });
    rows.collect()
}

/// The bound of the bucket in which this percentage of the calls ends.
fn quantile(bounds: &[f64], counts: &[u64], percent: u64) -> Option<f64> {
    let all: u64 = counts.iter().sum();
    if all == 0 {
        return None;
    }
    let wanted = (all * percent).div_ceil(100);
    let mut seen = 0;
    let bucket = counts.iter().position(|count| {
        seen += count;
        seen >= wanted
    })?;
    Some(bounds.get(bucket).copied().unwrap_or(f64::INFINITY))
}

/// Two answers of a host, two seconds apart.
#[cfg(test)]
pub(super) fn example() -> [Figures; 2] {
    use serde_json::json;
    let plugin = |name: &str, state: &str, answered: u64, failed: u64, durations: [u64; 4]| {
        json!({
            "name": name, "version": "1.2.0", "state": state, "started_at": "2026-01-31T12:00:00Z",
            "answered": answered, "failed": failed, "cancelled": 0, "durations": durations,
            "in_flight": failed, "waiting": 0, "instances": 1, "memory": answered << 12,
        })
    };
    let answer = |at: &str, plugins: serde_json::Value| {
        let answer = json!({
            "host_started_at": "2026-01-31T12:00:00Z", "at": at, "generation": 7, "rejected": 1, "draining": 0,
            "bounds": [0.001, 0.01, 0.1], "plugins": plugins,
        });
        serde_json::from_value(answer).unwrap()
    };
    [
        answer(
            "2026-01-31T12:00:10Z",
            json!([
                plugin("hello", "running", 1000, 0, [900, 100, 0, 0]),
                plugin("json", "breaker-open", 10, 5, [10, 0, 5, 0]),
            ]),
        ),
        answer(
            "2026-01-31T12:00:12Z",
            json!([
                plugin("hello", "running", 3000, 0, [2700, 280, 20, 0]),
                plugin("json", "breaker-open", 10, 25, [10, 0, 5, 20]),
                plugin("a-plugin-with-a-rather-long-name", "running", 0, 0, [0, 0, 0, 0]),
            ]),
        ),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_and_quantiles_are_those_between_two_answers() {
        let [first, then] = example();
        let [hello, json, new] = &rows(Some(&first), &then)[..] else { panic!("three") };
        assert_eq!((hello.calls_per_second, hello.errors_per_second), (Some(1000.0), Some(0.0)));
        assert_eq!((hello.p50, hello.p99), (Some(0.001), Some(0.01)));
        assert_eq!((json.calls_per_second, json.errors_per_second), (Some(10.0), Some(10.0)));
        assert_eq!((json.p50, json.p99), (Some(f64::INFINITY), Some(f64::INFINITY)));
        assert_eq!((new.calls_per_second, new.p50), (None, None));
        assert_eq!(rows(None, &then)[0].calls_per_second, None);
    }
}
