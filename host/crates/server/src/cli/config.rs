//! `config check`, `config show`

use std::path::PathBuf;

use clap::{Args, Subcommand};
use plugbay::Config;
use serde_json::json;

use super::failure::{Failure, Outcome};
use super::globals::Globals;
use super::print;

/// Checks the configuration, or shows what is in effect
#[derive(Subcommand)]
pub(super) enum ConfigCommand {
    Check(Check),
    Show(Show),
}

/// Checks the configuration with all its layers; exit code 2 if it has a mistake
#[derive(Args)]
#[command(
    after_help = "Prints the migrations, if there are any, in the order in which they can be carried out.

Examples:
  plugbay config check
  plugbay config check staging.toml"
)]
pub(super) struct Check {
    /// The file [default: that of --config]
    file: Option<PathBuf>,
}

/// Shows every setting in effect, and the layers it was made from
#[derive(Args)]
#[command(after_help = "Values of plugins' own keys whose names look like secrets are hidden.

Examples:
  plugbay config show
  plugbay config show --set host.strict=true --json")]
pub(super) struct Show {}

impl ConfigCommand {
    pub(super) fn run(&self, globals: &Globals) -> Result<Outcome, Failure> {
        match self {
            Self::Check(check) => check.run(globals),
            Self::Show(_) => show(globals),
        }
    }
}

impl Check {
    fn run(&self, globals: &Globals) -> Result<Outcome, Failure> {
        let file = self.file.as_deref().or_else(|| globals.file());
        let loaded = globals.layers_of(file).load();
        let sources = globals.sources(file);
        if globals.json {
            let (problems, omitted) = match &loaded {
                Ok(_) => (&[][..], 0),
                Err(error) => (error.problems.as_slice(), error.omitted),
            };
            print::json(&json!({
                "ok": loaded.is_ok(),
                "layers": sources,
                "problems": problems,
                "omitted": omitted,
                "migrations": loaded.as_ref().map(|it| it.migrations.rules_in_order()).unwrap_or_default(),
            }))?;
            // Everything is printed on stdout; only the exit code is left.
            return match loaded {
                Ok(_) => Ok(Outcome::Done),
                Err(_) => Err(Failure::already_printed(2)),
            };
        }
        let config = loaded?;
        print::line(&format!("good: {}", sources.join(", ")))?;
        if !config.migrations.rules().is_empty() {
            print::line("migrations, in order:")?;
        }
        for (index, rule) in config.migrations.rules_in_order().iter().enumerate() {
            print::line(&format!("  {}. {rule}", index + 1))?;
        }
        Ok(Outcome::Done)
    }
}

fn show(globals: &Globals) -> Result<Outcome, Failure> {
    let sources = globals.sources(globals.file());
    let config: Config = globals.layers().load()?;
    if globals.json {
        print::json(&json!({ "layers": sources, "config": config }))?;
        return Ok(Outcome::Done);
    }
    let text = toml::to_string_pretty(&config).map_err(|error| {
        Failure::new(format!("cannot write the configuration as TOML: {error}"))
    })?;
    print::line(&format!("# layers, later ones override earlier ones: {}\n", sources.join(", ")))?;
    print::line(text.trim_end())?;
    Ok(Outcome::Done)
}
