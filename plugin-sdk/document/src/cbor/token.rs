//! The tokens that a reader returns and a writer accepts.

use std::borrow::Cow;
use std::fmt;

use crate::Error;

/// The maximum number of characters of a text that messages show.
const MAX_SHOWN: usize = 64;

/// The beginning of an item, or the whole item if it contains no others.
///
/// Displayed as in messages: `the integer 7`, `a byte string (3 bytes)`, `an array`.
#[derive(Clone, Debug, PartialEq)]
pub enum Token<'a> {
    /// An integer that is not negative.
    Unsigned(u64),
    /// A negative integer: `n` represents -1 - `n`, so that the least is -2^64.
    Negative(u64),
    /// A byte string. It is borrowed from the input unless it comes in chunks, which are joined.
    Bytes(Cow<'a, [u8]>),
    /// A text string. It is borrowed from the input unless it comes in chunks, which are joined.
    Text(Cow<'a, str>),
    /// The beginning of an array, with the number of its items; `None` for the items up to a break.
    Array(Option<usize>),
    /// The beginning of a map, with the number of its pairs, each a key and a value; `None` for the
    /// pairs up to a break.
    Map(Option<usize>),
    /// A tag; the item that it applies to follows.
    Tag(u64),
    /// `true` or `false`.
    Bool(bool),
    /// `null`.
    Null,
    /// `undefined`.
    Undefined,
    /// A simple value without a name.
    Simple(u8),
    /// A float of 32 bits. Half floats are read as floats of 32 bits, which is exact.
    F32(f32),
    /// A float of 64 bits.
    F64(f64),
}

impl Token<'_> {
    /// The token of an integer, if it is from -2^64 to 2^64-1.
    ///
    /// ```
    /// use plugbay_document::cbor::Token;
    ///
    /// assert_eq!(Token::from_integer(-1), Some(Token::Negative(0)));
    /// assert_eq!(Token::from_integer(1 << 64), None);
    /// ```
    #[must_use]
    pub fn from_integer(value: i128) -> Option<Self> {
        match u64::try_from(value) {
            Ok(number) => Some(Self::Unsigned(number)),
            // -1 - n, which is the complement
            Err(_) => u64::try_from(!value).ok().map(Self::Negative),
        }
    }

    /// The value of an integer; `None` for other tokens.
    ///
    /// ```
    /// use plugbay_document::cbor::Token;
    ///
    /// assert_eq!(Token::Negative(u64::MAX).as_integer(), Some(-(1 << 64)));
    /// assert_eq!(Token::Null.as_integer(), None);
    /// ```
    #[inline]
    #[must_use]
    pub fn as_integer(&self) -> Option<i128> {
        match self {
            Self::Unsigned(n) => Some(i128::from(*n)),
            Self::Negative(n) => Some(!i128::from(*n)),
            _ => None,
        }
    }

    /// The value of a float of either width; `None` for other tokens.
    #[inline]
    #[must_use]
    pub fn as_float(&self) -> Option<f64> {
        match self {
            Self::F32(n) => Some(f64::from(*n)),
            Self::F64(n) => Some(*n),
            _ => None,
        }
    }
}

impl Token<'_> {
    /// The error for a value that `serde` cannot express.
    #[cold]
    pub(crate) fn unnamed(&self) -> Error {
        let what = match self {
            Self::Simple(n) => format!("CBOR simple value {n}"),
            _ => self.to_string(),
        };
        Error::new(format_args!("expected a plain value, found {what}, which only CBOR can hold"))
    }
}

impl fmt::Display for Token<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unsigned(n) => write!(f, "the integer {n}"),
            Self::Negative(n) => write!(f, "the integer {}", !i128::from(*n)),
            Self::Bytes(bytes) => write!(f, "a byte string ({} bytes)", bytes.len()),
            Self::Text(text) => match text.char_indices().nth(MAX_SHOWN) {
                None => write!(f, "the text {text:?}"),
                Some((end, _)) => write!(f, "a text that begins with {:?}", &text[..end]),
            },
            Self::Array(_) => f.write_str("an array"),
            Self::Map(_) => f.write_str("a map"),
            Self::Tag(tag) => write!(f, "the tag {tag}"),
            Self::Bool(value) => write!(f, "the boolean {value}"),
            Self::Null => f.write_str("null"),
            Self::Undefined => f.write_str("undefined"),
            Self::Simple(n) => write!(f, "simple value {n}"),
            Self::F32(n) => write!(f, "the float {:?}", f64::from(*n)),
            Self::F64(n) => write!(f, "the float {n:?}"),
        }
    }
}

/// The value of the negative integer with the number `n`; the error is its value if it does not fit
/// into `i64`.
pub(crate) fn negative(n: u64) -> Result<i64, i128> {
    i64::try_from(n).map(|n| !n).map_err(|_| !i128::from(n))
}
