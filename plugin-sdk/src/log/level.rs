//! Levels of log lines.

/// The level of a log line, the most severe first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// A failure.
    Error,
    /// A problem that failed nothing yet.
    Warn,
    /// An event of normal operation.
    Info,
    /// Details for finding a fault.
    Debug,
    /// Every step, for finding a fault.
    Trace,
}
