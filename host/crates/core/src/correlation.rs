//! What identifies a request beyond this host: its id, and its place in a distributed trace.

use std::fmt;
use std::str::FromStr;

use crate::escaped;
use crate::trace_parent::TraceParent;

/// What connects a call with the request that caused it: in the log, in plugins, and in other systems. All
/// calls of one request share it, nested ones included.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Correlation {
    /// The id of the request.
    pub request_id: Option<RequestId>,
    /// The request's place in a trace, as its client named it.
    pub trace_parent: Option<TraceParent>,
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
