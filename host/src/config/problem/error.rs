//! Errors of a configuration: a list of problems, each with its place and what to do about it.

use std::path::PathBuf;

use serde::{Serialize, Serializer};

/// Why a configuration was refused: all problems that were found, in the order of the layers and
/// of the lines. Its [`Display`](std::fmt::Display) is made for a terminal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ConfigError {
    /// The first hundred problems; never empty.
    pub problems: Vec<Problem>,
    /// How many further problems were found.
    pub omitted: usize,
}

impl ConfigError {
    /// A stable word for metrics, logs and the API: the kind of the most basic problem.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        self.problems
            .iter()
            .map(|problem| problem.kind)
            .min()
            .map_or(ProblemKind::Value.reason(), ProblemKind::reason)
    }
}

impl std::error::Error for ConfigError {}

impl From<Problem> for ConfigError {
    fn from(problem: Problem) -> Self {
        Self { problems: vec![problem], omitted: 0 }
    }
}

/// One mistake in a configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Problem {
    /// What kind of mistake it is.
    pub kind: ProblemKind,
    /// Where it was written.
    pub origin: ConfigSource,
    /// From 1; `None` where there are no lines (variables, flags, a file that cannot be read).
    pub line: Option<usize>,
    /// From 1, counted in characters.
    pub column: Option<usize>,
    /// Dotted, e.g. `plugins.hello.memory`; `None` where no key is concerned.
    pub key: Option<String>,
    /// A lowercase fragment: what was expected and what was found.
    pub message: String,
    /// What to do.
    pub hint: Option<String>,
    /// The line as written, with the part that is meant.
    pub excerpt: Option<Excerpt>,
}

/// The kind of a mistake, ordered from the most basic one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum ProblemKind {
    /// The file cannot be read.
    Io,
    /// The file is not TOML.
    Syntax,
    /// A key, section or variable that does not exist.
    UnknownKey,
    /// A value of another type than the key takes.
    Type,
    /// A value of the right type that is out of range or contradicts another.
    Value,
}

impl ProblemKind {
    /// The stable word for logs and APIs.
    #[must_use]
    pub fn reason(self) -> &'static str {
        match self {
            ProblemKind::Io => "config-io",
            ProblemKind::Syntax => "config-syntax",
            ProblemKind::UnknownKey => "config-unknown-key",
            ProblemKind::Type => "config-type",
            ProblemKind::Value => "config-value",
        }
    }
}

impl Serialize for ProblemKind {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.reason())
    }
}

/// Where a value was written.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ConfigSource {
    /// In this file.
    File(PathBuf),
    /// An environment variable, by its full name.
    Environment(String),
    /// A flag, by its dotted key.
    Flag(String),
    /// A default of the program.
    Default,
}

impl Serialize for ConfigSource {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A line of the file and the part of it that a problem is about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Excerpt {
    /// The line as printable text, shortened around the part, and without values that sound like
    /// secrets.
    pub text: String,
    /// Characters of `text` before the part.
    pub indent: usize,
    /// Characters of the part, at least 1.
    pub width: usize,
}
