//! The ids of traces and spans.

use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};

/// The id of a trace: 16 bytes, not all zero. Its text is 32 hexadecimal digits in lower case.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct TraceId([u8; 16]);

/// The id of a span: 8 bytes, not all zero. Its text is 16 hexadecimal digits in lower case.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct SpanId([u8; 8]);

impl TraceId {
    /// The id with these bytes; `None` if all are zero.
    #[must_use]
    pub fn new(bytes: [u8; 16]) -> Option<Self> {
        (bytes != [0; 16]).then_some(Self(bytes))
    }

    /// The id with these hexadecimal digits, in upper or lower case; `None` if they are none. Leading zeros may be
    /// missing: some SDKs of OpenTelemetry leave them out.
    #[must_use]
    pub fn from_hex(text: &str) -> Option<Self> {
        let digits = is_hex(text, 32).then(|| u128::from_str_radix(text, 16));
        Self::new(digits?.ok()?.to_be_bytes())
    }

    /// The bytes.
    #[must_use]
    pub fn bytes(self) -> [u8; 16] {
        self.0
    }

    /// A new random id.
    pub(crate) fn random() -> Self {
        let (high, low) = (random(), random());
        Self((u128::from(high) << 64 | u128::from(low)).to_be_bytes())
    }
}

impl SpanId {
    /// The id with these bytes; `None` if all are zero.
    #[must_use]
    pub fn new(bytes: [u8; 8]) -> Option<Self> {
        (bytes != [0; 8]).then_some(Self(bytes))
    }

    /// The id with these hexadecimal digits, in upper or lower case; `None` if they are none. Leading zeros may be
    /// missing: some SDKs of OpenTelemetry leave them out.
    #[must_use]
    pub fn from_hex(text: &str) -> Option<Self> {
        let digits = is_hex(text, 16).then(|| u64::from_str_radix(text, 16));
        Self::new(digits?.ok()?.to_be_bytes())
    }

    /// The bytes.
    #[must_use]
    pub fn bytes(self) -> [u8; 8] {
        self.0
    }

    /// A new random id.
    pub(crate) fn random() -> Self {
        Self(random().to_be_bytes())
    }
}

/// A random number that is not zero: a count, as a keyed hash function maps it, with keys that the process got from
/// the system.
fn random() -> u64 {
    static KEYS: LazyLock<RandomState> = LazyLock::new(RandomState::new);
    static COUNT: AtomicU64 = AtomicU64::new(0);
    KEYS.hash_one(COUNT.fetch_add(1, Ordering::Relaxed)).max(1)
}

fn is_hex(text: &str, most: usize) -> bool {
    (1..=most).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn write_hex(bytes: &[u8], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
}

impl fmt::Display for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_hex(&self.0, f)
    }
}

impl fmt::Debug for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for SpanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_hex(&self.0, f)
    }
}

impl fmt::Debug for SpanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn random_ids_differ_and_are_written_as_hexadecimal_digits() {
        let ids: HashSet<TraceId> = (0..1000).map(|_| TraceId::random()).collect();
        assert_eq!(ids.len(), 1000);
        assert_ne!(SpanId::random(), SpanId::random());
        assert_eq!(TraceId::random().to_string().len(), 32);
        assert_eq!(SpanId([0, 1, 2, 3, 4, 5, 0xfe, 0xff]).to_string(), "000102030405feff");
        assert_eq!((TraceId::new([0; 16]), SpanId::new([0; 8])), (None, None));
    }

    #[test]
    fn ids_are_read_from_hexadecimal_digits() {
        let (trace, span) = (TraceId::random(), SpanId::random());
        assert_eq!(TraceId::from_hex(&trace.to_string()), Some(trace));
        assert_eq!(SpanId::from_hex(&span.to_string().to_uppercase()), Some(span));
        assert_eq!(SpanId::from_hex("1fe"), SpanId::new([0, 0, 0, 0, 0, 0, 1, 0xfe]));
        for bad in ["", "0", "0000000000000000", "+1", "1 ", "é", "12345678901234567"] {
            assert_eq!(SpanId::from_hex(bad), None, "{bad}");
            assert_eq!(TraceId::from_hex(&bad.repeat(2)), None, "{bad}");
        }
    }
}
