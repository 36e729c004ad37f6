//! The options of every subcommand.

use std::io;
use std::path::{Path, PathBuf};

use clap::{ArgAction, Args, ValueEnum};
use plugbay::Config;
use plugbay::config::Layers;
use plugbay_server::log::{LogFormat, LogLayer, LogTail};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use super::failure::Failure;
use super::remote::RemoteArgs;

/// The file that is read when none is named.
const DEFAULT_FILE: &str = "config.toml";
const PREFIX: &str = "PLUGBAY_";
/// The variable that names the file of hosts.
pub(super) const HOSTS: &str = "PLUGBAY_HOSTS";
/// The default log filter. The library logs each event, which `up` prints on stdout and the other
/// commands do not need. What plugins print is shown if it is granted.
const DEFAULT_LOG: &str = "warn,plugbay=error,plugbay_discovery=info,plugbay::plugin=warn,plugbay::plugin::output=info,plugbay_server=warn,plugbay_otlp=warn,plugbay_wasm=warn,plugbay_native=warn";

#[derive(Args, Clone)]
#[command(next_help_heading = "Global options")]
pub(super) struct Globals {
    /// The configuration file [default: ./config.toml if it exists]
    #[arg(
        long,
        global = true,
        value_name = "FILE",
        env = "PLUGBAY_CONFIG",
        hide_env_values = true
    )]
    config: Option<PathBuf>,

    /// Sets a configuration key; overrides file and environment; repeatable
    #[arg(long, global = true, value_name = "KEY=VALUE", value_parser = key_value)]
    set: Vec<(String, String)>,

    /// Prints JSON
    #[arg(long, global = true)]
    pub(super) json: bool,

    /// The format of the log [default: text, or json with --json]
    #[arg(
        long,
        global = true,
        value_name = "FORMAT",
        env = "PLUGBAY_LOG_FORMAT",
        hide_env_values = true
    )]
    log_format: Option<LogFormat>,

    /// When to use color
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto")]
    color: Color,

    /// Logs more to stderr; repeat for still more. `PLUGBAY_LOG=FILTER` sets a filter
    #[arg(short, long, global = true, action = ArgAction::Count)]
    verbose: u8,

    /// Logs errors only, and shows no progress
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub(super) quiet: bool,

    #[command(flatten)]
    pub(super) remote: RemoteArgs,

    /// What a command sets by itself; the user's `--set` overrides it.
    #[arg(skip)]
    preset: Vec<(String, String)>,

    /// The log filter of a command that shows more than others.
    #[arg(skip)]
    log: Option<&'static str>,
}

#[derive(Clone, Copy, ValueEnum)]
enum Color {
    Auto,
    Always,
    Never,
}

fn key_value(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err("expected KEY=VALUE, such as server.listen=127.0.0.1:8080".into()),
    }
}

impl Globals {
    /// Sets whether this process prints color.
    pub(super) fn color(&self) {
        match self.color {
            Color::Auto => anstream::ColorChoice::Auto,
            Color::Always => anstream::ColorChoice::Always,
            Color::Never => anstream::ColorChoice::Never,
        }
        .write_global();
    }

    /// The file of the configuration, if there is one. Something else with the default's name, such as a
    /// dangling link, is refused when it is read.
    pub(super) fn file(&self) -> Option<&Path> {
        let default = Path::new(DEFAULT_FILE);
        let exists = || default.symlink_metadata().is_ok();
        self.config.as_deref().or_else(|| exists().then_some(default))
    }

    /// The layers of the configuration: file, environment, flags.
    pub(super) fn layers(&self) -> Layers {
        self.layers_of(self.file())
    }

    /// As [`Globals::layers`], of another file.
    pub(super) fn layers_of(&self, file: Option<&Path>) -> Layers {
        let layers = Config::builder().env(environment());
        let layers = match file {
            Some(file) => layers.file(file),
            None => layers,
        };
        let set = self.preset.iter().chain(&self.set);
        set.fold(layers, |layers, (key, value)| layers.set(key.as_str(), value.as_str()))
    }

    /// The same, for a command that sets keys by itself, and logs by this filter unless the user says otherwise.
    pub(super) fn with(
        &self,
        preset: impl IntoIterator<Item = (String, String)>,
        log: &'static str,
    ) -> Self {
        Self { preset: preset.into_iter().collect(), log: Some(log), ..self.clone() }
    }

    /// Where values may come from, weakest first.
    pub(super) fn sources(&self, file: Option<&Path>) -> Vec<String> {
        let file = file.map(|file| file.display().to_string());
        let variables = environment().into_iter().map(|(name, _)| name);
        let variables = variables.filter(|name| !NOT_SETTINGS.contains(&name.as_str()));
        let flags = self.set.iter().map(|(key, _)| format!("--set {key}"));
        ["defaults".to_owned()].into_iter().chain(file).chain(variables).chain(flags).collect()
    }

    /// Sends the log to the writers that `writer` makes.
    pub(super) fn log<W: io::Write + 'static>(
        &self,
        writer: impl Fn() -> W + Send + Sync + 'static,
    ) -> Result<(), Failure> {
        self.log_with(writer, |layer| layer)
    }

    /// As [`Globals::log`], and keeps the latest lines for the admin plane.
    pub(super) fn log_and_keep<W: io::Write + 'static>(
        &self,
        writer: impl Fn() -> W + Send + Sync + 'static,
        tail: LogTail,
    ) -> Result<(), Failure> {
        self.log_with(writer, |layer| layer.tail(tail))
    }

    fn log_with<W, F>(
        &self,
        writer: F,
        with: impl FnOnce(LogLayer<F>) -> LogLayer<F>,
    ) -> Result<(), Failure>
    where
        W: io::Write + 'static,
        F: Fn() -> W + Send + Sync + 'static,
    {
        let default = match (self.quiet, self.verbose) {
            (true, _) => "error",
            (false, 0) => self.log.unwrap_or(DEFAULT_LOG),
            (false, 1) => "info",
            (false, 2) => "debug",
            (false, _) => "trace",
        };
        let filter = match std::env::var("PLUGBAY_LOG") {
            Ok(filter) if !filter.is_empty() => EnvFilter::try_new(&filter).map_err(|error| {
                Failure::usage(format!(
                    "PLUGBAY_LOG: expected a log filter, found {filter:?}: {error}"
                ))
                .hint("for example PLUGBAY_LOG=info or PLUGBAY_LOG=warn,plugbay=debug")
            })?,
            _ => EnvFilter::new(default),
        };
        let colored = anstream::AutoStream::choice(&io::stderr()) != anstream::ColorChoice::Never;
        let log = with(LogLayer::new(self.log_format(), writer).colored(colored));
        tracing_subscriber::registry().with(filter).with(log).init();
        Ok(())
    }

    /// The format of the log.
    pub(super) fn log_format(&self) -> LogFormat {
        let default = if self.json { LogFormat::Json } else { LogFormat::Text };
        self.log_format.unwrap_or(default)
    }
}

const NOT_SETTINGS: [&str; 8] = [
    "PLUGBAY_CONFIG",
    "PLUGBAY_DIRECTORY",
    "PLUGBAY_DIRECTORY_TOKEN",
    "PLUGBAY_HOST",
    HOSTS,
    "PLUGBAY_LOG",
    "PLUGBAY_LOG_FORMAT",
    "PLUGBAY_TOKEN",
];

/// The environment variables with the prefix `PLUGBAY_`. Bytes of a value that are not UTF-8 are
/// replaced.
fn environment() -> Vec<(String, String)> {
    let variables = std::env::vars_os().filter_map(|(name, value)| {
        let name = name.into_string().ok().filter(|name| name.starts_with(PREFIX))?;
        Some((name, value.to_string_lossy().into_owned()))
    });
    let mut variables: Vec<_> = variables.collect();
    variables.sort();
    variables
}

#[cfg(test)]
mod tests {
    use tracing::Level;

    use super::*;

    #[test]
    fn the_default_log_shows_what_plugins_print_and_their_warnings() {
        let log = tracing_subscriber::registry().with(EnvFilter::new(DEFAULT_LOG));
        tracing::subscriber::with_default(log, || {
            assert!(tracing::enabled!(target: "plugbay::plugin::output", Level::INFO));
            assert!(tracing::enabled!(target: "plugbay::plugin", Level::WARN));
            assert!(!tracing::enabled!(target: "plugbay::plugin", Level::INFO), "that takes -v");
        });
    }
}
