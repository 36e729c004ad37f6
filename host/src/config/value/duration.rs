//! Durations as an operator writes them: `"250ms"`, `"30s"`, `"1h 30m"`.

use std::time::Duration;

use serde::Serializer;

pub(crate) const MILLISECOND: Duration = Duration::from_millis(1);
pub(crate) const SECOND: Duration = Duration::from_secs(1);
pub(crate) const MINUTE: Duration = Duration::from_mins(1);
pub(crate) const DAY: Duration = Duration::from_hours(24);

/// # Errors
/// A fragment that says what was found instead, e.g. `the unknown unit "parsecs"`.
pub(crate) fn parse(text: &str) -> Result<Duration, String> {
    use humantime::DurationError;
    humantime::parse_duration(text).map_err(|error| match error {
        DurationError::UnknownUnit { unit, value, .. } if unit.is_empty() => {
            format!("{value} without a unit")
        }
        DurationError::UnknownUnit { unit, .. } => format!("the unknown unit {unit:?}"),
        DurationError::NumberOverflow => "a number that is too large or too fine".to_owned(),
        DurationError::Empty => "an empty text".to_owned(),
        DurationError::InvalidCharacter(_) | DurationError::NumberExpected(_) => {
            format!("{text:?}")
        }
    })
}

pub(crate) fn show(duration: Duration) -> String {
    humantime::format_duration(duration).to_string()
}

/// As [`serialize`]; nothing is null.
#[expect(clippy::ref_option, reason = "the signature that serde asks for")]
pub(crate) fn serialize_optional<S: Serializer>(
    duration: &Option<Duration>,
    to: S,
) -> Result<S::Ok, S::Error> {
    match duration {
        Some(duration) => serialize(duration, to),
        None => to.serialize_none(),
    }
}

/// For `#[serde(serialize_with = …)]`: the form that `parse` reads.
pub(crate) fn serialize<S: Serializer>(duration: &Duration, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(&show(*duration))
}
