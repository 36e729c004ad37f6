//! Why a call gave no answer.

use std::fmt;

/// What a plugin's functions return.
pub type Result<T, E = Error> = core::result::Result<T, E>;

/// What kind of failure an [`Error`] is. The host acts on it: it decides the HTTP status, and
/// whether another provider is worth asking.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Kind {
    /// The caller's input is wrong; it will fail again, with any provider.
    InvalidInput,
    /// The input is understood, but it cannot be done.
    Unsupported,
    /// Not now; another provider, or a later try, may answer.
    Unavailable,
    /// The plugin itself failed.
    Internal,
}

/// Why a call gave no answer: a message for people, and most of the time a [`Kind`].
///
/// `?` turns every [`std::error::Error`] into one. Such an error does not know its kind, and gets
/// it from where it surfaces: from `decode` it is [`Kind::InvalidInput`], from `encode`
/// [`Kind::Unsupported`], from anywhere else [`Kind::Internal`]. The constructors here say it
/// outright, and [`bail!`](crate::bail) and [`ensure!`](crate::ensure) leave with one.
///
/// Messages are lowercase fragments that say what was expected and what was found.
///
/// ```
/// use plugbay_sdk::{Error, Kind, Result};
///
/// fn port(text: &str) -> Result<u16> {
///     if text.is_empty() {
///         return Err(Error::invalid_input("expected a port, found nothing"));
///     }
///     Ok(text.parse()?)
/// }
///
/// assert_eq!(port("").unwrap_err().kind(), Some(Kind::InvalidInput));
/// assert_eq!(port("x").unwrap_err().kind(), None);
/// ```
// It does not implement `std::error::Error`: the blanket `From` below would then overlap with
// the reflexive `impl From<T> for T`.
#[derive(Clone, PartialEq, Eq)]
pub struct Error {
    kind: Option<Kind>,
    message: String,
}

impl Error {
    /// The caller's input is wrong; it will fail again, with any provider.
    pub fn invalid_input(message: impl fmt::Display) -> Self {
        Self::new(Kind::InvalidInput, message)
    }

    /// The input is understood, but it cannot be done.
    pub fn unsupported(message: impl fmt::Display) -> Self {
        Self::new(Kind::Unsupported, message)
    }

    /// Not now; another provider, or a later try, may answer.
    pub fn unavailable(message: impl fmt::Display) -> Self {
        Self::new(Kind::Unavailable, message)
    }

    /// The plugin itself failed.
    pub fn internal(message: impl fmt::Display) -> Self {
        Self::new(Kind::Internal, message)
    }

    /// An error of the kind `kind`.
    pub fn new(kind: Kind, message: impl fmt::Display) -> Self {
        Self { kind: Some(kind), message: message.to_string() }
    }

    /// Its kind, if it has one already.
    #[must_use]
    pub fn kind(&self) -> Option<Kind> {
        self.kind
    }

    /// What went wrong, for people.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }

    /// Says what was being done: `"{context}: {message}"`. The kind stays.
    #[must_use]
    pub fn context(mut self, context: impl fmt::Display) -> Self {
        self.message = format!("{context}: {}", self.message);
        self
    }

    /// The same error with the kind `kind`, whatever it had.
    #[must_use]
    pub fn with_kind(mut self, kind: Kind) -> Self {
        self.kind = Some(kind);
        self
    }

    /// Where an error surfaces: its own kind, or else `surfacing`.
    pub(crate) fn into_parts(self, surfacing: Kind) -> (Kind, String) {
        (self.kind.unwrap_or(surfacing), self.message)
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

/// Leaves the function with an [`Error`] of a kind: `bail!(invalid_input, "no column {name}")`.
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
