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
        stream.read(header, HEADER)?;
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
mod tests {
    use std::os::unix::net::UnixStream;
    use std::time::Duration;

    use super::super::segment::{self, End};
    use super::super::socket::Socket;
    use super::super::spin::{Spin, budget};
    use super::super::wire::{MAX_BODY, Op};
    use super::*;

    fn sockets() -> [Socket; 2] {
        let (one, other) = UnixStream::pair().unwrap();
        [one, other].map(|socket| Socket::new(socket))
    }

    /// Both ends of a lane, as host and worker have them.
    fn pair() -> (Lane, Lane) {
        let (mut ours, memory) = segment::create(1).unwrap();
        let mut theirs = segment::open(&memory, 1).unwrap();
        let [one, other] = sockets();
        let lane = |areas: &mut Vec<_>, end, bell| {
            Lane::new(Shared::new(areas.remove(0), end, bell, Spin::new(budget())))
        };
        (lane(&mut ours, End::Host, one), lane(&mut theirs, End::Worker, other))
    }

    #[test]
    fn frames_of_all_sizes_come_in_order() {
        let (mut here, mut there) = pair();
        let sizes = [0, 1, 64, 4096, 65_520, 65_536, 3_000_000];
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
