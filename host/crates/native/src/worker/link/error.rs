//! How a lane fails.

use rustix::io::Errno;

/// Why a frame could not be sent or received. Unless it says otherwise, the lane is of no more
/// use.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LaneError {
    /// The other end is closed.
    #[error("the other end is closed")]
    Ended,
    /// The deadline passed.
    #[error("the deadline passed")]
    Late,
    /// The deadline passed before the next frame came, of which there is nothing yet: the lane can
    /// be used on, if it waits for longer.
    #[error("the deadline passed before an answer came")]
    Waiting,
    /// The deadline passed before anything was sent: the lane can be used on.
    #[error("the deadline passed before the call began")]
    Unsent,
    /// The other end does not keep to the protocol.
    #[error("{0}")]
    Garbage(String),
    /// A frame of our own is too large. Nothing of it was sent: the lane can be used on.
    #[error("expected at most {limit} bytes, found {found}")]
    TooLarge {
        /// Its size.
        found: usize,
        /// The most there may be.
        limit: usize,
    },
    /// The system refused.
    #[error(transparent)]
    System(#[from] Errno),
}
