//! `check`

use std::path::PathBuf;

use clap::Args;
use plugbay::{Grant, PlannedPlugin, escaped};
use serde_json::{Value, json};

use super::author::PluginArgs;
use super::failure::{Failure, Outcome};
use super::globals::Globals;
use super::source::Progress;
use super::{print, source};

/// Checks whether the host would load files, without publishing them
///
/// Compiles each file, reads its description, looks for clashes with the other files and with the
/// plugin folder, checks the configuration against its schema, starts the plugin and shuts it down
/// again. Without a file it builds the plugin of this folder, and checks that. Exit code 1 if one would be refused.
#[derive(Args)]
#[command(after_help = "Examples:
  plugbay check                         in a plugin's folder
  plugbay check target/wasm32-unknown-unknown/release/my_plugin.wasm
  plugbay check plugins/*.wasm --json")]
pub(super) struct Check {
    /// Files that may hold plugins
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,

    #[command(flatten)]
    plugin: PluginArgs,
}

impl Check {
    pub(super) fn run(&self, globals: &Globals) -> Result<Outcome, Failure> {
        let files = match self.files.as_slice() {
            [] => &[self.plugin.build()?],
            files => files,
        };
        let host = source::in_process_lenient(globals)?;
        let progress = Progress::new(globals);
        let mut reports = Vec::new();
        let mut outcome = Outcome::Done;
        let checked = progress.during("checking", || host.check_files(files));
        for (file, checked) in files.iter().zip(checked) {
            let name = file.display();
            match checked {
                Ok(inspection) if globals.json => {
                    reports.push(json!({ "file": file, "ok": true, "plugin": inspection }));
                }
                Ok(inspection) => {
                    let plugin = &inspection.description;
                    let text = format!("good: {name}: {} {}", plugin.name, plugin.version);
                    print::line(&escaped(&text))?;
                    for note in without_state(&inspection.imports, &inspection.plugins) {
                        print::line(&escaped(note))?;
                    }
                }
                Err(refusal) => {
                    outcome = Outcome::Negative;
                    if globals.json {
                        reports.push(json!({ "file": file, "ok": false, "refusal": refusal }));
                        continue;
                    }
                    let text = format!("refused: {name}: {}", refusal.reason_and_message());
                    print::line(&escaped(&text))?;
                    if !refusal.hint.is_empty() {
                        print::line(&escaped(format!("  {}", refusal.hint)))?;
                    }
                }
            }
        }
        if globals.json {
            print::json(&Value::Array(reports))?;
        }
        Ok(outcome)
    }
}

/// What to say of plugins that import state and have no grant of it. Other grants are left out: a component on the
/// standard library imports all of WASI, whether it uses it or not.
fn without_state<'a>(
    imports: &'a [String],
    plugins: &'a [PlannedPlugin],
) -> impl Iterator<Item = String> {
    let import = imports.iter().find(|it| Grant::of_import(it) == Some(Grant::State));
    let plugins = plugins.iter().filter(|plugin| plugin.grants.state.is_none());
    let names =
        import.into_iter().flat_map(move |import| plugins.clone().map(move |it| (import, it)));
    names.map(|(import, PlannedPlugin { name, .. })| {
        format!("  denied: {import}: expected the grant `state` for {name}, found none: write `state = true` in [plugins.{name}.grants]")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_grant_of_state_is_named_with_the_import_that_needs_it() {
        let imports = ["wasi:clocks/wall-clock@0.2.6", "wasi:keyvalue/store@0.2.0-draft2"];
        let imports = imports.map(str::to_owned);
        let plugin = |name: &str, state: Value| -> PlannedPlugin {
            let none = json!([]);
            let grants = json!({
                "files": none, "network": none, "environment": none,
                "clocks": false, "random": false, "stdio": false, "state": state,
            });
            serde_json::from_value(json!({ "name": name, "grants": grants })).unwrap()
        };
        let quota = json!({ "keys": 1, "value": 1, "total": 1 });
        let plugins = [plugin("counter", json!(null)), plugin("other", quota)];
        let found: Vec<String> = without_state(&imports, &plugins).collect();
        assert_eq!(
            found,
            [
                "  denied: wasi:keyvalue/store@0.2.0-draft2: expected the grant `state` for counter, found none: write \
             `state = true` in [plugins.counter.grants]"
            ]
        );
        assert_eq!(without_state(&imports[..1], &plugins).count(), 0);
    }
}
