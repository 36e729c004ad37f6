//! Whether a text can be written without quotes, so that every reader reads it as text.

/// The context of a scalar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// A value of a block collection, or the document.
    Block,
    /// A key of a block mapping.
    Key,
    /// Anywhere in a flow collection.
    Flow,
}

/// Whether the text needs no quotes: it contains no syntax, and is not another scalar, neither in
/// YAML 1.2 nor in YAML 1.1.
pub(crate) fn is_plain(text: &str, place: Place) -> bool {
    let (Some(first), Some(last)) = (text.chars().next(), text.chars().next_back()) else {
        return false;
    };
    if place == Place::Flow {
        let word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '/');
        return first.is_ascii_alphabetic() && text.chars().all(word) && !is_special(text);
    }
    let begins = match first {
        '-' | '?' => text.chars().nth(1).is_some_and(char::is_alphanumeric),
        ',' | ':' | '[' | ']' | '{' | '}' | '#' | '&' | '*' | '!' | '|' | '>' | '\'' | '"'
        | '%' | '@' | '`' | ' ' => false,
        _ => true,
    };
    let colon =
        if place == Place::Key { text.contains(':') } else { last == ':' || text.contains(": ") };
    begins
        && last != ' '
        && !colon
        && !text.contains(" #")
        && text.chars().all(is_printable)
        && !text.starts_with("---")
        && !text.starts_with("...")
        && !is_special(text)
}

/// Whether a character needs no escape in double quotes.
pub(crate) fn is_printable(c: char) -> bool {
    !c.is_control() && !matches!(c, '\u{feff}' | '\u{2028}' | '\u{2029}' | '\u{fffe}' | '\u{ffff}')
}

/// Whether some reader could read the text as null, a boolean, a number, a time or a merge key.
fn is_special(text: &str) -> bool {
    const WORDS: [&str; 16] = [
        "null", "true", "false", "yes", "no", "on", "off", "y", "n", "nan", "inf", "+inf", "-inf",
        "~", "=", "<<",
    ];
    let word = |word: &&str| word.eq_ignore_ascii_case(text);
    // A text that begins like a number, and has only characters of numbers and times.
    let begins =
        text.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '+' | '-' | '.' | '_'));
    let number = |byte: u8| {
        byte.is_ascii_hexdigit()
            || matches!(byte, b'_' | b'.' | b':' | b',' | b'+' | b'-' | b' ' | b'\t')
            || b"xXoOtTzZinINaA".contains(&byte)
    };
    WORDS.iter().any(word) || begins && text.bytes().all(number)
}
