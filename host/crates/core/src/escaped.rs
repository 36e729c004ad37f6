//! The escaping of foreign text.

use std::borrow::Cow;
use std::fmt::Write as _;

/// Returns `text` as one line that a terminal shows as it is: characters that control a terminal, begin
/// another line, or change the direction or the order of what is shown are written as Rust writes them
/// in a string, such as `\n` or `\u{202e}`.
///
/// Everything that comes from plugins, files and clients passes through this on its way to a terminal or
/// a log. In JSON it needs no escaping but that of JSON.
#[must_use]
pub fn escaped<'a>(text: impl Into<Cow<'a, str>>) -> Cow<'a, str> {
    let text = text.into();
    if !text.contains(is_unsafe) {
        return text;
    }
    let mut escaped = String::with_capacity(text.len() + 16);
    for letter in text.chars() {
        if is_unsafe(letter) {
            // Writing to a String cannot fail.
            let _ = write!(escaped, "{}", letter.escape_default());
        } else {
            escaped.push(letter);
        }
    }
    Cow::Owned(escaped)
}

/// Control characters (C0 and C1), line and paragraph separators, and the format characters that are
/// invisible or reorder text (Unicode Standard Annex 9, section 2; Unicode Technical Report 36).
fn is_unsafe(letter: char) -> bool {
    letter.is_control()
        || matches!(
            letter,
            '\u{ad}'
                | '\u{61c}'
                | '\u{180e}'
                | '\u{200b}'..='\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{feff}'
                | '\u{fff9}'..='\u{fffb}'
                | '\u{e0000}'..='\u{e007f}'
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ordinary_text_is_unchanged() {
        let text = "größe 10 µs, 日本語, \u{1f980}, \\n";
        assert!(matches!(escaped(text), Cow::Borrowed(same) if same == text));
    }

    #[test]
    fn foreign_text_is_one_line_and_controls_nothing() {
        assert_eq!(escaped("a\ngeneration 9"), "a\\ngeneration 9");
        assert_eq!(escaped("\x1b[2J\r\u{9b}31m\0"), "\\u{1b}[2J\\r\\u{9b}31m\\u{0}");
        assert_eq!(
            escaped("\u{202e}cod.exe\u{2066}\u{2028}"),
            "\\u{202e}cod.exe\\u{2066}\\u{2028}"
        );
        for letter in ('\0'..=char::MAX).filter(|&it| is_unsafe(it)) {
            let text = escaped(String::from(letter)).into_owned();
            assert!(text.chars().all(|it| it.is_ascii_graphic()), "{text:?}");
        }
    }
}
