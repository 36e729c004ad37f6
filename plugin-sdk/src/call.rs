//! The call that the plugin serves: the request that it belongs to, and the time that it has.
//!
//! ```
//! use std::time::Duration;
//!
//! use plugbay_sdk::prelude::*;
//!
//! /// What an answer refers to, and whether there is time for the slow look-up.
//! fn plan() -> (String, bool) {
//!     let id = call::request_id().unwrap_or_else(|| "none".to_owned());
//!     let slow = call::time_left().is_none_or(|left| left > Duration::from_millis(50));
//!     (id, slow)
//! }
//! # // Outside of a call nothing is known.
//! # assert_eq!(plan(), ("none".to_owned(), true));
//! ```
//!
//! Each function returns `None` outside of a call of a capability: in `new`, `health` and `shutdown`, in a
//! plugin's own tests, and on threads that a native plugin starts. None of them panics. Each counts as a call
//! of the host, for the limit `host_calls`.

use std::time::Duration;

use crate::form;

/// The id of the request that the call belongs to: 1 to 128 ASCII letters, digits and characters of
/// `-._:+/=`. It stands in each line of the host's log that concerns the request, and in the header field
/// `x-request-id` of its answer. `None` if the caller named none.
#[must_use]
pub fn request_id() -> Option<String> {
    form::request_id()
}

/// The number of the generation with which the call began. Codecs that the plugin calls are of that
/// generation, too.
#[must_use]
pub fn generation() -> Option<u64> {
    form::generation()
}

/// The request's place in a distributed trace, for the header field `traceparent` of requests that the plugin
/// makes: W3C Trace Context, version 00. If the host records the request, it names the host's span of this call as the
/// parent. Otherwise it is the one that the caller named, or `None` if that is not valid.
#[must_use]
pub fn trace_parent() -> Option<String> {
    form::trace_parent()
}

/// What other tracing systems added to that trace, for the header field `tracestate` of the same requests: at most 512
/// bytes. `None` without a [`trace_parent`], and if the caller named none.
#[must_use]
pub fn trace_state() -> Option<String> {
    form::trace_state()
}

/// The time until the deadline of the call, after which the caller gets an error; zero once it has passed.
/// `None` if the call has no deadline. The limit of CPU time may end a component's call earlier.
#[must_use]
pub fn time_left() -> Option<Duration> {
    form::time_left()
}
