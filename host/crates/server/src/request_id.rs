//! The id of a request: that of its client if it is valid, or a new one.

use std::fmt::Write as _;
use std::hash::{BuildHasher, RandomState};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use plugbay::RequestId;

/// The field that has it, of requests and of answers.
pub(crate) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The id of the request with these fields, as a field of the answer.
pub(crate) fn of(headers: &HeaderMap) -> HeaderValue {
    let is_valid = |value: &&HeaderValue| read(value).is_some();
    headers.get(REQUEST_ID).filter(is_valid).cloned().unwrap_or_else(new)
}

/// The id in a field.
pub(crate) fn read(value: &HeaderValue) -> Option<RequestId> {
    value.to_str().ok()?.parse().ok()
}

/// A unique id: a random number of this process, and a counter.
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
            let mut headers = HeaderMap::new();
            headers.insert(REQUEST_ID, HeaderValue::from_str(id).unwrap());
            let answered = of(&headers);
            assert!(read(&answered).is_some());
            answered == id
        };
        assert!(is_kept("0af7651916cd43dd-8448eb211c80319c"));
        assert!(!is_kept("") && !is_kept("a b") && !is_kept("a\"b") && !is_kept(&"x".repeat(129)));
        assert_ne!(new(), new());
    }
}
