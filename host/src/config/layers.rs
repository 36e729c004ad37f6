//! The builder: merges file, environment and flags into one [`Config`].

use std::fmt;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use toml::de::DeTable;

use super::check::relations;
use super::file::{SETTLE, Seen, Stamp};
use super::flat::Origins;
use super::kept;
use super::problem::error::{ConfigError, ConfigSource, Problem, ProblemKind};
use super::problem::report::Report;
use super::problem::source::{FILE, Place, Source, Sources};
use super::read::deep::{Failed, on_deep_stack};
use super::read::overlay::{self, Pair};
use super::read::tree::{self, Table};
use super::section::keys;
use super::section::settings::{self, Config};
use super::text::{self, FileText};

/// How often a file is read again that may be in the middle of being saved.
const SAVE_CHECK: Duration = Duration::from_millis(20);

/// The layers of a configuration. [`Layers::load`] may be called again and again: it reads the
/// file each time.
#[derive(Clone, Default)]
#[must_use]
pub struct Layers {
    file: Text,
    env: Vec<(String, String)>,
    flags: Vec<(String, String)>,
    keep_last: bool,
    /// The plugin folder, whatever the layers say.
    plugins: Option<PathBuf>,
}

/// The configuration that a host starts with.
pub(crate) struct Start {
    pub(crate) config: Config,
    /// The text of the file, if there is one, with its stamp unless it is the kept text.
    pub(crate) text: Option<(String, Option<Stamp>)>,
    /// Why the file itself is refused, if the kept text is used instead.
    pub(crate) refused: Option<ConfigError>,
}

#[derive(Clone, Default)]
enum Text {
    #[default]
    None,
    /// A file that is read by each load.
    File(PathBuf),
    Given {
        text: String,
        origin: PathBuf,
    },
}

/// Shows the names of the layers, not their values.
impl fmt::Debug for Layers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let file = match &self.file {
            Text::None => None,
            Text::File(path) | Text::Given { origin: path, .. } => Some(path),
        };
        let flags: Vec<&String> = self.flags.iter().map(|(key, _)| key).collect();
        f.debug_struct("Layers").field("file", &file).field("flags", &flags).finish_non_exhaustive()
    }
}

impl Config {
    /// Parses one file without other layers. `origin` names it in messages; relative folders in it
    /// are joined to `origin`'s folder.
    ///
    /// # Errors
    /// With every mistake that was found.
    pub fn parse(text: &str, origin: &Path) -> Result<Config, ConfigError> {
        Config::builder().text(text, origin).load()
    }

    /// Layers to load from: file, environment, flags.
    pub fn builder() -> Layers {
        Layers::default()
    }
}

impl Layers {
    /// Reads this file, in place of any earlier [`Layers::file`] or [`Layers::text`]. It must
    /// exist when `load` is called.
    pub fn file(mut self, path: impl Into<PathBuf>) -> Layers {
        self.file = Text::File(path.into());
        self
    }

    /// The file that is read on each [`Layers::load`].
    pub(crate) fn path(&self) -> Option<&Path> {
        match &self.file {
            Text::File(path) => Some(path),
            Text::None | Text::Given { .. } => None,
        }
    }

    /// Uses the text of a file that was read already; `origin` names it.
    pub fn text(mut self, text: impl Into<String>, origin: impl AsRef<Path>) -> Layers {
        self.file = Text::Given { text: text.into(), origin: origin.as_ref().to_owned() };
        self
    }

    /// Keeps the text of the file in `host.cache` whenever it is in force, so that a host starts with the
    /// configuration that was last in force if the file has a mistake then: see
    /// [`Layers::load_to_start`]. Without a cache nothing is kept.
    pub fn keep_last(mut self) -> Layers {
        self.keep_last = true;
        self
    }

    pub(crate) fn set_plugins(&mut self, folder: PathBuf) {
        self.plugins = Some(folder);
    }

    pub(crate) fn keeps_last(&self) -> bool {
        self.keep_last
    }

    /// Adds environment variables; those that do not begin with `PLUGBAY_` are ignored.
    pub fn env<K, V>(mut self, variables: impl IntoIterator<Item = (K, V)>) -> Layers
    where
        K: Into<String>,
        V: Into<String>,
    {
        self.env.extend(variables.into_iter().map(|(key, value)| (key.into(), value.into())));
        self
    }

    /// Adds a flag: a dotted key as in the file (`plugins."a.b".enabled`) and its value. A later
    /// flag wins over an earlier one.
    pub fn set(mut self, key: impl Into<String>, value: impl Into<String>) -> Layers {
        self.flags.push((key.into(), value.into()));
        self
    }

    /// Loads and merges all layers.
    ///
    /// # Errors
    /// With every mistake that was found in any layer.
    pub fn load(&self) -> Result<Config, ConfigError> {
        on_deep_stack(|| self.load_here()).unwrap_or_else(|failed| {
            let (message, hint) = match failed {
                Failed::NoThread(error) => (
                    format!("cannot start a thread to read the configuration: {error}"),
                    "allow the process more threads or memory",
                ),
                Failed::Panicked => (
                    "reading the configuration panicked; this is a bug in plugbay".to_owned(),
                    "report it, with the configuration file",
                ),
            };
            Err(ConfigError::from(Problem {
                kind: ProblemKind::Io,
                origin: self.origin(),
                line: None,
                column: None,
                key: None,
                message,
                hint: Some(hint.to_owned()),
                excerpt: None,
            }))
        })
    }

    /// Loads the configuration that a host with these layers starts with: as [`Layers::load`], but
    /// with [`Layers::keep_last`], a file that has a mistake is replaced by its text that was last in
    /// force. The host lists the file as refused then.
    ///
    /// A file that has a mistake may be one that is being saved: then this blocks until the file loads, or
    /// has not changed for two seconds, but no longer than four.
    ///
    /// # Errors
    /// As [`Layers::load`], if no text is kept or it does not load with these variables and flags.
    pub fn load_to_start(&self) -> Result<Config, ConfigError> {
        self.start().map(|start| start.config)
    }

    pub(crate) fn start(&self) -> Result<Start, ConfigError> {
        let Some(path) = self.path() else {
            return Ok(Start { config: self.load()?, text: None, refused: None });
        };
        let (began, mut seen, mut waited) = (Instant::now(), Seen::now(None), false);
        let (FileText { stamp, text }, loaded) = loop {
            let read = text::read(path);
            let loaded = match &read.text {
                Ok(text) => self.clone().text(text.as_str(), path).load(),
                Err(error) => Err(error.clone()),
            };
            let settled = seen.age(read.stamp.as_ref()) >= SETTLE || began.elapsed() >= 2 * SETTLE;
            // A program that saves a file may empty it first.
            let is_emptied = waited && read.text.as_ref().is_ok_and(|text| text.trim().is_empty());
            let is_saved = loaded.is_ok() && !is_emptied;
            if is_saved || read.text.is_err() || settled {
                break (read, loaded);
            }
            thread::park_timeout(SAVE_CHECK);
            waited = true;
        };
        let text = text.unwrap_or_default();
        match loaded {
            Ok(config) => Ok(Start { config, text: Some((text, stamp)), refused: None }),
            Err(error) if self.keep_last => match self.last(path, &text) {
                Some((config, kept)) => {
                    Ok(Start { config, text: Some((kept, None)), refused: Some(error) })
                }
                None => Err(error),
            },
            Err(error) => Err(error),
        }
    }

    /// The configuration that was last in force, and the text of its file; `None` if none is kept, or
    /// if it does not load with these variables and flags. `broken` is the text that the file has now.
    fn last(&self, file: &Path, broken: &str) -> Option<(Config, String)> {
        let with = |text: &str| self.clone().text(text, file).load().ok();
        // The cache is the one that the readable part of the file names, or the one without the file.
        let named = on_deep_stack(|| kept::named_cache(broken)).ok().flatten();
        let named = named.map(|cache| format!("[host]\ncache = {}\n", toml::Value::String(cache)));
        let config = named.and_then(|text| with(&text)).or_else(|| with(""))?;
        let cache = config.host.cache;
        if cache.as_os_str().is_empty() {
            return None;
        }
        let kept = kept::read(&cache, file)?;
        Some((with(&kept)?, kept))
    }

    fn origin(&self) -> ConfigSource {
        match &self.file {
            Text::None => ConfigSource::Default,
            Text::File(path) | Text::Given { origin: path, .. } => ConfigSource::File(path.clone()),
        }
    }

    /// Where the values of this configuration come from.
    pub(crate) fn origins(&self) -> Origins {
        // What cannot be read has no origins: it is refused where it is loaded.
        let origins = || self.merged().map(|(root, sources)| Origins::of(&root, &sources));
        on_deep_stack(origins).ok().and_then(Result::ok).unwrap_or_default()
    }

    /// The merged tree, without its mistakes.
    fn merged(&self) -> Result<(Table, Sources), ConfigError> {
        let (sources, env, flags) = self.sources()?;
        let mut report = Report::new(&sources);
        let mut root = parse(&sources.0[FILE].text, &mut report).unwrap_or_default();
        overlay::apply(env.into_iter().chain(flags).collect(), &mut root, &mut report);
        Ok((root, sources))
    }

    /// The text of the file, and the variables and flags over it.
    fn sources(&self) -> Result<(Sources, Vec<Pair>, Vec<Pair>), ConfigError> {
        let text = match &self.file {
            Text::None => String::new(),
            Text::Given { text, .. } => text.clone(),
            Text::File(path) => text::read(path).text?,
        };
        let origin = self.origin();
        let mut sources = Sources(vec![Source { origin, text }]);
        let env = overlay::variables(&self.env, &keys::IN_ENVIRONMENT, &mut sources);
        let flags = overlay::flags(&self.flags, &mut sources);
        Ok((sources, env, flags))
    }

    fn load_here(&self) -> Result<Config, ConfigError> {
        let (sources, env, flags) = self.sources()?;
        let mut report = Report::new(&sources);

        let Some(mut root) = parse(&sources.0[FILE].text, &mut report) else {
            report.finish()?;
            return Ok(Config::default());
        };
        // The file is read alone first: a mistake in it must not hide behind the layers over it.
        settings::read(&root, &mut report);
        report.set_file_done(true);
        let pairs: Vec<Pair> = env.into_iter().chain(flags).collect();
        overlay::apply(pairs, &mut root, &mut report);
        let mut config = settings::read(&root, &mut report);
        if let Some(folder) = &self.plugins {
            config.host.plugins.clone_from(folder);
        }
        report.set_file_done(false);
        relations::check(&config, &root, &mut report);
        report.finish()?;
        Ok(config)
    }
}

/// `None` on syntax errors, which are reported.
fn parse(text: &str, report: &mut Report<'_>) -> Option<Table> {
    let (table, errors) = DeTable::parse_recoverable(text);
    if errors.is_empty() {
        return Some(tree::from_toml(table.into_inner(), report));
    }
    for error in errors {
        let at = Place::new(FILE, error.span().unwrap_or(0..0));
        let hint = "the file is TOML 1.1: key = value, with strings in quotes";
        report.add(ProblemKind::Syntax, &at, "", error.message().to_owned(), Some(hint.to_owned()));
    }
    None
}
