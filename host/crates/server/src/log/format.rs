//! How lines and values are written: as text or as JSON.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::str::FromStr;

use anstyle::{AnsiColor, Style};
use plugbay::{escaped, push_json_string};
use serde::de::IgnoredAny;
use tracing::{Level, Metadata};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime as _, SystemTime};

/// The most bytes of one value; what is beyond is cut.
pub(super) const MAX_VALUE: usize = 16 << 10;

/// The format of the lines of a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For people: time, level, target and message, and then `name=value`.
    Text,
    /// One JSON object on each line.
    Json,
}

impl FromStr for LogFormat {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "text" => Ok(Self::Text),
            "json" => Ok(Self::Json),
            other => Err(format!("expected text or json, found {other:?}")),
        }
    }
}

impl LogFormat {
    /// Appends the value of a text.
    pub(super) fn push_text(self, to: &mut String, text: &str) {
        match self {
            Self::Json => push_json_string(to, text, MAX_VALUE),
            Self::Text => {
                let is_bare =
                    |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'=' | b'{');
                let text = &text[..text.floor_char_boundary(MAX_VALUE)];
                if !text.is_empty() && text.bytes().all(is_bare) {
                    to.push_str(text);
                } else {
                    // Writing to a String cannot fail.
                    let _ = write!(to, "{}", escaped(format!("{text:?}")));
                }
            }
        }
    }

    /// Appends the value of a text that is a JSON object, such as the fields of a plugin. Any other text is
    /// appended as [`LogFormat::push_text`] does.
    pub(super) fn push_object(self, to: &mut String, text: &str) {
        let is_object = text.starts_with('{')
            && text.len() <= MAX_VALUE
            && matches!(escaped(text), Cow::Borrowed(_))
            && serde_json::from_str::<IgnoredAny>(text).is_ok();
        if is_object {
            to.push_str(text);
        } else {
            self.push_text(to, text);
        }
    }

    /// Appends the beginning of a line: everything before the fields.
    pub(super) fn begin(self, to: &mut String, of: &Metadata<'_>, message: &str, colored: bool) {
        let message = &message[..message.floor_char_boundary(MAX_VALUE)];
        match self {
            Self::Json => {
                to.push_str("{\"timestamp\":\"");
                push_now(to);
                let _ = write!(to, "\",\"level\":\"{}\",\"target\":", of.level());
                self.push_text(to, of.target());
                to.push_str(",\"message\":");
                self.push_text(to, message);
            }
            Self::Text => {
                let (dim, level) = if colored {
                    (Style::new().dimmed(), color_of(*of.level()))
                } else {
                    (Style::new(), Style::new())
                };
                let _ = write!(to, "{dim}");
                push_now(to);
                let _ = write!(to, "{dim:#} {level}{:>5}{level:#} ", of.level());
                let _ = write!(to, "{dim}{}:{dim:#} {}", of.target(), escaped(message));
            }
        }
    }

    /// Appends a field whose value is written already.
    pub(super) fn push_field(self, to: &mut String, name: &str, value: &str) {
        let _ = match self {
            Self::Json if is_reserved(name) => write!(to, ",\"event.{name}\":{value}"),
            Self::Json => write!(to, ",\"{name}\":{value}"),
            Self::Text => write!(to, " {name}={value}"),
        };
    }

    /// Appends the end of a line.
    pub(super) fn end(self, to: &mut String) {
        to.push_str(match self {
            Self::Json => "}\n",
            Self::Text => "\n",
        });
    }
}

/// Whether an object has this name already, so that a library's own field needs another one.
fn is_reserved(name: &str) -> bool {
    matches!(name, "timestamp" | "level" | "target")
}

/// Appends the time: RFC 3339 in UTC, with microseconds.
fn push_now(to: &mut String) {
    // Only writing can fail.
    let _ = SystemTime.format_time(&mut Writer::new(to));
}

fn color_of(level: Level) -> Style {
    let color = match level {
        Level::ERROR => AnsiColor::Red,
        Level::WARN => AnsiColor::Yellow,
        Level::INFO => AnsiColor::Green,
        Level::DEBUG => AnsiColor::Blue,
        Level::TRACE => AnsiColor::Magenta,
    };
    Style::new().fg_color(Some(color.into()))
}
