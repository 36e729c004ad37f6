//! `weights`

use std::collections::BTreeMap;

use clap::Args;
use plugbay::{CapabilityStatus, Override, Status, Switch, escaped, timestamp};
use serde_json::json;

use super::actions::{Common, act};
use super::failure::{Failure, Outcome};
use super::globals::Globals;
use super::inspect::percent_encode;
use super::target::Target;
use super::{print, source};

/// Shows the weights of the plugins that share a capability, or sets them
///
/// Weights that are set hold over a restart of the host, until --reset or until the configuration says the same.
#[derive(Args)]
#[command(after_help = "Examples:
  plugbay weights                                      those in force, of all capabilities
  plugbay weights codec:json
  plugbay weights codec:json json=90 json-fast=10
  plugbay weights codec:json --reset                   back to those of the configuration")]
pub(super) struct Weights {
    /// The capability, as KIND:NAME
    #[arg(value_name = "CAPABILITY")]
    capability: Option<String>,
    /// The new weight of a plugin; others keep theirs
    #[arg(value_name = "PLUGIN=N", value_parser = weight)]
    providers: Vec<(String, u32)>,
    /// Brings back the configured weights
    #[arg(long, requires = "capability", conflicts_with = "providers")]
    reset: bool,
    #[command(flatten)]
    common: Common,
}

fn weight(text: &str) -> Result<(String, u32), String> {
    let expected = || "expected PLUGIN=NUMBER, such as json=90".to_owned();
    let (plugin, weight) = text.split_once('=').ok_or_else(expected)?;
    let weight = weight.parse().map_err(|_| expected())?;
    if plugin.is_empty() { Err(expected()) } else { Ok((plugin.to_owned(), weight)) }
}

impl Weights {
    pub(super) fn run(&self, globals: &Globals) -> Result<Outcome, Failure> {
        let Self { capability, providers, reset, common } = self;
        let Some(on) = capability.as_ref().filter(|_| *reset || !providers.is_empty()) else {
            return show(globals, capability.as_deref());
        };
        let weights: BTreeMap<_, _> = providers.iter().cloned().collect();
        let body = json!({ "weights": weights }).to_string().into();
        let path = format!("/v1/capabilities/{}/weights", percent_encode(on));
        act(globals, &path, on, "setting the weights", body, common)
    }
}

/// Prints the weights in force.
fn show(globals: &Globals, only: Option<&str>) -> Result<Outcome, Failure> {
    let target = Target::of(globals)?;
    let answer = source::query(&target, "/v1/status")?;
    let status: Status = source::read(answer.ok_or_else(|| source::no_host(&target))?)?;
    let key = |it: &CapabilityStatus| format!("{}:{}", it.kind, it.name);
    let all = status.capabilities.iter().filter(|it| !it.weights.is_empty());
    let shared: Vec<_> = all.filter(|it| only.is_none_or(|only| only == key(it))).collect();
    if let (Some(only), []) = (only, &shared[..]) {
        let is_known = status.capabilities.iter().any(|it| key(it) == only);
        let found = if is_known { "one that is not" } else { "no such capability" };
        return Err(Failure::usage(format!(
            "expected a capability that is shared by weights, found {found}: {only}"
        ))
        .hint("strategy = \"split\" in its section of the configuration shares it"));
    }
    if globals.json {
        let shared = shared.iter().map(|it| {
            json!({ "capability": key(it), "weights": it.weights, "set": set(&status, &key(it)) })
        });
        print::json(&shared.collect::<Vec<_>>())?;
        return Ok(Outcome::Done);
    }
    if shared.is_empty() {
        print::line("no capability is shared by weights")?;
        return Ok(Outcome::Done);
    }
    let rows = shared.iter().flat_map(|it| {
        let sum: u64 = it.weights.values().map(|weight| u64::from(*weight)).sum();
        let by = match set(&status, &key(it)) {
            Some(set) => format!("{} since {}", set.by, timestamp::text(set.since)),
            None => "the configuration".to_owned(),
        };
        it.weights.iter().map(move |(plugin, weight)| {
            let percent = u64::from(*weight) * 100 / sum.max(1);
            vec![
                escaped(key(it)).into_owned(),
                escaped(plugin).into_owned(),
                weight.to_string(),
                format!("{percent} %"),
                escaped(&by).into_owned(),
            ]
        })
    });
    let rows = rows.collect();
    print::line(&print::table(&["capability", "plugin", "weight", "share", "set by"], rows))?;
    Ok(Outcome::Done)
}

/// The override that sets the weights of a capability.
fn set<'s>(status: &'s Status, capability: &str) -> Option<&'s Override> {
    let is_set =
        |it: &&Override| it.on == capability && matches!(it.switch, Switch::Weights { .. });
    status.overrides.iter().find(is_set)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_are_pairs() {
        assert_eq!(weight("json=90"), Ok(("json".to_owned(), 90)));
        for wrong in ["json", "=1", "json=", "json=-1", "json=1.5", "json=99999999999"] {
            assert!(weight(wrong).unwrap_err().contains("json=90"), "{wrong}");
        }
    }
}
