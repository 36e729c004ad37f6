//! The log of plugins, as events of `tracing` under the target `plugbay::plugin`, and what plugins print
//! under `plugbay::plugin::output`. Each entry is one line of bounded length, whatever the plugin writes.

use std::fmt::{self, Write as _};

use crate::escaped;

/// The maximum size of a message, and of all fields of a line together, in bytes as written; the
/// rest is cut.
pub const MAX_LOG_TEXT: usize = 8 * 1024;
/// The longest name of a field, in bytes.
const MAX_NAME: usize = 256;
/// The maximum number of fields of a line.
pub const MAX_LOG_FIELDS: usize = 32;

/// The level of a line, the most important first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum LogLevel {
    /// Something failed.
    Error,
    /// Something unexpected happened.
    Warn,
    /// Something worth knowing happened.
    Info,
    /// For debugging.
    Debug,
    /// For debugging in detail.
    Trace,
}

/// Calls a `tracing` macro with the level as a literal, which the macros require.
macro_rules! at_level {
    ($level:expr, $with:ident) => {
        match $level {
            LogLevel::Error => $with!(tracing::Level::ERROR),
            LogLevel::Warn => $with!(tracing::Level::WARN),
            LogLevel::Info => $with!(tracing::Level::INFO),
            LogLevel::Debug => $with!(tracing::Level::DEBUG),
            LogLevel::Trace => $with!(tracing::Level::TRACE),
        }
    };
}

impl LogLevel {
    /// Whether lines of this level are logged.
    #[must_use]
    pub fn is_enabled(self) -> bool {
        macro_rules! enabled {
            ($level:expr) => {
                tracing::enabled!(target: "plugbay::plugin", $level)
            };
        }
        at_level!(self, enabled)
    }
}

/// Writes a line that the plugin `name@version` printed to `stream`. Its target is another one than that
/// of [`write_log`]: an operator who grants the output wants to see all of it.
pub fn write_output(plugin: &str, level: LogLevel, line: &str, stream: &str) {
    let message = Message(line);
    macro_rules! write {
        ($level:expr) => {
            tracing::event!(target: "plugbay::plugin::output", $level, plugin, stream, "{message}")
        };
    }
    at_level!(level, write);
}

/// Writes a line of the plugin `name@version`. It belongs to the current span, and so to the
/// request that is being answered.
pub fn write_log<N: AsRef<str>, V: AsRef<str>>(
    plugin: &str,
    level: LogLevel,
    message: &str,
    fields: &[(N, V)],
) {
    let (message, fields) = (Message(message), Fields(fields));
    macro_rules! write {
        ($level:expr) => {
            tracing::event!(target: "plugbay::plugin", $level, plugin, %fields, "{message}")
        };
    }
    at_level!(level, write);
}

/// A text on one line.
struct Message<'a>(&'a str);

impl fmt::Display for Message<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut room = Room { to: f, left: MAX_LOG_TEXT };
        room.write_str(&escaped(cut(self.0, MAX_LOG_TEXT)))
    }
}

/// Fields as `name="value"` pairs, bounded. A name with other characters than those of [`is_plain`]
/// is quoted too.
struct Fields<'a, N, V>(&'a [(N, V)]);

impl<N: AsRef<str>, V: AsRef<str>> fmt::Display for Fields<'_, N, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut room = Room { to: f, left: MAX_LOG_TEXT };
        for (index, (name, value)) in self.0.iter().take(MAX_LOG_FIELDS).enumerate() {
            let (name, value) = (cut(name.as_ref(), MAX_NAME), cut(value.as_ref(), room.left));
            let space = if index == 0 { "" } else { " " };
            if !name.is_empty() && name.chars().all(is_plain) {
                write!(room, "{space}{name}={value:?}")?;
            } else {
                write!(room, "{space}{name:?}={value:?}")?;
            }
        }
        Ok(())
    }
}

/// Whether the character may be in a name without quotes.
fn is_plain(letter: char) -> bool {
    letter.is_alphanumeric() || matches!(letter, '_' | '-' | '.' | ':' | '/' | '@')
}

/// Cuts a text at a character boundary.
fn cut(text: &str, most: usize) -> &str {
    &text[..text.floor_char_boundary(most)]
}

/// Writes text as long as there is room for it.
struct Room<'a, 'f> {
    to: &'a mut fmt::Formatter<'f>,
    left: usize,
}

impl fmt::Write for Room<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let fits = cut(text, self.left);
        // After a cut nothing more is written: it would look like the continuation of the cut text.
        self.left = if fits.len() < text.len() { 0 } else { self.left - fits.len() };
        self.to.write_str(fits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_and_fields_are_bounded() {
        for text in
            ["é".repeat(MAX_LOG_TEXT), "\u{1b}".repeat(MAX_LOG_TEXT), "x\n".repeat(MAX_LOG_TEXT)]
        {
            let written = Message(&text).to_string().len();
            assert!((MAX_LOG_TEXT - 8..=MAX_LOG_TEXT).contains(&written), "{written}");
            let fields = vec![("n", &text); MAX_LOG_FIELDS];
            assert!(Fields(&fields).to_string().len() <= MAX_LOG_TEXT);
            assert!(Fields(&[(&text, "")]).to_string().len() <= MAX_NAME * 6 + 8);
        }
        let fields = vec![("n", "a\nb"); 100];
        let text = Fields(&fields).to_string();
        assert_eq!(text.matches("n=\"a\\nb\"").count(), MAX_LOG_FIELDS);
    }

    #[test]
    fn an_entry_cannot_be_made_to_look_like_two_lines() {
        let forged = "done\n2026-01-01 ERROR plugbay: \u{1b}[31mgone\r\u{85}\u{2028}\u{202e}é\\n";
        let escaped =
            "done\\n2026-01-01 ERROR plugbay: \\u{1b}[31mgone\\r\\u{85}\\u{2028}\\u{202e}é\\n";
        assert_eq!(Message(forged).to_string(), escaped);
        let fields = [("a\nb", "c"), ("x=\"1\" y", "\u{1b}\""), ("", ""), ("http.path", "/ä")];
        assert_eq!(
            Fields(&fields).to_string(),
            "\"a\\nb\"=\"c\" \"x=\\\"1\\\" y\"=\"\\u{1b}\\\"\" \"\"=\"\" http.path=\"/ä\""
        );
    }
}
