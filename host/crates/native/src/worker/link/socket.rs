//! A socket with a deadline, which carries bytes, or only bells.
//!
//! The deadline lives in the socket, as its time-out, so that waiting needs no second thread and
//! no further system call. It is set when there is something to wait for, and again only if it
//! is off by more than one part in 64: deadlines are kept to that.

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
    /// Bytes that came with those that were wanted.
    early: VecDeque<u8>,
    /// The time-out that it has; zero for none.
    timeout: Duration,
    deadline: Option<Instant>,
}

impl Socket {
    pub(crate) fn new(socket: impl Into<OwnedFd>) -> Self {
        let (early, timeout) = (VecDeque::new(), Duration::ZERO);
        Self { stream: socket.into(), early, timeout, deadline: None }
    }

    /// Has what follows wait until the deadline, if there is one and it has not passed.
    fn arm(&mut self) -> Result<(), LaneError> {
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
            self.arm()?;
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
            self.arm()?;
            match recv(&self.stream, spare_capacity(to), RecvFlags::empty()) {
                Ok((0, _)) => return Err(LaneError::Ended),
                Ok(_) => {}
                Err(error) => interrupted(error)?,
            }
        }
        // A vector may have had more room than was asked for, and so got some of what follows.
        self.early.extend(to.drain(end..));
        Ok(())
    }

    /// Wakes the other end if it waits in [`Self::listen`], or has it not wait the next time.
    pub(crate) fn ring(&self, bell: u8) -> Result<(), LaneError> {
        match send(&self.stream, &[bell], SendFlags::DONTWAIT | SendFlags::NOSIGNAL) {
            // So many bells that the other end has not heard wake it as well as one more. And if
            // it is gone, whoever waits for it is told.
            Ok(_) | Err(Errno::AGAIN | Errno::PIPE | Errno::CONNRESET) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Waits for one byte from the other end, and says which.
    pub(crate) fn listen(&mut self) -> Result<u8, LaneError> {
        if let Some(byte) = self.early.pop_front() {
            return Ok(byte);
        }
        let mut byte = [0];
        loop {
            self.arm()?;
            match recv(&self.stream, &mut byte, RecvFlags::empty()) {
                Ok((0, _)) => return Err(LaneError::Ended),
                Ok(_) => return Ok(byte[0]),
                Err(error) => interrupted(error)?,
            }
        }
    }
}

impl Stream for Socket {
    fn until(&mut self, deadline: Instant) {
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

/// Lets pass what only means "try again, if there is time".
fn interrupted(error: Errno) -> Result<(), LaneError> {
    match error {
        Errno::AGAIN | Errno::INTR => Ok(()),
        Errno::PIPE | Errno::CONNRESET => Err(LaneError::Ended),
        error => Err(LaneError::System(error)),
    }
}
