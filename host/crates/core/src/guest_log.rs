//! What plugins log, as events of `tracing` under the target `plugbay::plugin`.

use std::fmt;

/// The longest message, field name or field value, in bytes; what is longer is cut.
const MAX_LINE: usize = 8 * 1024;
/// The most fields of a line.
const MAX_FIELDS: usize = 32;

/// How much a line matters, most first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum LogLevel {
    /// Something failed.
    Error,
    /// Something is off.
    Warn,
    /// Something worth knowing happened.
    Info,
    /// For those who look for a fault.
    Debug,
    /// For those who look very closely.
    Trace,
}

/// Calls a `tracing` macro with the level as a literal, as the macros want it.
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
    /// Whether lines of this level go anywhere.
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

/// Writes a line of the plugin `name@version`. It belongs to whatever span its caller is in,
/// and so to the request that is answered.
pub fn write_log<N: AsRef<str>, V: AsRef<str>>(
    plugin: &str,
    level: LogLevel,
    message: &str,
    fields: &[(N, V)],
) {
    let (message, fields) = (cut(message), Fields(fields));
    macro_rules! write {
        ($level:expr) => {
            tracing::event!(target: "plugbay::plugin", $level, plugin, %fields, "{message}")
        };
    }
    at_level!(level, write);
}

/// Cuts a text at a character boundary.
fn cut(text: &str) -> &str {
    &text[..text.floor_char_boundary(MAX_LINE)]
}

/// Fields as `name="value"` pairs, bounded.
struct Fields<'a, N, V>(&'a [(N, V)]);

impl<N: AsRef<str>, V: AsRef<str>> fmt::Display for Fields<'_, N, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (name, value)) in self.0.iter().take(MAX_FIELDS).enumerate() {
            let space = if index == 0 { "" } else { " " };
            write!(f, "{space}{}={:?}", cut(name.as_ref()), cut(value.as_ref()))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_and_fields_are_bounded() {
        assert_eq!(cut(&"é".repeat(MAX_LINE)).len(), MAX_LINE);
        let fields = vec![("n", "a\nb"); 100];
        let text = Fields(&fields).to_string();
        assert_eq!(text.matches("n=\"a\\nb\"").count(), MAX_FIELDS);
    }
}
