//! A lane: one end of a socket pair that carries one call at a time.
//!
//! A small frame costs one system call to write and one to read. What is read arrives in an
//! inbox; a body that does not fit there is read straight into the vector that will hold it.
//!
//! The deadline of a call lives in the socket, as its time-out, so that waiting needs no second
//! thread and no further system call. It is set again only if it is off by more than one part
//! in 64: deadlines are kept to that.

use std::io::IoSlice;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::buffer::spare_capacity;
use rustix::io::Errno;
use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{RecvFlags, SendAncillaryBuffer, SendFlags, recv, sendmsg};

use super::wire::{Frame, HEADER, Head};

/// Holds any small frame whole.
const INBOX: usize = 8 * 1024;
/// The socket's time-out never falls below this, since zero would mean "never".
const SHORTEST: Duration = Duration::from_millis(1);

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

/// One end of a lane.
#[derive(Debug)]
pub(super) struct Lane {
    socket: OwnedFd,
    /// Bytes that were received; those before `start` are used.
    inbox: Vec<u8>,
    start: usize,
    /// The time-out that the socket has; zero for none.
    timeout: Duration,
    deadline: Option<Instant>,
}

impl Lane {
    pub(super) fn new(socket: OwnedFd) -> Self {
        let inbox = Vec::with_capacity(INBOX);
        Self { socket, inbox, start: 0, timeout: Duration::ZERO, deadline: None }
    }

    /// Bounds what follows by `deadline`.
    pub(super) fn until(&mut self, deadline: Instant) -> Result<(), LaneError> {
        self.deadline = Some(deadline);
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(LaneError::Late);
        }
        if self.timeout.abs_diff(left) > left / 64 {
            self.timeout = left.max(SHORTEST);
            for which in [Timeout::Recv, Timeout::Send] {
                set_socket_timeout(&self.socket, which, Some(self.timeout))?;
            }
        }
        Ok(())
    }

    /// Sets the time-out anew, if there is a deadline and it has not passed.
    pub(super) fn again(&mut self) -> Result<(), LaneError> {
        self.deadline.map_or(Ok(()), |deadline| self.until(deadline))
    }

    /// Sends one frame.
    pub(super) fn send(&mut self, head: Head, meta: &[u8], body: &[u8]) -> Result<(), LaneError> {
        let header = head.write(meta.len(), body.len())?;
        let mut parts = [IoSlice::new(&header), IoSlice::new(meta), IoSlice::new(body)];
        let mut rest = &mut parts[..];
        let mut left = HEADER + meta.len() + body.len();
        loop {
            let nothing = &mut SendAncillaryBuffer::default();
            match sendmsg(&self.socket, rest, nothing, SendFlags::NOSIGNAL) {
                Ok(sent) if sent >= left => return Ok(()),
                Ok(sent) => {
                    left -= sent;
                    IoSlice::advance_slices(&mut rest, sent);
                }
                Err(error) => interrupted(error)?,
            }
            self.again()?;
        }
    }

    /// Receives one frame, whose body has at most `max_body` bytes.
    pub(super) fn receive(&mut self, frame: &mut Frame, max_body: usize) -> Result<(), LaneError> {
        let header = loop {
            if let Some(header) = self.inbox[self.start..].first_chunk::<HEADER>() {
                break *header;
            }
            self.fill()?;
        };
        self.start += HEADER;
        let parsed = Head::read(header, max_body)?;
        frame.head = parsed.head;
        self.take(&mut frame.meta, parsed.meta)?;
        self.take(&mut frame.body, parsed.body)
    }

    /// Reads once into the inbox.
    fn fill(&mut self) -> Result<(), LaneError> {
        // A frame that goes before the rest of its own is rare: moving its start is cheap.
        self.inbox.drain(..self.start);
        self.start = 0;
        loop {
            match recv(&self.socket, spare_capacity(&mut self.inbox), RecvFlags::empty()) {
                Ok((0, _)) => return Err(LaneError::Ended),
                Ok(_) => return Ok(()),
                Err(error) => interrupted(error)?,
            }
            self.again()?;
        }
    }

    /// Moves exactly `size` bytes into `to`: first what the inbox has, then from the socket.
    fn take(&mut self, to: &mut Vec<u8>, size: usize) -> Result<(), LaneError> {
        to.clear();
        let have = &self.inbox[self.start..];
        let have = &have[..have.len().min(size)];
        to.reserve_exact(size);
        to.extend_from_slice(have);
        self.start += have.len();
        while to.len() < size {
            match recv(&self.socket, spare_capacity(to), RecvFlags::empty()) {
                Ok((0, _)) => return Err(LaneError::Ended),
                Ok(_) if to.len() >= size => break,
                Ok(_) => {}
                Err(error) => interrupted(error)?,
            }
            self.again()?;
        }
        // A vector may have had more room than was asked for, and so got some of what follows.
        self.inbox.extend_from_slice(&to[size..]);
        to.truncate(size);
        Ok(())
    }
}

impl AsFd for Lane {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
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

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixStream;

    use super::super::wire::{MAX_BODY, Op};
    use super::*;

    fn pair() -> (Lane, Lane) {
        let (one, other) = UnixStream::pair().unwrap();
        (Lane::new(one.into()), Lane::new(other.into()))
    }

    #[test]
    fn frames_of_all_sizes_come_in_order() {
        let (mut here, mut there) = pair();
        let sizes = [0, 1, 64, INBOX - HEADER, INBOX, INBOX + 1, 65_536, 3_000_000];
        let sender = std::thread::spawn(move || {
            for (index, size) in sizes.into_iter().chain(sizes).enumerate() {
                let body = vec![u8::try_from(index).unwrap(); size];
                here.send(Head::new(Op::Reply), b"meta", &body).unwrap();
            }
        });
        let mut frame = Frame::default();
        for (index, size) in sizes.into_iter().chain(sizes).enumerate() {
            there.receive(&mut frame, MAX_BODY).unwrap();
            assert_eq!(frame.meta, b"meta");
            assert_eq!(frame.body, vec![u8::try_from(index).unwrap(); size]);
        }
        sender.join().unwrap();
        assert!(matches!(there.receive(&mut frame, MAX_BODY), Err(LaneError::Ended)));
    }

    #[test]
    fn waiting_ends_at_the_deadline() {
        let (mut here, _there) = pair();
        let begun = Instant::now();
        here.until(begun + Duration::from_millis(40)).unwrap();
        let answer = here.receive(&mut Frame::default(), 0);
        assert!(matches!(answer, Err(LaneError::Late)), "{answer:?}");
        assert!(begun.elapsed() >= Duration::from_millis(40));
    }
}
