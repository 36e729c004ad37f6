//! The W3C trace context: the value of the header field `traceparent`.

use std::fmt;
use std::str::FromStr;

use super::id::{SpanId, TraceId};
use crate::escaped;

/// The place of a request in a distributed trace: the trace, the caller's span in it, and whether the caller
/// records the trace (W3C Trace Context, level 2). Its text is the value of the header field `traceparent` in
/// version 00.
///
/// ```
/// use plugbay_core::TraceParent;
///
/// let text = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
/// let parent: TraceParent = text.parse()?;
/// assert_eq!(parent.as_str(), text);
/// assert_eq!(parent.trace_id(), "0af7651916cd43dd8448eb211c80319c");
/// assert_eq!(parent.span_id(), "b7ad6b7169203331");
/// assert!(parent.is_sampled());
/// # Ok::<(), plugbay_core::TraceParentError>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct TraceParent {
    /// The text in version 00: ASCII.
    text: [u8; LENGTH],
}

/// A text that is no `traceparent`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "expected a traceparent, as 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01, found \"{found}\""
)]
pub struct TraceParentError {
    found: String,
}

/// The length of the text in version 00.
const LENGTH: usize = 55;
/// The flags that the standard defines: sampled, and random trace id. Others have to be zero.
const FLAGS: u8 = 0b11;
const SAMPLED: u8 = 0b01;
/// Where the flags begin.
const FLAGS_AT: usize = 53;

impl TraceParent {
    /// The first span of a new trace with a random id, which is recorded.
    pub(super) fn first(trace: TraceId, span: SpanId) -> Self {
        let mut text = [0; LENGTH];
        // The text has exactly this length.
        text.copy_from_slice(format!("00-{trace}-{span}-{FLAGS:02x}").as_bytes());
        Self { text }
    }

    /// This place, with another span of the same trace.
    pub(super) fn with_span(mut self, span: SpanId) -> Self {
        self.text[36..52].copy_from_slice(span.to_string().as_bytes());
        self
    }

    /// The id of the trace.
    #[must_use]
    pub fn trace(&self) -> TraceId {
        let mut bytes = [0; 16];
        read_hex(&self.text[3..35], &mut bytes);
        // Zeros were refused.
        TraceId::new(bytes).unwrap_or_else(TraceId::random)
    }

    /// The id of the span.
    #[must_use]
    pub fn span(&self) -> SpanId {
        let mut bytes = [0; 8];
        read_hex(&self.text[36..52], &mut bytes);
        SpanId::new(bytes).unwrap_or_else(SpanId::random)
    }

    /// The value for a header field `traceparent`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.part(0, LENGTH)
    }

    /// The id of the trace: 32 hexadecimal digits.
    #[must_use]
    pub fn trace_id(&self) -> &str {
        self.part(3, 35)
    }

    /// The id of the caller's span: 16 hexadecimal digits.
    #[must_use]
    pub fn span_id(&self) -> &str {
        self.part(36, 52)
    }

    /// Whether the caller may have recorded the trace.
    #[must_use]
    pub fn is_sampled(&self) -> bool {
        self.flags() & SAMPLED != 0
    }

    /// The flags: bit 0 for sampled, bit 1 for a random trace id.
    #[must_use]
    pub fn flags(&self) -> u8 {
        value(&self.text[FLAGS_AT..]).unwrap_or_default()
    }

    fn part(&self, from: usize, to: usize) -> &str {
        // It is ASCII, see `parse`.
        std::str::from_utf8(&self.text[from..to]).unwrap_or_default()
    }

    /// A later version may have more fields at the end, which are left out: this host passes on what
    /// version 00 has.
    fn parse(found: &[u8]) -> Option<Self> {
        let fixed: &[u8; LENGTH] = found.first_chunk()?;
        let version = value(&fixed[..2])?;
        let whole = match version {
            0 => found.len() == LENGTH,
            0xff => false,
            _ => found.get(LENGTH).is_none_or(|next| *next == b'-'),
        };
        let dashes = [2, 35, 52].iter().all(|at| fixed[*at] == b'-');
        let is_id = |id: &[u8]| {
            id.iter().all(|byte| is_digit(*byte)) && id.iter().any(|byte| *byte != b'0')
        };
        let flags = value(&fixed[FLAGS_AT..])? & FLAGS;
        if !(whole && dashes && is_id(&fixed[3..35]) && is_id(&fixed[36..52])) {
            return None;
        }
        let mut text = *fixed;
        text[..2].copy_from_slice(b"00");
        text[FLAGS_AT..].copy_from_slice(&[b'0', b'0' + flags]);
        Some(Self { text })
    }
}

/// Whether a byte is a hexadecimal digit in lower case.
fn is_digit(byte: u8) -> bool {
    matches!(byte, b'0'..=b'9' | b'a'..=b'f')
}

/// Reads hexadecimal digits, two for each byte.
fn read_hex(digits: &[u8], bytes: &mut [u8]) {
    for (byte, digits) in bytes.iter_mut().zip(digits.chunks(2)) {
        *byte = value(digits).unwrap_or_default();
    }
}

/// The value of two hexadecimal digits.
fn value(digits: &[u8]) -> Option<u8> {
    let [high, low] = digits else { return None };
    let digit = |byte: &u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    Some(digit(high)? << 4 | digit(low)?)
}

impl FromStr for TraceParent {
    type Err = TraceParentError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text.as_bytes()).ok_or_else(|| {
            let start: String = text.chars().take(80).collect();
            TraceParentError { found: escaped(start).into_owned() }
        })
    }
}

impl fmt::Display for TraceParent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for TraceParent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
    const SPAN: &str = "b7ad6b7169203331";

    fn read(text: &str) -> Option<String> {
        text.parse().ok().map(|parent: TraceParent| parent.to_string())
    }

    #[test]
    fn valid_values_are_read_as_version_00() {
        let text = |flags: &str| format!("00-{TRACE}-{SPAN}-{flags}");
        for flags in ["00", "01", "02", "03"] {
            assert_eq!(read(&text(flags)), Some(text(flags)));
        }
        // Flags that the standard does not define are not passed on.
        assert_eq!(read(&text("ff")), Some(text("03")));
        // A later version is read as far as it is known.
        for rest in ["", "-", "-more"] {
            assert_eq!(read(&format!("cc-{TRACE}-{SPAN}-01{rest}")), Some(text("01")));
        }
        let parent: TraceParent = text("01").parse().unwrap();
        assert_eq!((parent.trace_id(), parent.span_id()), (TRACE, SPAN));
        assert!(parent.is_sampled() && !text("02").parse::<TraceParent>().unwrap().is_sampled());
        assert_eq!(
            (parent.trace().to_string(), parent.span().to_string()),
            (TRACE.into(), SPAN.into())
        );
    }

    #[test]
    fn another_span_keeps_the_trace_and_its_flags() {
        let text = format!("00-{TRACE}-{SPAN}-01");
        let span = SpanId::random();
        let child = text.parse::<TraceParent>().unwrap().with_span(span);
        assert_eq!(child.as_str(), format!("00-{TRACE}-{span}-01"));
        let trace = TraceId::random();
        let first = TraceParent::first(trace, span);
        assert_eq!(first.as_str(), format!("00-{trace}-{span}-03"));
        assert_eq!(read(first.as_str()).as_deref(), Some(first.as_str()));
        assert_eq!((first.trace(), first.span()), (trace, span));
    }

    #[test]
    fn invalid_values_are_refused() {
        let zeros = "0".repeat(32);
        for bad in [
            String::new(),
            "00".into(),
            format!("00-{TRACE}-{SPAN}"),
            format!("00-{TRACE}-{SPAN}-1"),
            format!("00-{TRACE}-{SPAN}-01-"),
            format!("00-{TRACE}-{SPAN}-01-more"),
            format!("cc-{TRACE}-{SPAN}-01.more"),
            format!("ff-{TRACE}-{SPAN}-01"),
            format!("0g-{TRACE}-{SPAN}-01"),
            format!("00-{TRACE}-{SPAN}-0g"),
            format!("00_{TRACE}-{SPAN}-01"),
            format!("00-{zeros}-{SPAN}-01"),
            format!("00-{TRACE}-{}-01", &zeros[..16]),
            format!("00-{}-{SPAN}-01", TRACE.to_uppercase()),
            format!("00-{TRACE}-{SPAN}-01 "),
            format!("00-{}é-{SPAN}-01", &TRACE[2..]),
        ] {
            assert_eq!(read(&bad), None, "{bad}");
        }
        let error = "a\nb".parse::<TraceParent>().unwrap_err().to_string();
        assert!(error.ends_with(r#"found "a\nb""#), "{error}");
    }
}
