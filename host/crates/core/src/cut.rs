//! Bounds for text from a plugin.

use std::borrow::Cow;

/// Returns `text`, cut to `most` bytes with a note of its full length if it is longer.
///
/// Texts of plugins are kept in logs, events and histories. Without a bound they could fill the
/// host's memory. The memory of the removed part is freed.
#[must_use]
pub fn cut<'a>(text: impl Into<Cow<'a, str>>, most: usize) -> Cow<'a, str> {
    let text = text.into();
    if text.len() <= most {
        return text;
    }
    let kept = &text[..text.floor_char_boundary(most)];
    Cow::Owned(format!("{kept}… ({} bytes)", text.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_text_is_unchanged() {
        assert!(matches!(cut("abc", 3), Cow::Borrowed("abc")));
        assert_eq!(cut(String::from("é"), 2), "é");
    }

    #[test]
    fn a_long_text_is_cut_between_characters_with_a_note() {
        assert_eq!(cut("abcd", 3), "abc… (4 bytes)");
        assert_eq!(cut("éé", 3), "é… (4 bytes)");
        let Cow::Owned(cut) = cut("x".repeat(1 << 20), 10) else { panic!("it is borrowed") };
        assert!(cut.capacity() < 100, "it keeps {} bytes", cut.capacity());
    }
}
