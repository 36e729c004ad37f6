//! Keeps the fields of spans, and writes a line for each event.

use std::fmt::{self, Write as _};
use std::io::Write as _;
use std::time::SystemTime;

use plugbay::escaped;
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};
use tracing_log::NormalizeEvent as _;
use tracing_subscriber::Layer;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;

use super::format::LogFormat;
use super::recorded::Recorded;
use super::tail::{LogLine, LogTail, MAX_TEXT};

/// Writes events as lines. Each line is one write.
///
/// ```
/// use plugbay_server::log::{LogFormat, LogLayer};
/// use tracing_subscriber::layer::SubscriberExt as _;
///
/// let log = LogLayer::new(LogFormat::Json, std::io::stderr);
/// let subscriber = tracing_subscriber::registry().with(log);
/// # tracing::subscriber::with_default(subscriber, || {
/// let request = tracing::info_span!("request", request_id = "a-1");
/// request.in_scope(|| tracing::info!(status = 200, "answered"));
/// // {"timestamp":"…","level":"INFO","target":"…","message":"answered","status":200,"request_id":"a-1"}
/// # });
/// ```
pub struct LogLayer<W> {
    format: LogFormat,
    colored: bool,
    writer: W,
    tail: Option<LogTail>,
}

/// The field that names the plugin that a line is about.
const PLUGIN: &str = "plugin";

impl<W: for<'w> MakeWriter<'w> + 'static> LogLayer<W> {
    /// A layer that writes to the writers that `writer` makes. What cannot be written is dropped.
    #[must_use]
    pub fn new(format: LogFormat, writer: W) -> Self {
        Self { format, colored: false, writer, tail: None }
    }

    /// Whether the level of a line of text is shown in color, for a terminal.
    #[must_use]
    pub fn colored(mut self, colored: bool) -> Self {
        self.colored = colored;
        self
    }

    /// Also keeps the latest lines there.
    #[must_use]
    pub fn tail(mut self, tail: LogTail) -> Self {
        self.tail = Some(tail);
        self
    }
}

impl<S, W> Layer<S> for LogLayer<W>
where
    S: Subscriber + for<'l> LookupSpan<'l>,
    W: for<'w> MakeWriter<'w> + 'static,
{
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        let mut recorded = Recorded::new(self.format);
        attributes.record(&mut recorded);
        span.extensions_mut().replace(recorded);
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        if let Some(recorded) = span.extensions_mut().get_mut::<Recorded>() {
            values.record(recorded);
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let format = self.format;
        let normalized = event.normalized_metadata();
        let metadata = normalized.as_ref().unwrap_or_else(|| event.metadata());
        let mut own = Recorded::new(format);
        event.record(&mut own);
        let mut line = String::with_capacity(256);
        format.begin(&mut line, metadata, &own.message, self.colored);
        let mut kept = self.tail.as_ref().map(|_| Kept::default());
        let mut names: Vec<&str> = Vec::with_capacity(16);
        for (name, value) in own.fields() {
            format.push_field(&mut line, name, value);
            if let Some(kept) = &mut kept {
                kept.field(name, value);
            }
            names.push(name);
        }
        // The innermost span first.
        for span in context.event_scope(event).into_iter().flatten() {
            let extensions = span.extensions();
            let Some(recorded) = extensions.get::<Recorded>() else { continue };
            for (name, value) in recorded.fields().filter(|(name, _)| !names.contains(name)) {
                format.push_field(&mut line, name, value);
                if let Some(kept) = &mut kept {
                    kept.field(name, value);
                }
            }
            names.extend(recorded.fields().map(|(name, _)| name));
        }
        format.end(&mut line);
        // There is no other place to say that the log cannot be written.
        let _ = self.writer.make_writer_for(metadata).write_all(line.as_bytes());
        if let (Some(tail), Some(kept)) = (&self.tail, kept) {
            tail.push(kept.line(metadata, &own.message));
        }
    }
}

/// The fields of a line that is kept.
#[derive(Default)]
struct Kept {
    plugin: Option<String>,
    fields: String,
}

impl Kept {
    /// Adds a field, whose value is written already. What does not fit is left out.
    fn field(&mut self, name: &str, value: &str) {
        if name == PLUGIN {
            // As text it has quotes only if it is not a valid name, and as JSON always.
            self.plugin = Some(value.trim_matches('"').to_owned());
        } else if self.fields.len() + name.len() + value.len() < MAX_TEXT {
            let space = if self.fields.is_empty() { "" } else { " " };
            // Writing to a String cannot fail.
            let _ = write!(self.fields, "{space}{name}={value}");
        }
    }

    fn line(self, metadata: &Metadata<'_>, message: &str) -> LogLine {
        LogLine {
            // The tail numbers it.
            seq: 0,
            at: SystemTime::now(),
            level: metadata.level().as_str().into(),
            target: metadata.target().to_owned(),
            plugin: self.plugin,
            message: escaped(&message[..message.floor_char_boundary(MAX_TEXT)]).into_owned(),
            fields: self.fields,
        }
    }
}

impl<W> fmt::Debug for LogLayer<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LogLayer").field("format", &self.format).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::{Arc, Mutex};

    use serde_json::Value;
    use tracing_subscriber::layer::SubscriberExt as _;

    use super::super::format::MAX_VALUE;
    use super::*;

    #[derive(Clone, Default)]
    struct Written(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Written {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// The only line that is logged.
    fn line(format: LogFormat, log: impl FnOnce()) -> String {
        let written = Written::default();
        let writer = written.clone();
        let layer = LogLayer::new(format, move || writer.clone());
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), log);
        let text = String::from_utf8(written.0.lock().unwrap().clone()).unwrap();
        assert_eq!(text.lines().count(), 1, "{text}");
        assert!(!text.contains(['\u{1b}', '\u{202e}']), "{text}");
        text.strip_suffix('\n').unwrap().to_owned()
    }

    fn json(log: impl FnOnce()) -> Value {
        serde_json::from_str(&line(LogFormat::Json, log)).unwrap()
    }

    fn hostile() {
        let text = "it's \"so\"\n2026 ERROR \u{1b}[31m\u{202e}";
        let span = tracing::info_span!("request", path = text, of = 7);
        span.in_scope(|| tracing::warn!(text, empty = "", yes = true, "a {}", "mess\nage"));
    }

    #[test]
    fn a_line_of_text_has_escaped_values_after_the_message() {
        let line = line(LogFormat::Text, hostile);
        let (time, rest) = line.split_once(' ').unwrap();
        assert!(time.ends_with('Z') && time.contains('T'), "{time}");
        let text = r#""it's \"so\"\n2026 ERROR \u{1b}[31m\u{202e}""#;
        assert_eq!(
            rest,
            format!(
                " WARN {}: a mess\\nage text={text} empty=\"\" yes=true path={text} of=7",
                module_path!()
            )
        );
    }

    #[test]
    fn a_line_of_json_is_one_flat_object_with_the_values_as_they_were() {
        let line = json(hostile);
        let text = "it's \"so\"\n2026 ERROR \u{1b}[31m\u{202e}";
        assert_eq!((&line["path"], &line["text"]), (&text.into(), &text.into()));
        assert_eq!(
            (&line["of"], &line["yes"], &line["level"]),
            (&7.into(), &true.into(), &"WARN".into())
        );
        assert_eq!(line["message"], "a mess\nage");
        assert!(line["timestamp"].as_str().unwrap().ends_with('Z'), "{line}");
    }

    #[test]
    fn the_innermost_value_of_a_name_counts_and_there_is_no_other() {
        let log = || {
            let outer = tracing::info_span!("request", request_id = "a-1", plugin = "outer");
            let _outer = outer.enter();
            let inner =
                tracing::info_span!("call", plugin = tracing::field::Empty, version = "1.0.0");
            inner.record("plugin", "first");
            inner.record("plugin", "inner");
            let _inner = inner.enter();
            tracing::info!(version = "2.0.0", target = "mine", nan = f64::NAN, "x");
        };
        let text = line(LogFormat::Json, log);
        for name in ["plugin", "version", "target", "request_id"] {
            assert_eq!(text.matches(&format!("\"{name}\":")).count(), 1, "{name} in {text}");
        }
        let line: Value = serde_json::from_str(&text).unwrap();
        assert_eq!((&line["plugin"], &line["version"]), (&"inner".into(), &"2.0.0".into()));
        assert_eq!((&line["request_id"], &line["event.target"]), (&"a-1".into(), &"mine".into()));
        assert_eq!(line["nan"], "NaN");
    }

    #[test]
    fn the_fields_of_a_plugin_are_an_object_of_their_own() {
        let log = || tracing::info!(fields = r#"{"request_id":"forged"}"#, request_id = "a-1", "x");
        let line = json(log);
        assert_eq!(line["fields"]["request_id"], "forged");
        assert_eq!(line["request_id"], "a-1");
        let line = json(|| tracing::info!(fields = r#"{"a":1},"level":"forged""#, "x"));
        assert_eq!(
            (&line["fields"], &line["level"]),
            (&r#"{"a":1},"level":"forged""#.into(), &"INFO".into())
        );
    }

    #[test]
    fn the_tail_keeps_what_the_log_shows_by_plugin() {
        for format in [LogFormat::Text, LogFormat::Json] {
            let tail = LogTail::default();
            let layer = LogLayer::new(format, io::sink).tail(tail.clone());
            let log = || {
                let call = tracing::info_span!("call", plugin = "a-1", version = "1.0.0");
                call.in_scope(|| tracing::warn!(long = "x".repeat(MAX_VALUE), n = 7, "mess\nage"));
                tracing::info!("{}", "y".repeat(MAX_VALUE));
            };
            tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), log);
            let lines = tail.read(Some("a-1"), None, 10);
            let line = &lines[0];
            assert_eq!((&*line.level, &*line.message, lines.len()), ("WARN", "mess\\nage", 1));
            let version = if format == LogFormat::Json { r#""1.0.0""# } else { "1.0.0" };
            assert_eq!(line.fields, format!("n=7 version={version}"), "the long field is left out");
            let all = tail.read(None, None, 10);
            assert_eq!((all.len(), all[1].plugin.as_ref()), (2, None));
            assert_eq!(all[1].message.len(), MAX_TEXT);
        }
    }

    #[test]
    fn a_line_is_bounded() {
        for format in [LogFormat::Text, LogFormat::Json] {
            let long = "\u{1b}".repeat(60 << 20);
            let line = line(format, || tracing::info!(long, debug = ?long, "{long}"));
            assert!(line.len() < 40 * MAX_VALUE, "{}", line.len());
        }
    }
}
