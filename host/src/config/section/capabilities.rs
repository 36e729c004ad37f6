//! `[capabilities."KIND:NAME"]`: several plugins, or several versions of one, behind a capability.

use std::collections::BTreeMap;
use std::time::Duration;

use plugbay_core::handler::Handler;
use plugbay_core::{CapabilityKey, Kind as _, check_name};
use serde::Serialize;

use super::keys;
use super::plugins;
use super::request_key::RequestKey;
use crate::config::problem::render;
use crate::config::problem::report::Report;
use crate::config::read::section::{self, Section};
use crate::config::read::setting::{BadValue, Setting, text};
use crate::config::read::tree::{Node, Table};
use crate::config::value::duration::{self, DAY, SECOND};

/// How the calls of one capability are distributed.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(transparent)]
pub struct CapabilitySettings {
    /// The providers, and the rule of distribution.
    pub strategy: Strategy,
}

/// How a provider is chosen for a call.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "strategy", rename_all = "lowercase")]
pub enum Strategy {
    /// The first healthy provider; if a call fails there, the next.
    Failover {
        /// Names of plugins, in order; two or more, each once.
        providers: Vec<String>,
        /// Retries in percent of the calls, 0 to 100: the budget that keeps a failure from doubling
        /// the load.
        retries: u32,
    },
    /// Each provider gets its share.
    Split {
        /// Names of plugins; two or more, each once.
        providers: Vec<String>,
        /// The share of each provider, in the same order: as many, and not all zero.
        weights: Vec<u32>,
        /// The key of sticky requests; for handlers only. `None` = requests are not sticky.
        key: Option<RequestKey>,
    },
    /// A new version of a plugin gets more and more of the calls, as long as it is not worse than
    /// the one before.
    Canary {
        /// The share of the new version in percent, strictly rising to 100.
        steps: Vec<u32>,
        /// The time of each step.
        #[serde(serialize_with = "duration::serialize")]
        every: Duration,
        /// Percentage points by which its error rate may exceed that of the old version.
        errors: f64,
        /// The factor by which its 95th percentile of latency may exceed that of the old version;
        /// zero = latency is ignored.
        latency: f64,
        /// The least number of its calls at a step before the next step.
        calls: u64,
        /// The key of sticky requests; for handlers only. `None` = requests are not sticky.
        key: Option<RequestKey>,
    },
}

impl Strategy {
    /// The plugins that share the capability, in order; a canary's are the versions of one.
    #[must_use]
    pub fn providers(&self) -> &[String] {
        match self {
            Strategy::Failover { providers, .. } | Strategy::Split { providers, .. } => providers,
            Strategy::Canary { .. } => &[],
        }
    }

    /// The key of sticky requests.
    #[must_use]
    pub fn key(&self) -> Option<&RequestKey> {
        match self {
            Strategy::Failover { .. } => None,
            Strategy::Split { key, .. } | Strategy::Canary { key, .. } => key.as_ref(),
        }
    }
}

/// The name of a strategy in the file, and the keys that belong to it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum StrategyName {
    Failover,
    Split,
    Canary,
}

impl StrategyName {
    const ALL: [StrategyName; 3] =
        [StrategyName::Failover, StrategyName::Split, StrategyName::Canary];

    fn as_str(self) -> &'static str {
        match self {
            StrategyName::Failover => "failover",
            StrategyName::Split => "split",
            StrategyName::Canary => "canary",
        }
    }

    fn keys(self) -> &'static [&'static str] {
        match self {
            StrategyName::Failover => &["providers", "retries"],
            StrategyName::Split => &["providers", "weights", "key"],
            StrategyName::Canary => &["steps", "every", "errors", "latency", "calls", "key"],
        }
    }
}

impl Setting for StrategyName {
    const EXPECTED: &'static str = "\"failover\", \"split\" or \"canary\"";

    fn from_node(node: &Node) -> Result<StrategyName, BadValue> {
        let found = text(node)?;
        StrategyName::ALL.into_iter().find(|name| name.as_str() == found).ok_or_else(|| {
            let hint = "failover: the first healthy plugin; split: each plugin gets its share; \
                        canary: a new version of one plugin, step by step";
            BadValue::Value { found: render::quoted(found), hint: Some(hint.to_owned()) }
        })
    }

    fn show(&self) -> String {
        render::quoted(self.as_str())
    }
}

pub(crate) fn read(
    root: &Table,
    report: &mut Report<'_>,
) -> BTreeMap<CapabilityKey, CapabilitySettings> {
    let mut capabilities = BTreeMap::new();
    let table =
        root.get("capabilities").and_then(|entry| section::as_table(entry, "capabilities", report));
    for (name, entry) in table.into_iter().flatten() {
        let path = render::join_key("capabilities", name);
        let key = parse_key(name);
        if key.is_none() {
            let message = format!("expected {KEY_EXPECTED}, found {}", render::quoted(name));
            let hint = format!("write [capabilities.\"codec:json\"]; {KEY_RULE}");
            report.value(&entry.key_at, &path, message, Some(hint));
        }
        let Some(table) = section::as_table(entry, &path, report) else {
            continue;
        };
        let kind = key.as_ref().map_or("", |key| &key.kind);
        let section = Section::over(Some(table), path, keys::CAPABILITY, report);
        let strategy = read_one(section, kind, &entry.node);
        if let (Some(key), Some(strategy)) = (key, strategy) {
            capabilities.insert(key, CapabilitySettings { strategy });
        }
    }
    capabilities
}

pub(crate) const KEY_EXPECTED: &str = "a capability such as \"codec:json\"";
pub(crate) const KEY_RULE: &str = "kinds and names are 1 to 64 of a-z, 0-9, '.', '_' and '-', \
                                   beginning with a letter or digit";

/// Parses `kind:name`. Any kind is accepted, because applications define their own.
pub(crate) fn parse_key(text: &str) -> Option<CapabilityKey> {
    let (kind, name) = text.split_once(':')?;
    let good = check_name(kind).is_ok() && check_name(name).is_ok();
    good.then(|| CapabilityKey::new(kind, name))
}

/// Reads one section; `None` if something was refused. Every key is read, whatever the strategy, so
/// that all mistakes are reported.
fn read_one(mut section: Section<'_, '_>, kind: &str, at: &Node) -> Option<Strategy> {
    let providers = read_providers(&mut section);
    let weights = read_numbers(&mut section, "weights", "an array such as [90, 10]", 0, 10_000);
    let steps = read_numbers(&mut section, "steps", "an array such as [10, 50, 100]", 1, 100);
    let (mut retries, mut every, mut calls) = (20, Duration::from_mins(5), 100);
    section.read_within("retries", &mut retries, 0..=100);
    section.read_within("every", &mut every, SECOND..=DAY);
    section.read_within("calls", &mut calls, 0..=1_000_000_000);
    let (mut errors, mut latency) = (1.0, 2.0);
    section.read_within("errors", &mut errors, 0.0..=100.0);
    section.read_within("latency", &mut latency, 0.0..=1000.0);
    let key = read_key(&mut section, kind);
    let word: Option<StrategyName> = section.get("strategy");
    if !section.has("strategy") {
        let message = "expected the key `strategy`, found none".to_owned();
        let hint = "write strategy = \"failover\", \"split\" or \"canary\"";
        let path = section.path().to_owned();
        section.report.value(&at.at, &path, message, Some(hint.to_owned()));
    }
    let word = word?;
    refuse_others(&mut section, word);
    Some(match word {
        StrategyName::Failover => {
            Strategy::Failover { providers: required(&mut section, providers, at)?, retries }
        }
        StrategyName::Split => {
            let providers = required(&mut section, providers, at)?;
            let weights = if section.has("weights") {
                check_weights(&mut section, weights?, providers.len())?
            } else {
                vec![1; providers.len()]
            };
            Strategy::Split { providers, weights, key }
        }
        StrategyName::Canary => {
            let steps = if section.has("steps") {
                check_steps(&mut section, steps?)?
            } else {
                vec![1, 10, 50, 100]
            };
            if latency > 0.0 && latency < 1.0 {
                let message = format!("expected 0 or at least 1, found {}", latency.show());
                let hint =
                    "1 allows the latency of the old version, 2 twice as much; 0 ignores latency";
                section.refuse("latency", message, Some(hint.to_owned()));
            }
            Strategy::Canary { steps, every, errors, latency, calls, key }
        }
    })
}

fn read_providers(section: &mut Section<'_, '_>) -> Option<Vec<String>> {
    section.list("providers", "an array such as [\"json\", \"json-fast\"]", |name: &String| {
        if plugins::is_plugin_name(name) {
            return Ok(());
        }
        let message = format!("expected a plugin name, found {}", render::quoted(name));
        Err((message, Some(plugins::NAME_RULE.to_owned())))
    })
}

/// An array of numbers; `None` if the key is absent, or a number was refused.
fn read_numbers(
    section: &mut Section<'_, '_>,
    key: &str,
    expected: &str,
    least: u32,
    most: u32,
) -> Option<Vec<u32>> {
    let path = section.key(key);
    let items = section.items(key, expected)?;
    let numbers = items.iter().enumerate().map(|(index, node)| {
        let path = format!("{path}[{index}]");
        let number: u32 = section::read_node(node, &path, section.report)?;
        if (least..=most).contains(&number) {
            return Some(number);
        }
        let message = format!("expected {least} to {most}, found {number}");
        section.report.value(&node.at, &path, message, None);
        None
    });
    // Every item is read, so that every mistake is reported.
    let numbers: Vec<Option<u32>> = numbers.collect();
    numbers.into_iter().collect()
}

fn read_key(section: &mut Section<'_, '_>, kind: &str) -> Option<RequestKey> {
    let key = section.get("key")?;
    if !["", Handler::NAME].contains(&kind) {
        let message =
            format!("expected no key: capabilities of the kind {kind:?} cannot be sticky");
        let hint = "only requests to handlers can be sticky; remove the key";
        section.refuse("key", message, Some(hint.to_owned()));
    }
    Some(key)
}

/// Reports keys that belong to another strategy.
fn refuse_others(section: &mut Section<'_, '_>, word: StrategyName) {
    let mine = |key: &str| key == "strategy" || word.keys().contains(&key);
    for key in keys::CAPABILITY.iter().filter(|key| !mine(key)) {
        let message = format!("expected a key of the strategy {}, found `{key}`", word.show());
        let hint = match (word, *key) {
            (StrategyName::Canary, "providers") => {
                "a canary is a new version of the plugin that offers the capability already"
                    .to_owned()
            }
            _ => format!("keys of it: {}", word.keys().join(", ")),
        };
        section.refuse(key, message, Some(hint));
    }
}

/// The providers, of which there must be two or more.
fn required(
    section: &mut Section<'_, '_>,
    providers: Option<Vec<String>>,
    at: &Node,
) -> Option<Vec<String>> {
    let hint = "name the plugins, in order: providers = [\"json\", \"json-fast\"]";
    if !section.has("providers") {
        let message = "expected the key `providers`, found none".to_owned();
        let path = section.path().to_owned();
        section.report.value(&at.at, &path, message, Some(hint.to_owned()));
    }
    let providers = providers?;
    if providers.len() < 2 {
        let message = format!("expected two plugins or more, found {}", providers.len());
        section.refuse("providers", message, Some(hint.to_owned()));
        return None;
    }
    Some(providers)
}

fn check_weights(
    section: &mut Section<'_, '_>,
    weights: Vec<u32>,
    providers: usize,
) -> Option<Vec<u32>> {
    let message = if weights.len() != providers {
        format!("expected as many weights as providers, found {} and {providers}", weights.len())
    } else if weights.iter().all(|&weight| weight == 0) {
        "expected a weight above 0, found none".to_owned()
    } else {
        return Some(weights);
    };
    let hint = "the share of each provider, in their order: weights = [90, 10]";
    section.refuse("weights", message, Some(hint.to_owned()));
    None
}

fn check_steps(section: &mut Section<'_, '_>, steps: Vec<u32>) -> Option<Vec<u32>> {
    if steps.is_sorted_by(|one, next| one < next) && steps.last() == Some(&100) {
        return Some(steps);
    }
    let message = format!("expected percentages that rise to 100, found {}", steps.show());
    let hint = "the share of the new version, step by step: steps = [1, 10, 50, 100]";
    section.refuse("steps", message, Some(hint.to_owned()));
    None
}
