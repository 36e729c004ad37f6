//! Points in time as text: RFC 3339, in UTC, to the millisecond.
//!
//! For `#[serde(with = "plugbay::timestamp")]` on a [`SystemTime`].

use std::time::SystemTime;

use serde::de::Error;
use serde::{Deserialize, Deserializer, Serializer};

/// A time as text: `2026-01-31T12:00:00.000Z`.
#[must_use]
pub fn text(at: SystemTime) -> String {
    humantime::format_rfc3339_millis(at).to_string()
}

/// Writes a time.
///
/// # Errors
///
/// The serializer's.
pub fn serialize<S: Serializer>(at: &SystemTime, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&humantime::format_rfc3339_millis(*at))
}

/// Reads a time.
///
/// # Errors
///
/// If it is not a time of RFC 3339 in UTC.
pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SystemTime, D::Error> {
    let text = String::deserialize(deserializer)?;
    humantime::parse_rfc3339(&text).map_err(|error| {
        D::Error::custom(format!(
            "expected a time such as 2026-01-31T12:00:00Z, found {text:?}: {error}"
        ))
    })
}
