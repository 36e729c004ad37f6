//! Levels of log lines.

/// How much a line matters, most first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// Something failed.
    Error,
    /// Something is off.
    Warn,
    /// Something worth knowing happened.
    Info,
    /// For those who look for a fault.
    Debug,
    /// For those who look very closely.
    Trace,
}
