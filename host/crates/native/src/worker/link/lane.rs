//! A lane: a connection of host and worker that carries one call at a time, as frames.
//!
//! Its bytes go over a [`Stream`]: [`SharedMemory`] for calls, a [`Socket`] for the frames that a
//! worker starts with.
//!
//! [`Socket`]: super::socket::Socket

use std::os::fd::{AsFd, BorrowedFd};
use std::time::Instant;

use super::error::LaneError;
use super::memory::SharedMemory;
use super::stream::Stream;
use super::wire::{Frame, HEADER, Head};

/// One end of a lane.
#[derive(Debug)]
pub(crate) struct Lane<S = SharedMemory> {
    stream: S,
    /// The header that is being read.
    header: Vec<u8>,
}

impl<S: Stream> Lane<S> {
    pub(crate) fn new(stream: S) -> Self {
        Self { stream, header: Vec::with_capacity(HEADER) }
    }

    /// Sets the deadline of what follows.
    ///
    /// # Errors
    ///
    /// If it has passed.
    pub(crate) fn set_deadline(&mut self, deadline: Instant) -> Result<(), LaneError> {
        self.stream.set_deadline(deadline);
        self.check_deadline()
    }

    /// The deadline, if there is one.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.stream.deadline()
    }

    /// Moves the deadline, if there is one, to `least` if it is sooner.
    pub(crate) fn extend_deadline(&mut self, least: Instant) {
        if self.stream.deadline().is_some_and(|deadline| deadline < least) {
            self.stream.set_deadline(least);
        }
    }

    /// Fails if the deadline has passed.
    pub(crate) fn check_deadline(&self) -> Result<(), LaneError> {
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
            LaneError::Late if header.is_empty() => LaneError::NoReply,
            error => error,
        })?;
        let Some(bytes) = header.first_chunk() else { return Err(LaneError::Closed) };
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
