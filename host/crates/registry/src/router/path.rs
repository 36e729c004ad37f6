//! The normal form of paths and patterns, in which they are compared (RFC 3986, section 6.2.2).

use std::borrow::Cow;

/// The normal form of a request's path: without dot segments, and decoded where possible.
///
/// An encoded slash stays encoded, because it does not separate segments. An encoded percent sign stays
/// encoded, because parameters are decoded later. Bytes that are not UTF-8 stay encoded.
pub(super) fn normal(path: &str) -> Cow<'_, str> {
    let is_normal = !path.contains('%') && !path.contains("/.");
    if is_normal { Cow::Borrowed(path) } else { Cow::Owned(without_dots(&decoded(path, ""))) }
}

/// The normal form of a pattern. An encoded brace is literal, and so is doubled.
pub(super) fn normal_pattern(pattern: &str) -> Cow<'_, str> {
    let is_normal = !pattern.contains('%') && !pattern.contains("/.");
    if is_normal {
        Cow::Borrowed(pattern)
    } else {
        Cow::Owned(without_dots(&decoded(pattern, "{}")))
    }
}

fn decoded(path: &str, doubled: &str) -> String {
    let mut bytes = Vec::with_capacity(path.len());
    let mut rest = path.as_bytes();
    while let [first, tail @ ..] = rest {
        rest = tail;
        let Some(byte) = (*first == b'%').then(|| octet(tail)).flatten() else {
            bytes.push(*first);
            continue;
        };
        rest = &tail[2..];
        if matches!(byte, b'/' | b'%') {
            bytes.extend(encoded(byte).bytes());
        } else {
            bytes.push(byte);
            if byte.is_ascii() && doubled.contains(char::from(byte)) {
                bytes.push(byte);
            }
        }
    }
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        text.extend(chunk.invalid().iter().map(|&byte| encoded(byte)));
    }
    text
}

/// The octet of two hexadecimal digits, if the text begins with them.
fn octet(digits: &[u8]) -> Option<u8> {
    let digit = |at: usize| digits.get(at).and_then(|&digit| char::from(digit).to_digit(16));
    u8::try_from(digit(0)? << 4 | digit(1)?).ok()
}

fn encoded(byte: u8) -> String {
    format!("%{byte:02X}")
}

/// Removes `.` and `..` (RFC 3986, section 5.2.4).
fn without_dots(path: &str) -> String {
    let Some(path) = path.strip_prefix('/') else { return path.to_owned() };
    let mut kept = Vec::new();
    let mut segments = path.split('/').peekable();
    while let Some(segment) = segments.next() {
        let is_last = segments.peek().is_none();
        match segment {
            "." => {}
            ".." => {
                kept.pop();
            }
            _ => {
                kept.push(segment);
                continue;
            }
        }
        if is_last {
            kept.push("");
        }
    }
    format!("/{}", kept.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_paths_have_one_form() {
        for (path, expected) in [
            ("/api/%70rivate", "/api/private"),
            ("/caf%c3%a9", "/café"),
            ("/a%2fb", "/a%2Fb"),
            ("/a%2541", "/a%2541"),
            ("/%7Euser", "/~user"),
            ("/%ff%41", "/%FFA"),
            ("/%", "/%"),
            ("/%4", "/%4"),
            ("/%zz", "/%zz"),
            ("/a/./b/../c", "/a/c"),
            ("/a/%2e%2E/b", "/b"),
            ("/..", "/"),
            ("/a/..", "/"),
            ("/a/.", "/a/"),
            ("/a/..%2Fb", "/a/..%2Fb"),
            ("//a/.b", "//a/.b"),
            ("/a//../b", "/a/b"),
            ("*", "*"),
            ("", ""),
        ] {
            assert_eq!(normal(path), expected, "{path}");
            assert_eq!(normal(expected), expected, "the form of {expected} is its own");
        }
    }

    #[test]
    fn an_encoded_brace_is_a_letter_in_a_pattern() {
        assert_eq!(normal_pattern("/%7Bid%7D/{id}"), "/{{id}}/{id}");
        assert_eq!(normal("/%7Bid%7D"), "/{id}");
    }
}
