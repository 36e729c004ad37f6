//! Prints problems on a terminal.
//!
//! ```text
//! config.toml:4:1: server.lisen: unknown key; did you mean `listen`?
//!   |
//! 4 | lisen = "127.0.0.1:7070"
//!   | ^^^^^
//!   = keys of [server]: listen, max_body, max_buffered, timeout, tls
//! ```

use std::fmt;

use super::error::{ConfigError, ConfigSource, Excerpt, Problem};
use super::secret;

/// The most characters of a line that are shown.
const LINE: usize = 120;
/// The most characters of a found value that are shown.
const VALUE: usize = 60;

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.problems.iter().enumerate() {
            if index > 0 {
                f.write_str("\n\n")?;
            }
            write!(f, "{problem}")?;
        }
        match self.omitted {
            0 => Ok(()),
            more => write!(f, "\n\nand {more} more"),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.origin)?;
        if let (Some(line), Some(column)) = (self.line, self.column) {
            write!(f, ":{line}:{column}")?;
        }
        if let Some(key) = &self.key {
            write!(f, ": {key}")?;
        }
        write!(f, ": {}", self.message)?;
        let number = self.line.map(|line| line.to_string()).unwrap_or_default();
        let gutter = number.len();
        if let Some(Excerpt { text, indent, width }) = &self.excerpt {
            write!(f, "\n{:gutter$} |\n{number} | {text}", "")?;
            write!(f, "\n{:gutter$} | {:indent$}{}", "", "", "^".repeat(*width))?;
        }
        if let Some(hint) = &self.hint {
            write!(f, "\n{:gutter$} = {hint}", "")?;
        }
        Ok(())
    }
}

impl fmt::Display for ConfigSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ConfigSource::File(path) => {
                write!(f, "{}", printable(&path.to_string_lossy()))
            }
            ConfigSource::Environment(name) => {
                write!(f, "environment variable {}", printable(name))
            }
            ConfigSource::Flag(key) => write!(f, "flag {}", printable(key)),
            ConfigSource::Default => f.write_str("defaults"),
        }
    }
}

/// The excerpt for `column` (from 1) and `width` in `line`.
pub(crate) fn excerpt(line: &str, column: usize, width: usize) -> Excerpt {
    let masked = secret::masked_line(line);
    let line: Vec<char> = masked.trim_end().chars().collect();
    let at = (column - 1).min(line.len());
    // Keep the part visible on lines that are longer than a terminal is wide.
    let from = if at < LINE * 3 / 4 { 0 } else { at - LINE / 2 };
    let to = (from + LINE).min(line.len());
    let mut text: String = line[from..to].iter().copied().map(visible).collect();
    let mut indent = at - from;
    if from > 0 {
        text.insert_str(0, "...");
        indent += 3;
    }
    if to < line.len() {
        text.push_str("...");
    }
    Excerpt { text, indent, width: width.min(to - at).max(1) }
}

/// Replaces control characters and characters that change the reading direction. One character
/// becomes one character, so that the caret stays in its place.
fn visible(letter: char) -> char {
    match letter {
        '\t' => ' ',
        '\u{200b}'..='\u{200f}'
        | '\u{202a}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}'
        | '\u{feff}' => char::REPLACEMENT_CHARACTER,
        control if control.is_control() => char::REPLACEMENT_CHARACTER,
        other => other,
    }
}

pub(crate) fn printable(text: &str) -> String {
    text.chars().map(visible).collect()
}

/// A found text in quotes, escaped and shortened.
pub(crate) fn quoted(text: &str) -> String {
    let short: String = text.chars().take(VALUE).collect();
    if short.len() < text.len() { format!("{short:?}...") } else { format!("{short:?}") }
}

/// A part of a dotted key: bare where TOML lets it be bare.
pub(crate) fn key_part(part: &str) -> String {
    let bare = !part.is_empty()
        && part.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-');
    if bare { part.to_owned() } else { quoted(part) }
}

/// `parent.part`, where `parent` may be empty.
pub(crate) fn join_key(parent: &str, part: &str) -> String {
    if parent.is_empty() { key_part(part) } else { format!("{parent}.{}", key_part(part)) }
}
