//! The error of a plugin's functions.

use std::fmt;

/// What a plugin's functions return.
pub type Result<T, E = Error> = core::result::Result<T, E>;

/// The kind of an [`Error`]. It decides the HTTP status, and whether the host tries another
/// provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The caller's input is wrong: it will fail again, with any provider.
    InvalidInput,
    /// The input is valid, but the plugin cannot do what it asks for.
    Unsupported,
    /// The plugin cannot answer now: another provider, or a later try, may.
    Unavailable,
    /// The plugin itself failed.
    Internal,
}

/// Why a call failed: a message for people and, unless it came from `?`, an [`ErrorKind`].
///
/// `?` turns every [`std::error::Error`] into one without a kind. The function that returns it
/// decides its kind: from `decode` it is [`ErrorKind::InvalidInput`], from `encode`
/// [`ErrorKind::Unsupported`], from any other function [`ErrorKind::Internal`]. The constructors
/// set a kind, and so do [`bail!`](crate::bail) and [`ensure!`](crate::ensure), which return from
/// the function.
///
/// Messages are lowercase fragments that say what was expected and what was found.
///
/// ```
/// use plugbay_sdk::{Error, ErrorKind, Result};
///
/// fn port(text: &str) -> Result<u16> {
///     if text.is_empty() {
///         return Err(Error::invalid_input("expected a port, found nothing"));
///     }
///     Ok(text.parse()?)
/// }
///
/// assert_eq!(port("").unwrap_err().kind(), Some(ErrorKind::InvalidInput));
/// assert_eq!(port("x").unwrap_err().kind(), None);
/// ```
// It does not implement `std::error::Error`: the blanket `From` below would then overlap with
// the reflexive `impl From<T> for T`.
#[derive(Clone, PartialEq, Eq)]
pub struct Error {
    kind: Option<ErrorKind>,
    message: String,
}

impl Error {
    /// An error of the kind [`ErrorKind::InvalidInput`].
    pub fn invalid_input(message: impl fmt::Display) -> Self {
        Self::new(ErrorKind::InvalidInput, message)
    }

    /// An error of the kind [`ErrorKind::Unsupported`].
    pub fn unsupported(message: impl fmt::Display) -> Self {
        Self::new(ErrorKind::Unsupported, message)
    }

    /// An error of the kind [`ErrorKind::Unavailable`].
    pub fn unavailable(message: impl fmt::Display) -> Self {
        Self::new(ErrorKind::Unavailable, message)
    }

    /// An error of the kind [`ErrorKind::Internal`].
    pub fn internal(message: impl fmt::Display) -> Self {
        Self::new(ErrorKind::Internal, message)
    }

    /// An error of the kind `kind`.
    pub fn new(kind: ErrorKind, message: impl fmt::Display) -> Self {
        Self { kind: Some(kind), message: message.to_string() }
    }

    /// Its kind; `None` for one that came from `?` and was not given a kind since.
    #[must_use]
    pub fn kind(&self) -> Option<ErrorKind> {
        self.kind
    }

    /// What went wrong, for people.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }

    /// Puts what was being done before the message: `"{context}: {message}"`. The kind stays.
    #[must_use]
    pub fn context(mut self, context: impl fmt::Display) -> Self {
        self.message = format!("{context}: {}", self.message);
        self
    }

    /// Sets the kind, in place of the one that it had.
    #[must_use]
    pub fn with_kind(mut self, kind: ErrorKind) -> Self {
        self.kind = Some(kind);
        self
    }

    /// Its kind and its message; `default` is the kind of an error without one.
    pub(crate) fn into_parts(self, default: ErrorKind) -> (ErrorKind, String) {
        (self.kind.unwrap_or(default), self.message)
    }
}

/// Prints the message alone.
impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            Some(kind) => write!(f, "{kind:?}({:?})", self.message),
            None => write!(f, "Error({:?})", self.message),
        }
    }
}

/// Takes the messages of the error and of its sources, as `outer: inner`.
impl<E: std::error::Error> From<E> for Error {
    fn from(error: E) -> Self {
        let mut message = error.to_string();
        let mut source = error.source();
        while let Some(error) = source {
            let inner = error.to_string();
            // Many errors already print their source.
            if !message.ends_with(&inner) {
                message.push_str(": ");
                message.push_str(&inner);
            }
            source = error.source();
        }
        Self { kind: None, message }
    }
}

/// Returns an [`Error`] of a kind: `bail!(invalid_input, "no column {name}")`.
///
/// The kind is the name of one of [`Error`]'s constructors.
///
/// ```
/// use plugbay_sdk::prelude::*;
///
/// fn half(n: u32) -> Result<u32> {
///     if n % 2 == 1 {
///         bail!(unsupported, "expected an even number, found {n}");
///     }
///     Ok(n / 2)
/// }
///
/// assert_eq!(half(3).unwrap_err().message(), "expected an even number, found 3");
/// ```
#[macro_export]
macro_rules! bail {
    ($kind:ident, $($message:tt)+) => {
        return ::core::result::Result::Err($crate::Error::$kind(::core::format_args!($($message)+)))
    };
}

/// [`bail!`](crate::bail)s unless the condition holds:
/// `ensure!(n < 10, invalid_input, "expected a digit, found {n}")`.
#[macro_export]
macro_rules! ensure {
    ($condition:expr, $kind:ident, $($message:tt)+) => {
        if !$condition {
            $crate::bail!($kind, $($message)+);
        }
    };
}
