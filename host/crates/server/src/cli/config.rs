//! `config check`, `config show`

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use clap::{Args, Subcommand};
use plugbay::config::Origin;
use plugbay::{Config, ConfigWarning, Rejected, RunningConfig, escaped, is_artifact_name};
use serde_json::json;

use super::failure::{Failure, Outcome};
use super::globals::Globals;
use super::target::Target;
use super::{print, source};

/// How long an incomplete file must be unchanged before a host refuses it.
const SETTLE: Duration = Duration::from_secs(2);

/// Checks the configuration, or shows what is in effect
#[derive(Subcommand)]
pub(super) enum ConfigCommand {
    Check(Check),
    Show(Show),
}

/// Checks configuration and plugin folder as a load would; exit code 2 if something is refused
#[derive(Args)]
#[command(
    after_help = "Loads the plugins as `up` would, starts them and shuts them down again. Prints what
would be refused, and warns of what has no effect: sections that name no plugin, routes that have no
handler or that no request can reach. Prints the migrations, if there are any, in the order in which
they can be carried out.

Examples:
  plugbay config check
  plugbay config check staging.toml"
)]
pub(super) struct Check {
    /// The file [default: that of --config]
    file: Option<PathBuf>,
}

/// Shows every setting in effect, and the layers it was made from
///
/// With --running what the running host uses, and where each value comes from: a line of the file, a variable, a
/// flag, an operator, or a default.
#[derive(Args)]
#[command(after_help = "Values of plugins' own keys whose names look like secrets are hidden.

Examples:
  plugbay config show
  plugbay config show --set host.strict=true --json
  plugbay config show --running")]
pub(super) struct Show {
    /// Asks the running host
    #[arg(long)]
    running: bool,
}

impl ConfigCommand {
    pub(super) fn run(&self, globals: &Globals) -> Result<Outcome, Failure> {
        match self {
            Self::Check(check) => check.run(globals),
            Self::Show(Show { running: true }) => show_running(globals),
            Self::Show(_) => show(globals),
        }
    }
}

impl Check {
    fn run(&self, globals: &Globals) -> Result<Outcome, Failure> {
        let file = self.file.as_deref().or_else(|| globals.file());
        let loaded = globals.layers_of(file).load();
        let sources = globals.sources(file);
        let (findings, config) = match loaded {
            Ok(config) => (Findings::of(globals, &config)?, Ok(config)),
            Err(error) => (Findings::default(), Err(error)),
        };
        let is_good = config.is_ok() && findings.refused.is_empty();
        if globals.json {
            let (problems, omitted) = match &config {
                Ok(_) => (&[][..], 0),
                Err(error) => (error.problems.as_slice(), error.omitted),
            };
            print::json(&json!({
                "ok": is_good,
                "layers": sources,
                "problems": problems,
                "omitted": omitted,
                "migrations": config.as_ref().map(|it| it.migrations.rules_in_order()).unwrap_or_default(),
                "rejected": findings.refused,
                "warnings": findings.warnings,
            }))?;
            // Everything is printed on stdout; only the exit code is left.
            return if is_good { Ok(Outcome::Done) } else { Err(Failure::already_printed(2)) };
        }
        let config = config?;
        findings.print()?;
        if !is_good {
            return Err(Failure::already_printed(2));
        }
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

/// What a load of a configuration without mistakes would refuse, or would warn of.
#[derive(Default)]
struct Findings {
    refused: Vec<Rejected>,
    warnings: Vec<ConfigWarning>,
}

impl Findings {
    fn of(globals: &Globals, config: &Config) -> Result<Self, Failure> {
        wait(settles_in(&config.host.plugins, SystemTime::now()));
        let status = source::load_leniently(globals, config.clone())?.status();
        let folder = config.host.plugins.display().to_string();
        let is_missing = !config.host.plugins.exists();
        let (missing, refused): (Vec<_>, Vec<_>) =
            status.rejected.into_iter().partition(|it| is_missing && it.source == folder);
        // A host serves without its folder, and waits for it.
        let missing = missing.into_iter().map(|it| ConfigWarning::new("host.plugins", it.message));
        Ok(Self { refused, warnings: missing.chain(status.warnings).collect() })
    }

    fn print(&self) -> Result<(), Failure> {
        for refused in &self.refused {
            let Rejected { source, reason, message, hint, .. } = refused;
            print::line(&escaped(format!("refused: {source}: {reason}: {message}")))?;
            if !hint.is_empty() {
                print::line(&escaped(format!("  {hint}")))?;
            }
        }
        for warning in &self.warnings {
            print::line(&escaped(format!("warning: {warning}")))?;
        }
        Ok(())
    }
}

/// How long it takes until the newest artifact of a folder is as old as a host requires that judges
/// incomplete files: two seconds at most.
fn settles_in(folder: &Path, now: SystemTime) -> Duration {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let artifacts = entries.map(|entry| entry.path()).filter(|path| is_artifact_name(path));
    let ages = artifacts.filter_map(|path| {
        let modified = std::fs::metadata(path).ok()?.modified().ok()?;
        // A time stamp in the future has no age.
        Some(now.duration_since(modified).unwrap_or_default())
    });
    ages.min().map(|age| SETTLE.saturating_sub(age)).unwrap_or_default()
}

#[expect(clippy::disallowed_methods, reason = "the age of a file is what this waits for")]
fn wait(time: Duration) {
    std::thread::sleep(time);
}

/// The configuration of the running host: each value, and where it comes from.
fn show_running(globals: &Globals) -> Result<Outcome, Failure> {
    let target = Target::of(globals)?;
    let Some(answer) = source::query(&target, "/v1/config")? else {
        return Err(source::no_host(&target));
    };
    let running: RunningConfig = source::read(answer)?;
    if globals.json {
        print::json(&running)?;
        return Ok(Outcome::Done);
    }
    let rows = running.values.iter().map(|it| {
        let cells = [it.key.clone(), it.value.to_string(), origin(&it.origin)];
        cells.iter().map(|cell| escaped(cell).into_owned()).collect()
    });
    print::line(&print::table(&["key", "value", "from"], rows.collect()))?;
    Ok(Outcome::Done)
}

fn origin(origin: &Origin) -> String {
    match origin {
        Origin::Default => "default".to_owned(),
        Origin::File { path, line } => format!("{}:{line}", path.display()),
        Origin::Environment { variable } => variable.clone(),
        Origin::Flag { key } => format!("--set {key}"),
        Origin::Application => "the application".to_owned(),
        Origin::Operator { by, since } => format!("{by}, since {since}"),
        Origin::Generation { number } => format!("generation {number}, rolled back to"),
        _ => "unknown".to_owned(),
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

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn only_artifacts_that_were_just_written_are_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let now = SystemTime::now();
        let write = |name: &str, age: Duration| {
            let path = folder.path().join(name);
            fs::write(&path, "").unwrap();
            fs::File::options().append(true).open(path).unwrap().set_modified(now - age).unwrap();
        };
        assert_eq!(settles_in(&folder.path().join("missing"), now), Duration::ZERO);
        for name in ["README.md", ".a.wasm.tmp", ".hidden.wasm", "state.db"] {
            write(name, Duration::ZERO);
        }
        write("a.wasm", SETTLE);
        assert_eq!(settles_in(folder.path(), now), Duration::ZERO);
        write("b.so", SETTLE / 4);
        assert_eq!(settles_in(folder.path(), now), SETTLE * 3 / 4);
    }
}
