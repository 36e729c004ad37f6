//! Names of plugins and capabilities: one rule for all of them.

use std::borrow::Cow;

/// The longest name, in bytes.
pub const MAX_NAME: usize = 64;

/// A name that breaks the rule.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "expected a name of 1 to 64 lowercase letters, digits, `-`, `_` or `.` that begins with a letter or digit, found {found:?}"
)]
pub struct NameError {
    found: String,
}

/// Accepts names of 1 to [`MAX_NAME`] bytes of `a-z 0-9 - _ .` that begin with a letter
/// or digit: safe as a file name, a metric label, a TOML key ([`key_part`]) and a URL segment.
///
/// # Errors
///
/// Returns the rule and what was found instead.
pub fn check_name(name: &str) -> Result<(), NameError> {
    let legal = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let bytes = name.as_bytes();
    let first = bytes.first().is_some_and(|&byte| legal(byte));
    let rest = bytes.iter().all(|&byte| legal(byte) || matches!(byte, b'-' | b'_' | b'.'));
    if first && rest && bytes.len() <= MAX_NAME {
        return Ok(());
    }
    Err(NameError { found: name.chars().take(80).collect() })
}

/// A plugin's name as a part of a configuration key, such as `[plugins.NAME]`: with a dot in it, it is
/// quoted.
#[must_use]
pub fn key_part(name: &str) -> Cow<'_, str> {
    if name.contains('.') { Cow::Owned(format!("\"{name}\"")) } else { Cow::Borrowed(name) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_checked() {
        for good in ["a", "json", "0", "a-b_c.d", &"x".repeat(64)] {
            assert_eq!(check_name(good), Ok(()), "{good}");
        }
        for bad in ["", "-a", ".a", "A", "a b", "a/b", "é", "a\0", &"x".repeat(65)] {
            assert!(check_name(bad).is_err(), "{bad}");
        }
    }
}
