//! The errors of a lane.

use rustix::io::Errno;

/// Why a frame could not be sent or received. Unless the variant says otherwise, the lane cannot be
/// used again.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LaneError {
    /// The other end is closed.
    #[error("the other end is closed")]
    Closed,
    /// The deadline passed.
    #[error("the deadline passed")]
    Late,
    /// The deadline passed before anything of the next frame came: the lane can be used again, to wait
    /// for that frame.
    #[error("the deadline passed before an answer came")]
    NoReply,
    /// The deadline passed before anything was sent: the lane can be used again.
    #[error("the deadline passed before the call began")]
    NotSent,
    /// The other end broke the protocol.
    #[error("{0}")]
    Protocol(String),
    /// The frame to send is too large. Nothing of it was sent: the lane can be used again.
    #[error("expected at most {limit} bytes, found {found}")]
    TooLarge {
        /// The size of the frame's part.
        found: usize,
        /// The largest size.
        limit: usize,
    },
    /// A system call failed.
    #[error(transparent)]
    System(#[from] Errno),
}
