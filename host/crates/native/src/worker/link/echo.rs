//! An echo over the stream of a lane: the least time that a call can take, for benchmarks.

use std::io;
use std::os::unix::net::UnixStream;
use std::thread::{Builder, JoinHandle};

use super::error::LaneError;
use super::memory::SharedMemory;
use super::segment::{self, Area, End};
use super::socket::Socket;
use super::spin::{Spin, budget};
use super::stream::Stream;

/// A thread that copies bytes out of a lane, and back into it.
#[doc(hidden)]
#[derive(Debug)]
pub struct EchoLane {
    /// Dropped first, which ends the thread.
    here: Option<SharedMemory>,
    thread: Option<JoinHandle<()>>,
}

impl EchoLane {
    /// Starts the thread, for messages of `size` bytes.
    ///
    /// # Errors
    ///
    /// If the system has no memory, socket or thread.
    pub fn start(size: usize) -> io::Result<Self> {
        let (mut ours, memory) = segment::create(1)?;
        let mut theirs = segment::open(&memory, 1)?;
        let (here, there) = UnixStream::pair()?;
        let end = |areas: &mut Vec<Area>, end, socket: UnixStream| {
            let area = areas.pop().ok_or_else(|| io::Error::other("a segment without a lane"))?;
            io::Result::Ok(SharedMemory::new(area, end, Socket::new(socket), Spin::new(budget())))
        };
        let here = end(&mut ours, End::Host, here)?;
        let mut there = end(&mut theirs, End::Worker, there)?;
        let serve = move || {
            let mut bytes = Vec::with_capacity(size);
            let mut echo = || {
                bytes.clear();
                there.read_body(&mut bytes, size)?;
                there.write(&[], &[], &bytes)
            };
            while echo().is_ok() {}
        };
        let thread = Builder::new().name("plugbay-echo".into()).spawn(serve)?;
        Ok(Self { here: Some(here), thread: Some(thread) })
    }

    /// Sends bytes, of the size that it was started for, and receives as many.
    ///
    /// # Errors
    ///
    /// If the thread is gone.
    pub fn exchange(&mut self, bytes: &[u8], back: &mut Vec<u8>) -> io::Result<()> {
        let failed = |error: LaneError| io::Error::other(error.to_string());
        let here = self.here.as_mut().ok_or_else(|| failed(LaneError::Closed))?;
        here.write(&[], &[], bytes).map_err(failed)?;
        back.clear();
        here.read_body(back, bytes.len()).map_err(failed)
    }
}

impl Drop for EchoLane {
    fn drop(&mut self) {
        self.here = None;
        if let Some(thread) = self.thread.take() {
            // The result of the thread does not matter.
            let _ = thread.join();
        }
    }
}
