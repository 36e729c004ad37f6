//! The fields of log lines and spans as text: `name=value`, and the message without its name.

use std::fmt;

use plugbay::escaped;
use tracing::field::{Field, Visit};
use tracing_subscriber::field::RecordFields;
use tracing_subscriber::fmt::FormatFields;
use tracing_subscriber::fmt::format::Writer;

const MESSAGE: &str = "message";

/// Writes fields, with what foreign texts must not do to a terminal escaped. Every request has a span with
/// four texts, so those without anything to escape are written as they are.
pub(super) struct LogFields;

impl<'w> FormatFields<'w> for LogFields {
    fn format_fields<R: RecordFields>(&self, writer: Writer<'w>, fields: R) -> fmt::Result {
        let mut visitor = Visitor { writer, is_first: true, written: Ok(()) };
        fields.record(&mut visitor);
        visitor.written
    }
}

struct Visitor<'w> {
    writer: Writer<'w>,
    is_first: bool,
    written: fmt::Result,
}

impl Visitor<'_> {
    fn field(&mut self, field: &Field, value: impl FnOnce(&mut Writer<'_>) -> fmt::Result) {
        let is_first = std::mem::replace(&mut self.is_first, false);
        let mut write = || {
            if !is_first {
                self.writer.write_char(' ')?;
            }
            if field.name() != MESSAGE {
                self.writer.write_str(field.name())?;
                self.writer.write_char('=')?;
            }
            Ok(())
        };
        if self.written.is_ok() {
            self.written = write().and_then(|()| value(&mut self.writer));
        }
    }
}

impl Visit for Visitor<'_> {
    fn record_str(&mut self, field: &Field, value: &str) {
        let is_plain = |byte: &u8| matches!(byte, b' '..=b'~') && !matches!(byte, b'"' | b'\\');
        if !value.as_bytes().iter().all(is_plain) {
            return self.record_debug(field, &value);
        }
        self.field(field, |writer| {
            writer.write_char('"')?;
            writer.write_str(value)?;
            writer.write_char('"')
        });
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.field(field, |writer| write!(writer, "{}", escaped(format!("{value:?}"))));
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn plain_texts_and_others_are_quoted_and_escaped_alike() {
        let lines = Lines::default();
        let writer = lines.clone();
        let log = tracing_subscriber::fmt()
            .with_writer(move || writer.clone())
            .with_ansi(false)
            .without_time()
            .fmt_fields(LogFields)
            .finish();
        tracing::subscriber::with_default(log, || {
            let span = tracing::info_span!("request", id = "a-1", path = "/\u{1b}[2J", of = 7);
            let _entered = span.enter();
            tracing::info!(quoted = "it's \"so\"", yes = true, "a {}", "mess\nage");
        });
        let lines = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
        assert_eq!(lines.lines().count(), 1, "{lines}");
        assert!(!lines.contains('\u{1b}'), "{lines}");
        assert!(lines.contains(r#"request{id="a-1" path="/\u{1b}[2J" of=7}"#), "{lines}");
        assert!(lines.contains(r#"a mess\nage quoted="it's \"so\"" yes=true"#), "{lines}");
    }
}
