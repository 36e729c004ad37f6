//! Durations in JSON: written as a number of seconds; read as such a number, or as text with a unit
//! such as `30s` and `1m 30s`.

use std::time::Duration;

use serde::{Serialize, Serializer};
use serde_json::Value;

pub(crate) fn serialize<S: Serializer>(value: &Duration, to: S) -> Result<S::Ok, S::Error> {
    if value.subsec_nanos() == 0 {
        value.as_secs().serialize(to)
    } else {
        value.as_secs_f64().serialize(to)
    }
}

pub(crate) mod optional {
    use super::{Duration, Serializer};

    #[expect(clippy::ref_option, reason = "the signature is serde's")]
    pub(crate) fn serialize<S: Serializer>(
        value: &Option<Duration>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        match value {
            Some(value) => super::serialize(value, to),
            None => to.serialize_none(),
        }
    }
}

/// Reads a duration.
pub(crate) fn read(value: &Value) -> Result<Duration, String> {
    let read = match value {
        Value::Number(number) => {
            number.as_f64().and_then(|it| Duration::try_from_secs_f64(it).ok())
        }
        Value::String(text) => humantime::parse_duration(text).ok(),
        _ => None,
    };
    read.ok_or_else(|| {
        let found = super::invalid::shortened(&value.to_string());
        format!("expected a number of seconds, or a text such as \"30s\"; found {found}")
    })
}
