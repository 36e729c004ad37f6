//! How a call fails, and who is to blame.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;

use crate::cut;

/// The longest message and the longest backtrace of a failed call, in bytes. The plugin chooses
/// most of their text, and they may be kept for long.
const MAX_MESSAGE: usize = 4 * 1024;
const MAX_BACKTRACE: usize = 8 * 1024;

/// Why a call got no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum CallErrorKind {
    /// The plugin says that the caller's input is wrong.
    InvalidInput,
    /// The plugin says that it cannot do this.
    Unsupported,
    /// The plugin says that it cannot answer now.
    Unavailable,
    /// The plugin says that it failed.
    Internal,
    /// The plugin trapped; its instance is gone.
    Trap,
    /// The plugin panicked; its instance is gone.
    Panic,
    /// The plugin's process ended during the call.
    Crashed,
    /// The plugin used up its CPU time.
    Cpu,
    /// The call's deadline passed before the plugin answered.
    Deadline,
    /// The plugin asked for more memory than it may have.
    Memory,
    /// The answer was larger than allowed.
    Output,
    /// The answer broke the contract: not a CBOR item, a status out of range.
    Contract,
    /// The plugin called the host more often than it may.
    HostCalls,
    /// Too many calls wait for the plugin already, or no instance came free in time.
    Overloaded,
    /// The plugin failed repeatedly: its circuit breaker is open for a while.
    BreakerOpen,
    /// The plugin's health checks fail.
    Unhealthy,
    /// The plugin's version was retired, and no newer one took its place.
    Retired,
    /// The caller went away before the plugin answered.
    Cancelled, // stays the last, by which a test knows that `ALL` is complete
}

impl CallErrorKind {
    /// All of them.
    pub const ALL: [Self; 18] = [
        Self::InvalidInput,
        Self::Unsupported,
        Self::Unavailable,
        Self::Internal,
        Self::Trap,
        Self::Panic,
        Self::Crashed,
        Self::Cpu,
        Self::Deadline,
        Self::Memory,
        Self::Output,
        Self::Contract,
        Self::HostCalls,
        Self::Overloaded,
        Self::BreakerOpen,
        Self::Unhealthy,
        Self::Retired,
        Self::Cancelled,
    ];

    /// The stable word for metrics, logs and APIs.
    #[must_use]
    pub fn reason(self) -> &'static str {
        match self {
            Self::InvalidInput => "invalid-input",
            Self::Unsupported => "unsupported",
            Self::Unavailable => "unavailable",
            Self::Internal => "internal",
            Self::Trap => "trap",
            Self::Panic => "panic",
            Self::Crashed => "crashed",
            Self::Cpu => "cpu",
            Self::Deadline => "deadline",
            Self::Memory => "memory",
            Self::Output => "output",
            Self::Contract => "contract",
            Self::HostCalls => "host-calls",
            Self::Overloaded => "overloaded",
            Self::BreakerOpen => "breaker-open",
            Self::Unhealthy => "unhealthy",
            Self::Retired => "retired",
            Self::Cancelled => "cancelled",
        }
    }
}

/// Who is to blame for a failed call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blame {
    /// The caller: its request was wrong. The plugin answered, and is healthy.
    Caller,
    /// The plugin: it failed.
    Plugin,
    /// The input of this call: it made the plugin use up memory, CPU time or output that a call may
    /// use. The plugin was stopped, and answers other inputs.
    Input,
    /// The plugin was not called at all. Another provider may be tried.
    NotCalled,
    /// Not known: the call was cancelled before the plugin answered.
    Unknown,
}

impl CallErrorKind {
    /// Who is to blame for this kind of failure.
    #[must_use]
    pub fn blame(self) -> Blame {
        match self {
            Self::InvalidInput | Self::Unsupported => Blame::Caller,
            Self::Overloaded | Self::BreakerOpen | Self::Unhealthy | Self::Retired => {
                Blame::NotCalled
            }
            Self::Cancelled => Blame::Unknown,
            Self::Unavailable
            | Self::Internal
            | Self::Trap
            | Self::Panic
            | Self::Crashed
            | Self::Cpu
            | Self::Deadline
            | Self::Memory
            | Self::Output
            | Self::Contract
            | Self::HostCalls => Blame::Plugin,
        }
    }
}

/// A call that got no answer: the plugin, the kind of failure, the message and, for a trap, the
/// backtrace.
///
/// It is boxed, because every call returns a `Result` with it.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{}{}", Prefix(.0.plugin.as_deref()), .0.message)]
pub struct CallError(Box<Failure>);

#[derive(Clone, Debug)]
struct Failure {
    kind: CallErrorKind,
    message: Cow<'static, str>,
    plugin: Option<Arc<str>>,
    backtrace: Option<Arc<str>>,
    retry_after: Option<Duration>,
    by_input: bool,
}

struct Prefix<'a>(Option<&'a str>);

impl fmt::Display for Prefix<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(plugin) => write!(f, "plugin {plugin}: "),
            None => Ok(()),
        }
    }
}

impl CallError {
    /// An error of this kind; `message` is a lowercase fragment, [`cut`] if it is very long.
    pub fn new(kind: CallErrorKind, message: impl Into<Cow<'static, str>>) -> Self {
        Self(Box::new(Failure {
            kind,
            message: cut(message, MAX_MESSAGE),
            plugin: None,
            backtrace: None,
            retry_after: None,
            by_input: false,
        }))
    }

    /// Says whether the input of the call caused the failure, not the plugin.
    #[must_use]
    pub fn by_input(mut self, by_input: bool) -> Self {
        self.0.by_input = by_input;
        self
    }

    /// The error of a call that had an input, or none: without one, the plugin is to blame.
    #[must_use]
    pub fn with_input(mut self, has_input: bool) -> Self {
        self.0.by_input &= has_input;
        self
    }

    /// Who is to blame: as the kind of the failure says, unless the input caused it.
    #[must_use]
    pub fn blame(&self) -> Blame {
        if self.0.by_input { Blame::Input } else { self.kind().blame() }
    }

    /// Sets the plugin, as `name@version`, unless it is set already: the innermost plugin is to
    /// blame.
    #[must_use]
    pub fn of(mut self, plugin: &Arc<str>) -> Self {
        self.0.plugin.get_or_insert_with(|| Arc::clone(plugin));
        self
    }

    /// Adds the guest's backtrace, [`cut`] if it is very long.
    #[must_use]
    pub fn with_backtrace<'t>(mut self, backtrace: impl Into<Cow<'t, str>>) -> Self {
        self.0.backtrace = Some(Arc::from(cut(backtrace, MAX_BACKTRACE)));
        self
    }

    /// Sets how long to wait before another try.
    #[must_use]
    pub fn retry_after(mut self, wait: Duration) -> Self {
        self.0.retry_after = Some(wait);
        self
    }

    /// How long to wait before another try, if that is known.
    #[must_use]
    pub fn wait(&self) -> Option<Duration> {
        self.0.retry_after
    }

    /// The kind of the failure.
    #[must_use]
    pub fn kind(&self) -> CallErrorKind {
        self.0.kind
    }

    /// The stable word for metrics, logs and APIs.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        self.kind().reason()
    }

    /// The message alone, without the plugin's name.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// The plugin that failed, as `name@version`.
    #[must_use]
    pub fn plugin(&self) -> Option<&str> {
        self.0.plugin.as_deref()
    }

    /// Changes the kind to `overloaded`, and sets `wait` unless the error has a time to wait.
    pub(crate) fn overloaded(mut self, wait: Option<Duration>) -> Self {
        self.0.kind = CallErrorKind::Overloaded;
        self.0.retry_after = self.0.retry_after.or(wait);
        self
    }

    /// The guest's backtrace, one frame per line, innermost first.
    #[must_use]
    pub fn backtrace(&self) -> Option<&str> {
        self.0.backtrace.as_deref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_kinds_are_listed() {
        let places = CallErrorKind::ALL.map(|kind| kind as usize);
        assert!(places.iter().copied().eq(0..=CallErrorKind::Cancelled as usize), "{places:?}");
    }

    #[test]
    fn the_innermost_plugin_is_named() {
        let error = CallError::new(CallErrorKind::Trap, "out of bounds")
            .of(&Arc::from("json@1.0.0"))
            .of(&Arc::from("transcode@1.0.0"));
        assert_eq!(error.to_string(), "plugin json@1.0.0: out of bounds");
        assert_eq!(error.reason(), "trap");
    }

    #[test]
    fn messages_and_backtraces_are_bounded() {
        let long = "x".repeat(1 << 20);
        let error = CallError::new(CallErrorKind::Internal, long.clone()).with_backtrace(long);
        assert!(error.message().ends_with("x… (1048576 bytes)"));
        assert!(error.message().len() < MAX_MESSAGE + 100);
        assert!(error.backtrace().is_some_and(|it| it.len() < MAX_BACKTRACE + 100));
    }
}
