//! A socket with a deadline, which carries bytes, or single bytes that wake the other end.
//!
//! The deadline is kept by the socket, as its time-out, so that waiting needs no second thread and
//! no further system call. The time-out is set before a wait, and again only if it is off by more than
//! one part in 64: deadlines are kept to that precision.

use std::collections::VecDeque;
use std::io::IoSlice;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::buffer::spare_capacity;
use rustix::io::Errno;
use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{RecvFlags, SendAncillaryBuffer, SendFlags, recv, send, sendmsg};

use super::error::LaneError;
use super::stream::Stream;

/// The time-out never falls below this, since zero would mean "never".
const SHORTEST: Duration = Duration::from_millis(1);

/// One end of a socket pair.
#[derive(Debug)]
pub(crate) struct Socket {
    stream: OwnedFd,
    /// Bytes that were received beyond those that were asked for.
    early: VecDeque<u8>,
    /// The current time-out of the socket; zero for none.
    timeout: Duration,
    deadline: Option<Instant>,
}

impl Socket {
    pub(crate) fn new(socket: impl Into<OwnedFd>) -> Self {
        let (early, timeout) = (VecDeque::new(), Duration::ZERO);
        Self { stream: socket.into(), early, timeout, deadline: None }
    }

    /// Sets the socket's time-out to the time left until the deadline, if there is one.
    ///
    /// # Errors
    ///
    /// If the deadline has passed.
    fn set_timeout(&mut self) -> Result<(), LaneError> {
        let Some(deadline) = self.deadline else { return Ok(()) };
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(LaneError::Late);
        }
        if self.timeout.abs_diff(left) > left / 64 {
            self.timeout = left.max(SHORTEST);
            for which in [Timeout::Recv, Timeout::Send] {
                set_socket_timeout(&self.stream, which, Some(self.timeout))?;
            }
        }
        Ok(())
    }

    /// Sends all of `parts`, one after the other.
    pub(crate) fn send<const N: usize>(&mut self, parts: [&[u8]; N]) -> Result<(), LaneError> {
        let mut left: usize = parts.iter().map(|part| part.len()).sum();
        let mut parts = parts.map(IoSlice::new);
        let mut rest = &mut parts[..];
        while left > 0 {
            self.set_timeout()?;
            let nothing = &mut SendAncillaryBuffer::default();
            match sendmsg(&self.stream, rest, nothing, SendFlags::NOSIGNAL) {
                Ok(sent) => {
                    left -= sent;
                    IoSlice::advance_slices(&mut rest, sent);
                }
                Err(error) => interrupted(error)?,
            }
        }
        Ok(())
    }

    /// Appends exactly `size` bytes to `to`.
    pub(crate) fn receive(&mut self, to: &mut Vec<u8>, size: usize) -> Result<(), LaneError> {
        to.reserve_exact(size);
        let end = to.len() + size;
        to.extend(self.early.drain(..size.min(self.early.len())));
        while to.len() < end {
            self.set_timeout()?;
            match recv(&self.stream, spare_capacity(to), RecvFlags::empty()) {
                Ok((0, _)) => return Err(LaneError::Closed),
                Ok(_) => {}
                Err(error) => interrupted(error)?,
            }
        }
        // The vector may have more room than was asked for, and so have received the next bytes.
        self.early.extend(to.drain(end..));
        Ok(())
    }

    /// Sends the byte `bell`, which wakes the other end now or ends its next [`Self::wait_byte`] at
    /// once.
    pub(crate) fn ring_bell(&self, bell: u8) -> Result<(), LaneError> {
        match send(&self.stream, &[bell], SendFlags::DONTWAIT | SendFlags::NOSIGNAL) {
            // A full socket has enough bytes to wake the other end. If the other end is closed, the
            // next wait reports it.
            Ok(_) | Err(Errno::AGAIN | Errno::PIPE | Errno::CONNRESET) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Waits for one byte from the other end, and returns it.
    pub(crate) fn wait_byte(&mut self) -> Result<u8, LaneError> {
        if let Some(byte) = self.early.pop_front() {
            return Ok(byte);
        }
        let mut byte = [0];
        loop {
            self.set_timeout()?;
            match recv(&self.stream, &mut byte, RecvFlags::empty()) {
                Ok((0, _)) => return Err(LaneError::Closed),
                Ok(_) => return Ok(byte[0]),
                Err(error) => interrupted(error)?,
            }
        }
    }
}

impl Stream for Socket {
    fn set_deadline(&mut self, deadline: Instant) {
        self.deadline = Some(deadline);
    }

    fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    fn write(&mut self, header: &[u8], meta: &[u8], body: &[u8]) -> Result<(), LaneError> {
        self.send([header, meta, body])
    }

    fn read(&mut self, to: &mut Vec<u8>, size: usize) -> Result<(), LaneError> {
        self.receive(to, size)
    }

    fn read_body(&mut self, to: &mut Vec<u8>, size: usize) -> Result<(), LaneError> {
        self.receive(to, size)
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }
}

/// Passes over errors that only mean "try again, if there is time".
fn interrupted(error: Errno) -> Result<(), LaneError> {
    match error {
        Errno::AGAIN | Errno::INTR => Ok(()),
        Errno::PIPE | Errno::CONNRESET => Err(LaneError::Closed),
        error => Err(LaneError::System(error)),
    }
}
