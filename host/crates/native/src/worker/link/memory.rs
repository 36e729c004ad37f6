//! The stream of a lane: shared memory, with a socket for wake-ups and large bodies.
//!
//! Bytes are written to a ring of fixed size. If the other end is awake, it sees them there without a
//! system call; if it sleeps, it is woken through the socket. So a sleeper has the socket's deadline,
//! and wakes when the other end is closed.
//!
//! A body of more than [`MAX_RING_BODY`] bytes goes through the socket. Between two cores that is the
//! faster way for many bytes: the kernel uses fresh pages, while the cache lines of a ring have to be
//! fetched back from the other core before they are written again.
//!
//! # What the socket carries
//!
//! Any number of [`BELL`]s, each of which wakes the other end, and for each body a [`BODY`] and then
//! its bytes. The frame that gives the body's length was written to the ring before.

use std::os::fd::{AsFd, BorrowedFd};
use std::time::Instant;

use super::error::LaneError;
use super::ring::{Awaited, Ring};
use super::segment::{Area, End};
use super::socket::Socket;
use super::spin::Spin;
use super::stream::Stream;

/// The size of the largest body that goes through the ring.
pub(crate) const MAX_RING_BODY: usize = 64 * 1024;
/// How many bytes to copy before they are published, if there are more: then the other end copies
/// them out while this one copies the next ones in.
const PIECE: usize = 16 * 1024;
/// A byte on the socket: look into the ring.
const BELL: u8 = 0;
/// A byte on the socket: a body follows.
const BODY: u8 = 1;

/// One end of a lane.
#[derive(Debug)]
pub(crate) struct SharedMemory {
    ring: Ring,
    socket: Socket,
    spin: Spin,
    /// How many bytes were copied since the last publication.
    unpublished: usize,
    /// Whether [`BODY`] was received, so that the next bytes of the socket are a body.
    body_follows: bool,
}

impl SharedMemory {
    pub(crate) fn new(area: Area, end: End, socket: Socket, spin: Spin) -> Self {
        Self { ring: Ring::new(area, end), socket, spin, unpublished: 0, body_follows: false }
    }

    /// Publishes everything that was copied, and wakes the other end if it sleeps for `what`.
    fn notify(&mut self, what: Awaited) -> Result<(), LaneError> {
        self.unpublished = 0;
        self.ring.publish();
        if self.ring.take_sleeper(what) { self.socket.ring_bell(BELL) } else { Ok(()) }
    }

    /// Counts copied bytes, and publishes them once they are a piece. A sleeping end is not woken: for
    /// less than all there is it would soon sleep again.
    fn count_copied(&mut self, count: usize) {
        self.unpublished += count;
        if self.unpublished >= PIECE {
            self.unpublished = 0;
            self.ring.publish();
        }
    }

    /// Waits until there is `what`, the other end is closed, or the deadline has passed. `again` says
    /// that this is not the first wait for the same frame part: then the deadline is checked even
    /// without sleeping, so that an end that sends one byte at a time cannot outlast it.
    fn wait(&mut self, what: Awaited, again: bool) -> Result<(), LaneError> {
        if again && self.deadline().is_some_and(|deadline| deadline <= Instant::now()) {
            return Err(LaneError::Late);
        }
        let Self { ring, spin, .. } = self;
        if spin.until(|| ring.has(what))? {
            return Ok(());
        }
        loop {
            self.ring.park(what);
            if self.ring.has(what)? {
                self.ring.wake();
                return Ok(());
            }
            let received = self.socket.wait_byte();
            self.ring.wake();
            self.body_follows |= received.as_ref().is_ok_and(|byte| *byte == BODY);
            // Bytes that came before the close count, as they do with a socket.
            if self.ring.has(what)? {
                return Ok(());
            }
            received?;
        }
    }

    /// Copies `part` into the ring, waiting for room. Not all of it is published.
    fn put(&mut self, mut part: &[u8]) -> Result<(), LaneError> {
        let mut waited = false;
        while !part.is_empty() {
            let count = self.ring.put(&part[..part.len().min(PIECE)])?;
            part = &part[count..];
            self.count_copied(count);
            if count == 0 {
                self.notify(Awaited::Bytes)?;
                self.wait(Awaited::Room, waited)?;
                waited = true;
            }
        }
        Ok(())
    }
}

impl Stream for SharedMemory {
    fn set_deadline(&mut self, deadline: Instant) {
        self.socket.set_deadline(deadline);
    }

    fn deadline(&self) -> Option<Instant> {
        self.socket.deadline()
    }

    fn write(&mut self, header: &[u8], meta: &[u8], body: &[u8]) -> Result<(), LaneError> {
        self.put(header)?;
        self.put(meta)?;
        if body.len() > MAX_RING_BODY {
            // Bytes on the socket wake the other end as a bell does.
            self.unpublished = 0;
            self.ring.publish();
            return self.socket.send([&[BODY], body]);
        }
        self.put(body)?;
        self.notify(Awaited::Bytes)
    }

    fn read(&mut self, to: &mut Vec<u8>, size: usize) -> Result<(), LaneError> {
        to.reserve_exact(size);
        let end = to.len() + size;
        let mut waited = false;
        while to.len() < end {
            let count = self.ring.get(to, PIECE.min(end - to.len()))?;
            self.count_copied(count);
            if count == 0 {
                self.notify(Awaited::Room)?;
                self.wait(Awaited::Bytes, waited)?;
                waited = true;
            }
        }
        Ok(())
    }

    fn read_body(&mut self, to: &mut Vec<u8>, size: usize) -> Result<(), LaneError> {
        if size <= MAX_RING_BODY {
            return self.read(to, size);
        }
        while !self.body_follows {
            self.body_follows = self.socket.wait_byte()? == BODY;
        }
        self.body_follows = false;
        self.socket.receive(to, size)
    }
}

impl AsFd for SharedMemory {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}
