//! The header field `Prefer` (RFC 7240): how long a client wants to wait.

use std::time::Duration;

use axum::http::header::{HeaderMap, HeaderName};

const PREFER: HeaderName = HeaderName::from_static("prefer");
/// Says which preference was applied.
pub(super) const APPLIED: HeaderName = HeaderName::from_static("preference-applied");
/// The longest wait that a client can choose, in seconds.
const MAX_WAIT: u64 = 300;

/// The wait that the client prefers, at most [`MAX_WAIT`]. Of several preferences the first one counts;
/// one that is not a number of seconds is ignored.
pub(super) fn wait(headers: &HeaderMap) -> Option<Duration> {
    let fields = headers.get_all(PREFER).iter().filter_map(|value| value.to_str().ok());
    let seconds = fields.flat_map(|value| value.split(',')).find_map(|preference| {
        // Parameters follow a semicolon.
        let (name, value) = preference.split(';').next()?.split_once('=')?;
        name.trim().eq_ignore_ascii_case("wait").then(|| value.trim().trim_matches('"').to_owned())
    })?;
    let is_number = !seconds.is_empty() && seconds.bytes().all(|byte| byte.is_ascii_digit());
    // A number that is too large for the type is larger than the maximum.
    is_number.then(|| Duration::from_secs(seconds.parse().unwrap_or(MAX_WAIT).min(MAX_WAIT)))
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn seconds(fields: &[&'static str]) -> Option<u64> {
        let fields = fields.iter().map(|field| (PREFER, HeaderValue::from_static(field)));
        wait(&fields.collect()).map(|wait| wait.as_secs())
    }

    #[test]
    fn the_preferred_wait_is_read_and_bounded() {
        assert_eq!(seconds(&["wait=60"]), Some(60));
        assert_eq!(seconds(&["respond-async, Wait = \"7\"; a=b"]), Some(7));
        assert_eq!(seconds(&["respond-async", "wait=0", "wait=9"]), Some(0));
        assert_eq!(seconds(&["wait=301"]), Some(300));
        assert_eq!(seconds(&["wait=99999999999999999999999"]), Some(300));
        for none in ["", "wait", "wait=", "wait=-1", "wait=1.5", "waiting=3"] {
            assert_eq!(seconds(&[none]), None, "{none}");
        }
    }
}
