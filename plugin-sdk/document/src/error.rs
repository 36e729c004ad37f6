//! The error of this crate.

use std::fmt;

/// The reason why bytes are not a document, why a value has no document, or why a document is not a
/// valid value of a type.
#[derive(Clone, PartialEq, Eq)]
pub struct Error {
    message: Box<str>,
}

impl Error {
    /// Bytes that are not a CBOR item; `at` is the offset of the problem.
    #[cold]
    pub(crate) fn malformed(at: usize, message: impl fmt::Display) -> Self {
        Self { message: format!("malformed CBOR at byte {at}: {message}").into() }
    }

    #[cold]
    pub(crate) fn new(message: impl fmt::Display) -> Self {
        Self { message: message.to_string().into() }
    }

    /// A map with equal keys; `at` is the offset of the second one.
    #[cold]
    pub(crate) fn duplicate(at: usize, key: impl fmt::Display) -> Self {
        Self::new(format_args!("duplicate key {key} at byte {at}"))
    }

    /// Too many levels of nesting.
    #[cold]
    pub(crate) fn too_deep() -> Self {
        Self::new(TooDeep(crate::MAX_DEPTH))
    }
}

/// The message for more than this number of levels.
pub(crate) struct TooDeep(pub(crate) usize);

impl fmt::Display for TooDeep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "nested deeper than {} levels", self.0)
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
