//! Which values are never shown.
//!
//! A plugin's config may hold passwords and tokens. Which keys do is not declared anywhere, so the
//! name of the key decides, and errs on the side of hiding. What this cannot see: a secret under an
//! innocent key, and the further lines of a string of several lines in a file that is not TOML.
//!
//! The values of granted environment variables are hidden whatever their names. Lines are judged by
//! what stands above them, up to the header of their table; what this cannot see is a line within a
//! string of several lines that looks like such a header.

use serde_json::Value;
use toml::de::DeTable;

/// What stands in the place of a hidden value.
pub(crate) const HIDDEN: &str = "<hidden>";

const SOUNDS: [&str; 12] = [
    "password",
    "passwd",
    "passphrase",
    "secret",
    "token",
    "credential",
    "apikey",
    "privatekey",
    "accesskey",
    "signingkey",
    "authorization",
    "cookie",
];

/// Whether the last part of a dotted key names something that must not be shown.
pub(crate) fn sounds_secret(key: &str) -> bool {
    let bare: String = key
        .chars()
        .filter(char::is_ascii_alphanumeric)
        .map(|letter| letter.to_ascii_lowercase())
        .collect();
    SOUNDS.iter().any(|sound| bare.contains(sound)) || bare.ends_with("dsn")
}

/// The key whose values are hidden whatever they are called.
const ENVIRONMENT: &str = "environment";

/// Whether the value of a dotted key must not be shown.
pub(crate) fn is_hidden(key: &str) -> bool {
    sounds_secret(key) || key.contains(".grants.environment")
}

/// Whether the line after `above` may be one of the environment's.
pub(crate) fn in_environment(above: &str) -> bool {
    let header =
        |line: &str| line.starts_with('[') && line.contains(']') && DeTable::parse(line).is_ok();
    for line in above.lines().rev().map(str::trim) {
        if !line.starts_with('#') && line.contains(ENVIRONMENT) {
            return true;
        }
        if header(line) {
            return false;
        }
    }
    false
}

/// A copy of a plugin's config that may be shown.
pub(crate) fn masked(value: &Value) -> Value {
    match value {
        Value::Object(entries) => entries
            .iter()
            .map(|(key, value)| {
                let shown = if sounds_secret(key) {
                    Value::String(HIDDEN.to_owned())
                } else {
                    masked(value)
                };
                (key.clone(), shown)
            })
            .collect(),
        Value::Array(items) => items.iter().map(masked).collect(),
        other => other.clone(),
    }
}

/// A line of the file, with the value hidden when the line seems to set a secret.
///
/// Used on lines that could not be parsed as well: what follows the first `=` that such a word
/// stands before is hidden, to the end of the line.
pub(crate) fn masked_line(line: &str) -> String {
    let mut from = 0;
    for (equals, _) in line.match_indices('=') {
        let key = &line[from..equals];
        if sounds_secret(key) || key.contains(ENVIRONMENT) {
            return format!("{} {HIDDEN}", &line[..=equals]);
        }
        from = equals + 1;
    }
    line.to_owned()
}
