//! Values that are never shown.
//!
//! A plugin's config may hold passwords and tokens. No declaration says which keys do, so the name
//! of the key decides, and doubtful values are hidden. This misses a secret under a key with
//! another name, and the later lines of a multi-line string in a file that is not TOML.
//!
//! The values of granted environment variables and of header fields for a collector are always hidden. A
//! line is classified by the lines above it, up to the header of its table; this misses a line within a
//! multi-line string that looks like such a header.

use plugbay_core::Environment;
use serde_json::Value;
use toml::de::DeTable;

/// The text that replaces a hidden value.
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

/// The key below which all values are hidden.
const ENVIRONMENT: &str = "environment";

/// The key below which all values are hidden, too: credentials for a collector of spans.
const HEADERS: &str = "headers";

/// Whether the value of a dotted key must not be shown.
pub(crate) fn is_hidden(key: &str) -> bool {
    sounds_secret(key)
        || key.contains(".grants.environment")
        || key.starts_with("telemetry.headers")
        // It may have a password, which makes it wrong.
        || key == "telemetry.endpoint"
}

/// Whether a part of a line, or of a dotted key, names a table whose values are hidden.
fn names_hidden(text: &str) -> bool {
    text.contains(ENVIRONMENT) || text.contains(HEADERS)
}

/// Whether the line after `above` may set an environment variable or a header field.
pub(crate) fn in_hidden_table(above: &str) -> bool {
    let header =
        |line: &str| line.starts_with('[') && line.contains(']') && DeTable::parse(line).is_ok();
    for line in above.lines().rev().map(str::trim) {
        if !line.starts_with('#') && names_hidden(line) {
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

/// The shortest secret that [`without_secrets`] removes: a shorter one would be found in many words.
const SHORTEST: usize = 4;

/// A text of a plugin, such as its error, without the values of its own config that [`masked`] hides, and those of
/// its environment.
pub(crate) fn without_secrets(text: String, config: &Value, environment: &Environment) -> String {
    let values = environment.0.values().map(String::as_str);
    let mut secrets: Vec<_> = values.filter(|value| value.len() >= SHORTEST).collect();
    collect(config, false, &mut secrets);
    // A secret may contain another one.
    secrets.sort_unstable_by_key(|secret| std::cmp::Reverse(secret.len()));
    secrets.iter().fold(text, |text, secret| text.replace(secret, HIDDEN))
}

fn collect<'a>(value: &'a Value, hidden: bool, secrets: &mut Vec<&'a str>) {
    match value {
        Value::Object(entries) => entries
            .iter()
            .for_each(|(key, value)| collect(value, hidden || sounds_secret(key), secrets)),
        Value::Array(items) => items.iter().for_each(|item| collect(item, hidden, secrets)),
        Value::String(text) if hidden && text.len() >= SHORTEST => secrets.push(text),
        _ => {}
    }
}

/// A line of the file, with the value hidden if the line seems to set a secret.
///
/// This also works on lines that could not be parsed: it hides everything after the first `=` that
/// follows such a key, to the end of the line.
pub(crate) fn masked_line(line: &str) -> String {
    let mut from = 0;
    for (equals, _) in line.match_indices('=') {
        let key = &line[from..equals];
        if sounds_secret(key) || names_hidden(key) {
            return format!("{} {HIDDEN}", &line[..=equals]);
        }
        from = equals + 1;
    }
    line.to_owned()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_plugins_text_loses_the_secrets_of_its_config() {
        let config = json!({
            "password": "hunter2", "tokens": {"a": ["hunter2-long"]}, "greeting": "hello", "token": "to",
        });
        let environment = Environment([("DB".to_owned(), "db://x".to_owned())].into());
        let text = "hello: cannot use hunter2-long, hunter2 to log in to db://x".to_owned();
        let shown = "hello: cannot use <hidden>, <hidden> to log in to <hidden>";
        assert_eq!(without_secrets(text, &config, &environment), shown);
    }
}
