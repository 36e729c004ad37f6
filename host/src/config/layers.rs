//! The builder: merges file, environment and flags into one [`Config`].

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use toml::de::DeTable;

use super::check::relations;
use super::problem::error::{ConfigError, ConfigSource, Problem, ProblemKind};
use super::problem::report::{Report, locate};
use super::problem::source::{FILE, Place, Source, Sources};
use super::read::deep::{Failed, on_deep_stack};
use super::read::overlay::{self, Pair};
use super::read::tree::{self, Table};
use super::section::keys;
use super::section::settings::{self, Config};

/// The layers of a configuration. [`Layers::load`] may be called again and again: it reads the
/// file each time.
#[derive(Clone, Default)]
#[must_use]
pub struct Layers {
    file: Text,
    env: Vec<(String, String)>,
    flags: Vec<(String, String)>,
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

/// The largest configuration file, in bytes.
const LARGEST: u64 = 4 << 20;

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
            Err(single(Problem {
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

    fn origin(&self) -> ConfigSource {
        match &self.file {
            Text::None => ConfigSource::Default,
            Text::File(path) | Text::Given { origin: path, .. } => ConfigSource::File(path.clone()),
        }
    }

    fn load_here(&self) -> Result<Config, ConfigError> {
        let text = match &self.file {
            Text::None => String::new(),
            Text::Given { text, .. } => text.clone(),
            Text::File(path) => read_file(path)?,
        };
        let origin = self.origin();
        let mut sources = Sources(vec![Source { origin, text }]);
        let env = overlay::variables(&self.env, &keys::IN_ENVIRONMENT, &mut sources);
        let flags = overlay::flags(&self.flags, &mut sources);
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
        let config = settings::read(&root, &mut report);
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

fn read_file(path: &Path) -> Result<String, ConfigError> {
    let mut bytes = Vec::new();
    let size = File::open(path)
        .and_then(|file| file.take(LARGEST + 1).read_to_end(&mut bytes))
        .map_err(|error| unreadable(path, &error))?;
    if size as u64 > LARGEST {
        let found = io::Error::other(format!("expected at most {LARGEST} bytes, found more"));
        return Err(unreadable(path, &found));
    }
    String::from_utf8(bytes).map_err(|error| not_text(path, &error))
}

fn unreadable(path: &Path, error: &io::Error) -> ConfigError {
    let hint = match error.kind() {
        io::ErrorKind::NotFound => "create the file, or name another one",
        io::ErrorKind::PermissionDenied => "let the user that runs plugbay read the file",
        _ => "name a readable file",
    };
    single(Problem {
        kind: ProblemKind::Io,
        origin: ConfigSource::File(path.to_owned()),
        line: None,
        column: None,
        key: None,
        message: format!("expected a readable file, found: {error}"),
        hint: Some(hint.to_owned()),
        excerpt: None,
    })
}

fn not_text(path: &Path, error: &std::string::FromUtf8Error) -> ConfigError {
    let text = String::from_utf8_lossy(error.as_bytes());
    let at = error.utf8_error().valid_up_to();
    let (line, column, excerpt) = locate(&text, at..at + 1);
    single(Problem {
        kind: ProblemKind::Syntax,
        origin: ConfigSource::File(path.to_owned()),
        line: Some(line),
        column: Some(column),
        key: None,
        message: "expected UTF-8 text, found another byte".to_owned(),
        hint: Some("save the file as UTF-8".to_owned()),
        excerpt,
    })
}

fn single(problem: Problem) -> ConfigError {
    ConfigError { problems: vec![problem], omitted: 0 }
}
