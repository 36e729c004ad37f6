//! A lane: one end of what carries one call at a time, as frames.
//!
//! What moves the bytes is a [`Stream`]: [`Shared`] memory for calls, a [`Socket`] for the frames
//! that a worker starts with.
//!
//! [`Socket`]: super::socket::Socket

use std::os::fd::{AsFd, BorrowedFd};
use std::time::Instant;

use rustix::io::Errno;

use super::shared::Shared;
use super::wire::{Frame, HEADER, Head};

/// Why a frame could not be sent or received. Unless it says otherwise, the lane is of no more
/// use.
#[derive(Debug, thiserror::Error)]
pub(super) enum LaneError {
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

/// Moves bytes to the other end and back, in order.
pub(super) trait Stream: AsFd {
    /// Bounds what follows by `deadline`.
    fn until(&mut self, deadline: Instant);

    /// The bound.
    fn deadline(&self) -> Option<Instant>;

    /// Writes a frame.
    fn write(&mut self, header: &[u8], meta: &[u8], body: &[u8]) -> Result<(), LaneError>;

    /// Appends exactly `size` bytes of a header or of metadata to `to`.
    fn read(&mut self, to: &mut Vec<u8>, size: usize) -> Result<(), LaneError>;

    /// Appends a body of exactly `size` bytes to `to`.
    fn read_body(&mut self, to: &mut Vec<u8>, size: usize) -> Result<(), LaneError>;
}

/// One end of a lane.
#[derive(Debug)]
pub(super) struct Lane<S = Shared> {
    stream: S,
    /// A header, while it is read.
    header: Vec<u8>,
}

impl<S: Stream> Lane<S> {
    pub(super) fn new(stream: S) -> Self {
        Self { stream, header: Vec::with_capacity(HEADER) }
    }

    /// Bounds what follows by `deadline`, which has not passed.
    pub(super) fn until(&mut self, deadline: Instant) -> Result<(), LaneError> {
        self.stream.until(deadline);
        self.in_time()
    }

    /// The bound of what follows, if there is one.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.stream.deadline()
    }

    /// Puts the deadline, if there is one, off until `least` if it is sooner.
    pub(super) fn allow(&mut self, least: Instant) {
        if self.stream.deadline().is_some_and(|deadline| deadline < least) {
            self.stream.until(least);
        }
    }

    /// Whether the deadline, if there is one, has not passed.
    pub(super) fn in_time(&self) -> Result<(), LaneError> {
        let late = self.stream.deadline().is_some_and(|deadline| deadline <= Instant::now());
        if late { Err(LaneError::Late) } else { Ok(()) }
    }

    /// Sends one frame.
    pub(super) fn send(&mut self, head: Head, meta: &[u8], body: &[u8]) -> Result<(), LaneError> {
        let header = head.write(meta.len(), body.len())?;
        self.stream.write(&header, meta, body)
    }

    /// Receives one frame, whose body has at most `max_body` bytes.
    pub(super) fn receive(&mut self, frame: &mut Frame, max_body: usize) -> Result<(), LaneError> {
        let Self { stream, header } = self;
        header.clear();
        stream.read(header, HEADER).map_err(|error| match error {
            LaneError::Late if header.is_empty() => LaneError::Waiting,
            error => error,
        })?;
        let Some(bytes) = header.first_chunk() else { return Err(LaneError::Ended) };
        let parsed = Head::read(*bytes, max_body)?;
        frame.head = parsed.head;
        frame.meta.clear();
        stream.read(&mut frame.meta, parsed.meta)?;
        frame.body.clear();
        stream.read_body(&mut frame.body, parsed.body)
    }
}

impl<S: AsFd> AsFd for Lane<S> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }
}

#[cfg(test)]
mod tests;
