//! Why bytes are no document, or a value has none.

use std::fmt;

/// Why bytes are no document, why a value has none, or why a document has no such value.
#[derive(Clone, PartialEq, Eq)]
pub struct Error {
    message: Box<str>,
}

impl Error {
    /// Bytes that are no CBOR item: `at` is where, counted from the start.
    #[cold]
    pub(crate) fn malformed(at: usize, message: impl fmt::Display) -> Self {
        Self { message: format!("malformed CBOR at byte {at}: {message}").into() }
    }

    #[cold]
    pub(crate) fn new(message: impl fmt::Display) -> Self {
        Self { message: message.to_string().into() }
    }

    /// Too many levels of nesting.
    #[cold]
    pub(crate) fn too_deep() -> Self {
        Self::new(TooDeep)
    }
}

/// What is said wherever the bound of nesting is met.
pub(crate) struct TooDeep;

impl fmt::Display for TooDeep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "expected at most {} levels of nesting, found more", crate::MAX_DEPTH)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Error({:?})", self.message)
    }
}

impl std::error::Error for Error {}

impl serde::ser::Error for Error {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::new(message)
    }
}

impl serde::de::Error for Error {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::new(message)
    }
}
