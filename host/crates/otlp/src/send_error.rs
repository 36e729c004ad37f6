//! Why a batch was not accepted, and whether it may be sent again.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

/// Whether a batch that was not accepted may be sent again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Again {
    Never,
    /// After this time, if the collector says one.
    After(Option<Duration>),
}

/// Why a batch was not accepted.
#[derive(Debug)]
pub(crate) struct SendError {
    again: Again,
    message: Cow<'static, str>,
}

impl SendError {
    pub(crate) fn new(again: Again, message: impl Into<Cow<'static, str>>) -> Self {
        Self { again, message: message.into() }
    }

    pub(crate) fn again(&self) -> Again {
        self.again
    }
}

impl fmt::Display for SendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}
