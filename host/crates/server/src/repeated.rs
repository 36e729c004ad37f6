//! How much of a client's text is repeated.

use std::borrow::Cow;

/// The maximum length of a client's text that an answer repeats, in characters.
pub(crate) const MAX_REPEATED: usize = 60;
/// The most characters of a path in a line of the log and in a span.
pub(crate) const MAX_PATH: usize = 512;

/// The beginning of a text that a client sent, to repeat `most` characters of it in an answer or a log line.
pub(crate) fn shortened(text: &str, most: usize) -> Cow<'_, str> {
    // No text has more characters than bytes.
    if text.len() <= most {
        return text.into();
    }
    match text.char_indices().nth(most) {
        Some((end, _)) => format!("{}…", &text[..end]).into(),
        None => text.into(),
    }
}
