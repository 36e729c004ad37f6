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

/// Appends `text` as a string of JSON that takes at most `most` bytes, quotes included, but at least the two
/// quotes; what does not fit is cut. It has no character that [`escaped`] would write in another way, so that
/// a terminal shows it as one line.
pub fn push_json_string(to: &mut String, text: &str, most: usize) {
    let end = to.len() + most.saturating_sub(1);
    to.push('"');
    for letter in text.chars() {
        let begun = to.len();
        match letter {
            '"' => to.push_str("\\\""),
            '\\' => to.push_str("\\\\"),
            '\n' => to.push_str("\\n"),
            '\r' => to.push_str("\\r"),
            '\t' => to.push_str("\\t"),
            letter if is_unsafe(letter) => {
                for unit in letter.encode_utf16(&mut [0; 2]) {
                    // Writing to a String cannot fail.
                    let _ = write!(to, "\\u{unit:04x}");
                }
            }
            letter => to.push(letter),
        }
        if to.len() > end {
            to.truncate(begun);
            break;
        }
    }
    to.push('"');
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

    #[test]
    fn a_json_string_is_read_back_shows_nothing_unsafe_and_is_bounded() {
        let all: String =
            ('\0'..=char::MAX).filter(|&it| is_unsafe(it) || it < '\u{100}').collect();
        let mut json = String::from("before ");
        push_json_string(&mut json, &all, usize::MAX / 2);
        let json = json.strip_prefix("before ").unwrap();
        assert!(!json.contains(is_unsafe), "{json}");
        assert_eq!(serde_json::from_str::<String>(json).unwrap(), all);
        for most in 0..40 {
            let mut json = String::new();
            push_json_string(&mut json, "ä\n\u{1b}\"\u{e0001}x", most);
            assert!(json.len() <= most.max(2), "{json} has more than {most} bytes");
            serde_json::from_str::<String>(&json).unwrap();
        }
    }
}
