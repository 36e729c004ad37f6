//! `check`

use std::path::PathBuf;

use clap::Args;
use plugbay::escaped;
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
