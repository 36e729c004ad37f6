//! Where a client stands with several rates, and the fields of an answer that say so.
//!
//! The fields are those of draft-ietf-httpapi-ratelimit-headers-10: `RateLimit-Policy` has the quota `q` of each window
//! of `w` seconds, and `RateLimit` the requests `r` that are left, and the seconds `t` until all of the quota is there
//! again.

use std::fmt::Write as _;
use std::time::Duration;

use axum::http::{HeaderMap, HeaderName, HeaderValue};

use super::Standing;

const LIMIT: HeaderName = HeaderName::from_static("ratelimit");
const POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

/// Where a client stands with each of several rates, which have names.
#[derive(Debug, Default)]
pub(crate) struct Standings(Vec<(&'static str, Standing)>);

impl Standings {
    /// Adds a rate, if it has a limit.
    pub(crate) fn add(&mut self, name: &'static str, standing: Option<Standing>) {
        self.0.extend(standing.map(|it| (name, it)));
    }

    /// The rate for which the request came too early, and the wait: the longest, if there are several.
    pub(crate) fn late(&self) -> Option<(&'static str, Duration)> {
        let late = self.0.iter().filter_map(|(name, it)| Some((*name, it.wait?)));
        late.max_by_key(|(_, wait)| *wait)
    }

    /// Adds the fields of an answer.
    pub(crate) fn write(&self, headers: &mut HeaderMap) {
        if self.0.is_empty() {
            return;
        }
        let (mut policies, mut limits) = (String::new(), String::new());
        for (name, it) in &self.0 {
            if !policies.is_empty() {
                policies.push_str(", ");
                limits.push_str(", ");
            }
            // Writing to a String cannot fail. A window is told if it is whole seconds.
            let _ = write!(policies, "\"{name}\";q={}", it.count);
            if it.window.subsec_nanos() == 0 {
                let _ = write!(policies, ";w={}", it.window.as_secs());
            }
            let reset = it.reset().as_millis().div_ceil(1000);
            let _ = write!(limits, "\"{name}\";r={};t={reset}", it.remaining);
        }
        for (name, value) in [(POLICY, policies), (LIMIT, limits)] {
            if let Ok(value) = HeaderValue::try_from(value) {
                headers.insert(name, value);
            }
        }
    }
}
