//! A lane: one end of what carries one call at a time, as frames.
//!
//! What moves the bytes is a [`Stream`]: [`Shared`] memory for calls, a [`Socket`] for the frames
//! that a worker starts with.
//!
//! [`Socket`]: super::socket::Socket

use std::os::fd::{AsFd, BorrowedFd};
use std::time::Instant;

use super::error::LaneError;
use super::memory::Shared;
use super::stream::Stream;
use super::wire::{Frame, HEADER, Head};

/// One end of a lane.
#[derive(Debug)]
pub(crate) struct Lane<S = Shared> {
    stream: S,
    /// A header, while it is read.
    header: Vec<u8>,
}

impl<S: Stream> Lane<S> {
    pub(crate) fn new(stream: S) -> Self {
        Self { stream, header: Vec::with_capacity(HEADER) }
    }

    /// Bounds what follows by `deadline`, which has not passed.
    pub(crate) fn until(&mut self, deadline: Instant) -> Result<(), LaneError> {
        self.stream.until(deadline);
        self.in_time()
    }

    /// The bound of what follows, if there is one.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.stream.deadline()
    }

    /// Puts the deadline, if there is one, off until `least` if it is sooner.
    pub(crate) fn allow(&mut self, least: Instant) {
        if self.stream.deadline().is_some_and(|deadline| deadline < least) {
            self.stream.until(least);
        }
    }

    /// Whether the deadline, if there is one, has not passed.
    pub(crate) fn in_time(&self) -> Result<(), LaneError> {
        let late = self.stream.deadline().is_some_and(|deadline| deadline <= Instant::now());
        if late { Err(LaneError::Late) } else { Ok(()) }
    }

    /// Sends one frame.
    pub(crate) fn send(&mut self, head: Head, meta: &[u8], body: &[u8]) -> Result<(), LaneError> {
        let header = head.write(meta.len(), body.len())?;
        self.stream.write(&header, meta, body)
    }

    /// Receives one frame, whose body has at most `max_body` bytes.
    pub(crate) fn receive(&mut self, frame: &mut Frame, max_body: usize) -> Result<(), LaneError> {
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
