//! The log of plugins, as events of `tracing` under the target `plugbay::plugin`, and what plugins print
//! under `plugbay::plugin::output`. Each entry is one line of bounded length, whatever the plugin writes.

use std::fmt::{self, Write as _};

use crate::correlation::{Correlation, RequestId};
use crate::escaped::{escaped, push_json_string};
use crate::plugin::Identity;
use crate::trace::TraceParent;

/// The maximum size of a message, and of all fields of a line together, in bytes as written; the
/// rest is cut.
pub const MAX_LOG_TEXT: usize = 8 * 1024;
/// The longest name of a field, in bytes as written.
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

/// Who writes a line, and during which call. Each line has these as fields, whether or not the caller's span
/// has them as well.
#[derive(Clone, Copy, Debug)]
pub struct LineOrigin<'a> {
    plugin: &'a Identity,
    generation: Option<u64>,
    correlation: Option<&'a Correlation>,
}

impl<'a> LineOrigin<'a> {
    /// A line of this plugin, outside of its calls.
    #[must_use]
    pub fn outside(plugin: &'a Identity) -> Self {
        Self { plugin, generation: None, correlation: None }
    }

    /// A line of this plugin, during a call that began with this generation and belongs to this request.
    #[must_use]
    pub fn during(
        plugin: &'a Identity,
        generation: Option<u64>,
        correlation: Option<&'a Correlation>,
    ) -> Self {
        Self { plugin, generation, correlation }
    }

    /// The ids of the request and of its trace.
    fn ids(self) -> (Option<&'a str>, Option<&'a str>) {
        let (request_id, trace) = self
            .correlation
            .map_or((None, None), |it| (it.request_id.as_ref(), it.trace_parent.as_ref()));
        (request_id.map(RequestId::as_str), trace.map(TraceParent::trace_id))
    }
}

/// Writes a line that a plugin printed to `stream`. Its target is another one than that of [`write_log`]: an
/// operator who grants the output wants to see all of it.
pub fn write_output(origin: LineOrigin<'_>, level: LogLevel, line: &str, stream: &str) {
    let message = Message(line);
    let (plugin, version) = origin.plugin.name_and_version();
    let generation = origin.generation;
    let (request_id, trace_id) = origin.ids();
    macro_rules! write {
        ($level:expr) => {
            tracing::event!(
                target: "plugbay::plugin::output",
                $level,
                plugin,
                version,
                stream,
                generation,
                request_id,
                trace_id,
                "{message}"
            )
        };
    }
    at_level!(level, write);
}

/// Writes a line of a plugin. It belongs to the current span, and so to the request that is being answered.
///
/// What the plugin passes as fields is one field of the event, `fields`, as the text of a JSON object: so it
/// cannot take the name of one of the host's.
pub fn write_log<N: AsRef<str>, V: AsRef<str>>(
    origin: LineOrigin<'_>,
    level: LogLevel,
    message: &str,
    fields: &[(N, V)],
) {
    let (message, fields) = (Message(message), Fields(fields));
    let fields = (!fields.0.is_empty()).then(|| tracing::field::display(fields));
    let (plugin, version) = origin.plugin.name_and_version();
    let generation = origin.generation;
    let (request_id, trace_id) = origin.ids();
    macro_rules! write {
        ($level:expr) => {
            tracing::event!(
                target: "plugbay::plugin",
                $level,
                plugin,
                version,
                generation,
                request_id,
                trace_id,
                fields,
                "{message}"
            )
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

/// Fields as the text of a JSON object on one line, bounded. Of several with one name the first counts.
struct Fields<'a, N, V>(&'a [(N, V)]);

impl<N: AsRef<str>, V: AsRef<str>> fmt::Display for Fields<'_, N, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = String::from("{");
        let fields = &self.0[..self.0.len().min(MAX_LOG_FIELDS)];
        for (index, (name, value)) in fields.iter().enumerate() {
            let (name, value) = (name.as_ref(), value.as_ref());
            if fields[..index].iter().any(|(before, _)| before.as_ref() == name) {
                continue;
            }
            let begun = text.len();
            text.push_str(if begun == 1 { "" } else { "," });
            push_json_string(&mut text, name, MAX_NAME);
            text.push(':');
            // The last byte is for the brace.
            let left = MAX_LOG_TEXT.saturating_sub(text.len() + 1);
            push_json_string(&mut text, value, left);
            if text.len() >= MAX_LOG_TEXT {
                text.truncate(begun);
                break;
            }
        }
        text.push('}');
        f.write_str(&text)
    }
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
            let names = (0..MAX_LOG_FIELDS).map(|index| format!("{index}{text}"));
            let fields: Vec<_> = names.map(|name| (name, &text)).collect();
            assert!(read(&fields).0 <= MAX_LOG_TEXT);
            assert!(read(&[(&text, "")]).0 <= MAX_NAME + 8);
        }
        let fields: Vec<_> = (0..100).map(|index| (index.to_string(), "a\nb")).collect();
        assert_eq!(read(&fields).1.len(), MAX_LOG_FIELDS);
    }

    /// The size of the fields as written, and the fields.
    fn read<N: AsRef<str>, V: AsRef<str>>(
        fields: &[(N, V)],
    ) -> (usize, serde_json::Map<String, serde_json::Value>) {
        let text = Fields(fields).to_string();
        (text.len(), serde_json::from_str(&text).unwrap())
    }

    #[test]
    fn an_entry_cannot_be_made_to_look_like_two_lines() {
        let forged = "done\n2026-01-01 ERROR plugbay: \u{1b}[31mgone\r\u{85}\u{2028}\u{202e}é\\n";
        let escaped =
            "done\\n2026-01-01 ERROR plugbay: \\u{1b}[31mgone\\r\\u{85}\\u{2028}\\u{202e}é\\n";
        assert_eq!(Message(forged).to_string(), escaped);
        let fields =
            [("a\nb", "c"), ("x", "\u{1b}\""), ("", ""), ("x", "another"), ("http.path", "/ä")];
        assert_eq!(
            Fields(&fields).to_string(),
            "{\"a\\nb\":\"c\",\"x\":\"\\u001b\\\"\",\"\":\"\",\"http.path\":\"/ä\"}"
        );
    }
}
