//! Bounds for text that a plugin chose.

use std::borrow::Cow;

/// `text`, or as much of its beginning as fits `most` bytes, with a note of how long it was.
///
/// What a plugin says ends in logs, events and histories, of which the host keeps many: a text
/// that only the plugin's memory bounds would fill the host's. What is cut away is freed.
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
    fn what_fits_stays_as_it_is() {
        assert!(matches!(cut("abc", 3), Cow::Borrowed("abc")));
        assert_eq!(cut(String::from("é"), 2), "é");
    }

    #[test]
    fn what_does_not_fit_is_cut_between_characters_and_says_so() {
        assert_eq!(cut("abcd", 3), "abc… (4 bytes)");
        assert_eq!(cut("éé", 3), "é… (4 bytes)");
        let Cow::Owned(cut) = cut("x".repeat(1 << 20), 10) else { panic!("it is borrowed") };
        assert!(cut.capacity() < 100, "it keeps {} bytes", cut.capacity());
    }
}
