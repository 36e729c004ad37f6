//! The fields of one span or event, as they are written.

use std::fmt::{self, Write as _};
use std::ops::Range;

use tracing::field::{Field, Visit};

use super::format::{LogFormat, MAX_VALUE};

const MESSAGE: &str = "message";
/// The field with what a plugin passed as fields: a text that is a JSON object.
const GUEST_FIELDS: &str = "fields";

/// Values that are written already, and their names. Every request has a span with about ten fields, and few of
/// them a line: so this takes two allocations.
#[derive(Debug)]
pub(super) struct Recorded {
    format: LogFormat,
    text: String,
    values: Vec<(&'static str, Range<usize>)>,
    /// The message of an event, not yet escaped.
    pub(super) message: String,
}

impl Recorded {
    pub(super) fn new(format: LogFormat) -> Self {
        Self { format, text: String::new(), values: Vec::new(), message: String::new() }
    }

    /// The fields, in the order in which they were recorded. Of one that was recorded again, the last value.
    pub(super) fn fields(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.values.iter().map(|(name, range)| (*name, &self.text[range.clone()]))
    }

    fn push(&mut self, field: &Field, write: impl FnOnce(LogFormat, &mut String)) {
        let begun = self.text.len();
        write(self.format, &mut self.text);
        let (name, range) = (field.name(), begun..self.text.len());
        match self.values.iter_mut().find(|(known, _)| *known == name) {
            Some((_, value)) => *value = range,
            None => self.values.push((name, range)),
        }
    }

    fn push_number(&mut self, field: &Field, number: impl fmt::Display) {
        // Writing to a String cannot fail.
        self.push(field, |_, to| {
            let _ = write!(to, "{number}");
        });
    }
}

impl Visit for Recorded {
    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            MESSAGE => value[..value.floor_char_boundary(MAX_VALUE)].clone_into(&mut self.message),
            GUEST_FIELDS => self.push(field, |format, to| format.push_object(to, value)),
            // What `log` adds to events that it passes on. The target is in the metadata.
            name if name.starts_with("log.") => {}
            _ => self.push(field, |format, to| format.push_text(to, value)),
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let mut text = Bounded(String::new());
        // An error means that the rest does not fit.
        let _ = write!(text, "{value:?}");
        self.record_str(field, &text.0);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.push_number(field, value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.push_number(field, value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.push_number(field, value);
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        if value.is_finite() {
            self.push_number(field, value);
        } else {
            // JSON has no such number.
            self.record_str(field, &value.to_string());
        }
    }
}

/// A text of at most [`MAX_VALUE`] bytes. Formatting ends where it is full, so that a value of many megabytes
/// costs no more than that.
struct Bounded(String);

impl fmt::Write for Bounded {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let fits = &text[..text.floor_char_boundary(MAX_VALUE - self.0.len())];
        self.0.push_str(fits);
        if fits.len() == text.len() { Ok(()) } else { Err(fmt::Error) }
    }
}
