//! What identifies a request beyond this host: its id, and its place in a distributed trace.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use crate::escaped;
use crate::trace::{SpanSink, TraceParent, TraceState};

/// What connects a call with the request that caused it: in the log, in plugins, and in other systems. All
/// calls of one request have the same id and trace, nested ones included. If the spans of the request are recorded,
/// each call has the place of its caller's span in the trace; otherwise all share one correlation.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Correlation {
    /// The id of the request.
    pub request_id: Option<RequestId>,
    /// The place in a trace: the caller's span if it is recorded, otherwise the span that the client named.
    pub trace_parent: Option<TraceParent>,
    /// What other tracing systems added to the trace. None without a place in a trace.
    pub trace_state: Option<TraceState>,
    /// Takes the spans of the request, if they are recorded. Then there is a place in a trace.
    spans: Option<Arc<dyn SpanSink>>,
}

impl PartialEq for Correlation {
    /// Compares what is known of the request, and not where its spans go.
    fn eq(&self, other: &Self) -> bool {
        let known = |it: &Self| (it.request_id.clone(), it.trace_parent, it.trace_state.clone());
        known(self) == known(other)
    }
}

impl Correlation {
    /// Sets the id of the request.
    #[must_use]
    pub fn request_id(mut self, id: RequestId) -> Self {
        self.request_id = Some(id);
        self
    }

    /// Sets the request's place in a trace.
    #[must_use]
    pub fn trace_parent(mut self, parent: Option<TraceParent>) -> Self {
        self.trace_parent = parent;
        self
    }

    /// Sets what other tracing systems added to the trace.
    #[must_use]
    pub fn trace_state(mut self, state: Option<TraceState>) -> Self {
        self.trace_state = state;
        self
    }

    /// Whether the spans of the request are recorded.
    #[must_use]
    #[inline]
    pub fn is_recorded(&self) -> bool {
        self.spans.is_some()
    }

    /// Takes the spans of the request, if they are recorded.
    pub(crate) fn sink(&self) -> Option<&Arc<dyn SpanSink>> {
        self.spans.as_ref()
    }

    /// The correlation of calls within the span at `place`.
    pub(crate) fn within(&self, place: TraceParent, sink: Arc<dyn SpanSink>) -> Self {
        Self { trace_parent: Some(place), spans: Some(sink), ..self.clone() }
    }
}

/// The id of a request: 1 to [`RequestId::MAX`] ASCII letters, digits and characters of `-._:+/=`. So it is
/// safe in a log line, a header field and a URL's query.
///
/// ```
/// use plugbay_core::RequestId;
///
/// let id: RequestId = "0af7651916cd43dd-1".parse()?;
/// assert_eq!(id.as_str(), "0af7651916cd43dd-1");
/// assert!("two\nlines".parse::<RequestId>().is_err());
/// # Ok::<(), plugbay_core::RequestIdError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RequestId(Box<str>);

/// A text that is no request id.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "expected a request id of 1 to {max} ASCII letters, digits or characters of `-._:+/=`, found \"{found}\"",
    max = RequestId::MAX
)]
pub struct RequestIdError {
    found: String,
}

impl RequestId {
    /// The longest id, in bytes.
    pub const MAX: usize = 128;

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for RequestId {
    type Err = RequestIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._:+/=".contains(&byte);
        if (1..=Self::MAX).contains(&text.len()) && text.bytes().all(plain) {
            return Ok(Self(text.into()));
        }
        let start: String = text.chars().take(80).collect();
        Err(RequestIdError { found: escaped(start).into_owned() })
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_have_safe_characters_and_a_bound() {
        let longest = "x".repeat(RequestId::MAX);
        for good in ["0af7651916cd43dd-8448eb211c80319c", "a._:+/=", &longest] {
            assert_eq!(good.parse::<RequestId>().unwrap().to_string(), good);
        }
        for bad in ["", "a b", "a\"b", "é", "a\n", &format!("{longest}x")] {
            assert!(bad.parse::<RequestId>().is_err(), "{bad:?}");
        }
        let error = "a\nb".parse::<RequestId>().unwrap_err().to_string();
        assert!(error.ends_with(r#"found "a\nb""#), "{error}");
    }
}
