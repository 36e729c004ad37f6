//! What a request is known by: the client's id if it is valid, or a new one.

use std::fmt::Write as _;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::http::{HeaderMap, HeaderValue};
use plugbay::RequestId;

/// The header field.
pub(crate) const FIELD: &str = "x-request-id";

/// The id of a request with these header fields.
pub(crate) fn of(headers: &HeaderMap) -> HeaderValue {
    let is_valid = |value: &&HeaderValue| parse(value).is_some();
    headers.get(FIELD).filter(is_valid).cloned().unwrap_or_else(new)
}

/// The id that a field has, if it is valid.
pub(crate) fn parse(value: &HeaderValue) -> Option<RequestId> {
    value.to_str().ok()?.parse().ok()
}

fn new() -> HeaderValue {
    static PROCESS: LazyLock<String> =
        LazyLock::new(|| format!("{:016x}-", RandomState::new().hash_one(0)));
    static COUNT: AtomicU64 = AtomicU64::new(1);
    let mut id = String::with_capacity(40);
    id.push_str(&PROCESS);
    // Writing to a String cannot fail.
    let _ = write!(id, "{}", COUNT.fetch_add(1, Ordering::Relaxed));
    HeaderValue::try_from(id).unwrap_or(HeaderValue::from_static("-"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_valid_id_of_the_client_is_kept() {
        let is_kept = |id: &str| {
            let headers = HeaderMap::from_iter([(
                axum::http::HeaderName::from_static(FIELD),
                HeaderValue::from_str(id).unwrap(),
            )]);
            let answered = of(&headers);
            assert!(parse(&answered).is_some());
            answered == id
        };
        assert!(is_kept("0af7651916cd43dd-8448eb211c80319c"));
        assert!(!is_kept("") && !is_kept("a b") && !is_kept("a\"b") && !is_kept(&"x".repeat(129)));
        assert_ne!(new(), new());
    }
}
