//! What differs between two generations, as lines for people; and `diff`.

use clap::Args;
use plugbay::{Change, PluginChange, PluginVersion, escaped};
use plugbay_server::admin::Diff as Answer;
use serde_json::Value;

use super::failure::{Failure, Outcome};
use super::globals::Globals;
use super::target::Target;
use super::{print, source};

/// Shows what a rollback to a generation would change
#[derive(Args)]
#[command(after_help = "Examples:
  plugbay diff 12
  plugbay diff 12 --json
  plugbay generations        lists the generations to choose from")]
pub(super) struct Diff {
    /// The generation
    generation: u64,
}

impl Diff {
    pub(super) fn run(&self, globals: &Globals) -> Result<Outcome, Failure> {
        let target = Target::of(globals)?;
        let path = format!("/v1/generations/{}/diff", self.generation);
        let Some(answer) = source::query(&target, &path)? else {
            return Err(source::no_host(&target));
        };
        let answer: Answer = source::read_named(answer)?;
        if globals.json {
            print::json(&answer)?;
            return Ok(Outcome::Done);
        }
        let Answer { generation, to, change, .. } = &answer;
        if change.is_empty() {
            print::line(&format!("generations {generation} and {to} serve the same"))?;
            return Ok(Outcome::Done);
        }
        print::line(&format!("from generation {generation} to {to}:"))?;
        for line in lines(change) {
            print::line(&format!("  {}", escaped(line)))?;
        }
        Ok(Outcome::Done)
    }
}

/// What differs, a line each. Foreign text in it is not escaped.
pub(super) fn lines(change: &Change) -> Vec<String> {
    let Change {
        plugins,
        capabilities_added,
        capabilities_removed,
        capabilities_held,
        routes_added,
        routes_removed,
        config,
        ..
    } = change;
    let mut lines: Vec<String> = plugins.iter().map(plugin).collect();
    let named = |what: &str, names: &[String], end: &str| -> Vec<String> {
        names.iter().map(|name| format!("{what} {name}{end}")).collect()
    };
    lines.extend(named("+ capability", capabilities_added, ""));
    lines.extend(named("- capability", capabilities_removed, ": its last provider goes"));
    lines.extend(named("! capability", capabilities_held, ": no provider gets calls"));
    lines.extend(named("+ route", routes_added, ""));
    lines.extend(named("- route", routes_removed, ""));
    lines.extend(config.iter().map(|it| {
        let value = |value: &Option<Value>| match value {
            Some(value) => value.to_string(),
            None => "unset".to_owned(),
        };
        format!("~ config {}: {} to {}", it.key, value(&it.from), value(&it.to))
    }));
    lines
}

fn plugin(change: &PluginChange) -> String {
    let PluginChange { name, from, to, differs, .. } = change;
    let shown =
        |it: &PluginVersion| format!("{} ({}, {})", it.version, short(&it.digest), it.source);
    match (from, to) {
        (None, Some(to)) => format!("+ plugin {name} {}", shown(to)),
        (Some(from), None) => format!("- plugin {name} {}", shown(from)),
        (Some(from), Some(to)) if from != to => {
            format!("~ plugin {name} {} to {}", shown(from), shown(to))
        }
        _ => format!("~ plugin {name}: {}", differs.join(", ")),
    }
}

/// The beginning of a digest, enough to compare it with another one.
fn short(digest: &str) -> &str {
    let hex = digest.rsplit(':').next().unwrap_or(digest);
    hex.get(..12).unwrap_or(hex)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_kind_of_difference_is_a_line() {
        let version = |version: &str| json!({ "version": version, "digest": format!("sha256:{}", "ab".repeat(32)), "source": "a.wasm" });
        let change = json!({
            "plugins": [
                { "name": "a", "from": version("1.0.0"), "to": version("2.0.0"), "differs": ["version"] },
                { "name": "b", "from": null, "to": version("1.0.0"), "differs": [] },
                { "name": "c", "from": version("1.0.0"), "to": null, "differs": [] },
                { "name": "d", "from": version("1.0.0"), "to": version("1.0.0"), "differs": ["config", "policy"] },
            ],
            "capabilities_added": ["codec:b"], "capabilities_removed": ["codec:c"], "capabilities_held": ["codec:d"],
            "routes_added": ["GET /b to b"], "routes_removed": ["any /c to c"],
            "config": [{ "key": "plugins.d.memory", "from": "16MiB", "to": null }],
        });
        let lines = lines(&serde_json::from_value(change).unwrap());
        let expected = [
            "~ plugin a 1.0.0 (abababababab, a.wasm) to 2.0.0 (abababababab, a.wasm)",
            "+ plugin b 1.0.0 (abababababab, a.wasm)",
            "- plugin c 1.0.0 (abababababab, a.wasm)",
            "~ plugin d: config, policy",
            "+ capability codec:b",
            "- capability codec:c: its last provider goes",
            "! capability codec:d: no provider gets calls",
            "+ route GET /b to b",
            "- route any /c to c",
            "~ config plugins.d.memory: \"16MiB\" to unset",
        ];
        assert_eq!(lines, expected);
    }
}
