//! The bytes of a lane: through shared memory, and large bodies through its socket.
//!
//! What is written lies in a ring of fixed size. The other end, if it is awake, sees it there
//! without a system call; if it sleeps, it is woken through the socket. So a sleeper has the
//! socket's deadline, and wakes when the other end is gone.
//!
//! A body of more than [`LARGEST`] bytes goes through the socket. Between two cores the kernel's
//! fresh pages are the faster way for much: the lines of a ring have to be fetched back from the
//! other core's cache before they are written again.
//!
//! # What the socket carries
//!
//! Any number of [`BELL`]s, and for each body a [`BODY`] and then its bytes. The frame that says
//! how long the body is lies in the ring before that.

use std::os::fd::{AsFd, BorrowedFd};
use std::time::Instant;

use super::error::LaneError;
use super::ring::{Awaited, Ring};
use super::segment::{Area, End};
use super::socket::Socket;
use super::spin::Spin;
use super::stream::Stream;

/// The largest body that goes through the ring, in bytes.
pub(crate) const LARGEST: usize = 64 * 1024;
/// After how many bytes the other end is told of them, if there are more: then it copies out
/// while this one copies in.
const PIECE: usize = 16 * 1024;
/// Through the socket: look into the ring.
const BELL: u8 = 0;
/// Through the socket: a body follows.
const BODY: u8 = 1;

/// One end of a lane.
#[derive(Debug)]
pub(crate) struct Shared {
    ring: Ring,
    socket: Socket,
    spin: Spin,
    /// How many bytes were copied without the other end knowing.
    untold: usize,
    /// Whether [`BODY`] was heard, so that the next bytes of the socket are a body's.
    body_follows: bool,
}

impl Shared {
    pub(crate) fn new(area: Area, end: End, socket: Socket, spin: Spin) -> Self {
        Self { ring: Ring::new(area, end), socket, spin, untold: 0, body_follows: false }
    }

    /// Tells the other end of all that was done, and wakes it if it sleeps for `what`.
    fn wake(&mut self, what: Awaited) -> Result<(), LaneError> {
        self.untold = 0;
        self.ring.publish();
        if self.ring.sleeps(what) { self.socket.ring(BELL) } else { Ok(()) }
    }

    /// Counts what was copied, and tells the other end of a piece if it is awake. To wake it for
    /// less than all there is would have it sleep again at once.
    fn copied(&mut self, count: usize) {
        self.untold += count;
        if self.untold >= PIECE {
            self.untold = 0;
            self.ring.publish();
        }
    }

    /// Waits until there is `what`, the other end is gone, or the deadline passed. `again` says
    /// that it is not the first time for the same bytes: then the deadline is looked at even if
    /// there is no need to sleep, so that nobody outlasts it by one byte at a time.
    fn wait(&mut self, what: Awaited, again: bool) -> Result<(), LaneError> {
        if again && self.deadline().is_some_and(|deadline| deadline <= Instant::now()) {
            return Err(LaneError::Late);
        }
        let Self { ring, spin, .. } = self;
        if spin.until(|| ring.has(what))? {
            return Ok(());
        }
        loop {
            self.ring.doze(what);
            if self.ring.has(what)? {
                self.ring.rouse();
                return Ok(());
            }
            let heard = self.socket.listen();
            self.ring.rouse();
            self.body_follows |= heard.as_ref().is_ok_and(|byte| *byte == BODY);
            // What came before the end counts, as it does with a socket.
            if self.ring.has(what)? {
                return Ok(());
            }
            heard?;
        }
    }

    /// Copies `part` into the ring, waiting for room. The other end need not know yet.
    fn put(&mut self, mut part: &[u8]) -> Result<(), LaneError> {
        let mut waited = false;
        while !part.is_empty() {
            let count = self.ring.put(&part[..part.len().min(PIECE)])?;
            part = &part[count..];
            self.copied(count);
            if count == 0 {
                self.wake(Awaited::Bytes)?;
                self.wait(Awaited::Room, waited)?;
                waited = true;
            }
        }
        Ok(())
    }
}

impl Stream for Shared {
    fn until(&mut self, deadline: Instant) {
        self.socket.until(deadline);
    }

    fn deadline(&self) -> Option<Instant> {
        self.socket.deadline()
    }

    fn write(&mut self, header: &[u8], meta: &[u8], body: &[u8]) -> Result<(), LaneError> {
        self.put(header)?;
        self.put(meta)?;
        if body.len() > LARGEST {
            // What comes through the socket wakes as well as a bell.
            self.untold = 0;
            self.ring.publish();
            return self.socket.send([&[BODY], body]);
        }
        self.put(body)?;
        self.wake(Awaited::Bytes)
    }

    fn read(&mut self, to: &mut Vec<u8>, size: usize) -> Result<(), LaneError> {
        to.reserve_exact(size);
        let end = to.len() + size;
        let mut waited = false;
        while to.len() < end {
            let count = self.ring.get(to, PIECE.min(end - to.len()))?;
            self.copied(count);
            if count == 0 {
                self.wake(Awaited::Room)?;
                self.wait(Awaited::Bytes, waited)?;
                waited = true;
            }
        }
        Ok(())
    }

    fn read_body(&mut self, to: &mut Vec<u8>, size: usize) -> Result<(), LaneError> {
        if size <= LARGEST {
            return self.read(to, size);
        }
        while !self.body_follows {
            self.body_follows = self.socket.listen()? == BODY;
        }
        self.body_follows = false;
        self.socket.receive(to, size)
    }
}

impl AsFd for Shared {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}
