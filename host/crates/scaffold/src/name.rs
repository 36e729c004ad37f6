//! The names of plugins that are made.

use crate::files::ScaffoldError;

/// Names that are words of Rust, or crates that every plugin has.
const RESERVED: [&str; 12] = [
    "as",
    "core",
    "crate",
    "fn",
    "plugbay-abi",
    "plugbay-sdk",
    "self",
    "std",
    "super",
    "test",
    "type",
    "use",
];

/// Checks the name of a plugin that is a crate's, too.
pub(crate) fn check_name(name: &str) -> Result<(), ScaffoldError> {
    let is_allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let is_name = (1..=64).contains(&name.len())
        && name.bytes().all(is_allowed)
        && name.starts_with(|first: char| first.is_ascii_lowercase())
        && !name.ends_with('-');
    if !is_name {
        return Err(ScaffoldError::Name(name.to_owned()));
    }
    if RESERVED.contains(&name) {
        return Err(ScaffoldError::Reserved(name.to_owned()));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_plugins_and_crates() {
        for name in ["a", "my-csv", "v2"] {
            assert!(check_name(name).is_ok(), "{name}");
        }
        for name in ["", "A", "2a", "a_b", "a-", "../a", "a.b", "é", &"a".repeat(65)] {
            assert_eq!(check_name(name).unwrap_err().reason(), "plugin-name", "{name}");
        }
        assert_eq!(check_name("core").unwrap_err().reason(), "reserved-name");
    }
}
