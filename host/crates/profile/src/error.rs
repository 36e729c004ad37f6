//! Why no profile was recorded.

use std::borrow::Cow;
use std::io;
use std::time::Duration;

/// Why no profile was recorded.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProfileError {
    /// Another profile of this process is being recorded.
    #[error("expected one profile at a time, found one that is recorded for {ends_in:?} more")]
    Busy {
        /// How long that one takes at most.
        ends_in: Duration,
    },
    /// Profiles cannot be recorded here.
    #[error("{0}")]
    Unsupported(Cow<'static, str>),
    /// The operating system refused what a profile needs.
    #[error("{what}: {error}")]
    Refused {
        /// What it refused.
        what: &'static str,
        /// Its answer.
        error: io::Error,
    },
}
