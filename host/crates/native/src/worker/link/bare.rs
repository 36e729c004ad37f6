//! A lane without a call: the least that its memory can do, for benchmarks to hold calls against.

use std::io;
use std::os::unix::net::UnixStream;
use std::thread::{Builder, JoinHandle};

use super::error::LaneError;
use super::memory::Shared;
use super::segment::{self, Area, End};
use super::socket::Socket;
use super::spin::{Spin, budget};
use super::stream::Stream;

/// A thread that copies bytes out of a lane, and back into it.
#[doc(hidden)]
#[derive(Debug)]
pub struct Bare {
    /// Nothing after the end, which ends the thread.
    here: Option<Shared>,
    thread: Option<JoinHandle<()>>,
}

impl Bare {
    /// One that does so `size` bytes at a time.
    ///
    /// # Errors
    ///
    /// If the system gives no memory, socket or thread.
    pub fn start(size: usize) -> io::Result<Self> {
        let (mut ours, memory) = segment::create(1)?;
        let mut theirs = segment::open(&memory, 1)?;
        let (here, there) = UnixStream::pair()?;
        let end = |areas: &mut Vec<Area>, end, socket: UnixStream| {
            let area = areas.pop().ok_or_else(|| io::Error::other("a segment without a lane"))?;
            io::Result::Ok(Shared::new(area, end, Socket::new(socket), Spin::new(budget())))
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
        let thread = Builder::new().name("plugbay-bare".into()).spawn(serve)?;
        Ok(Self { here: Some(here), thread: Some(thread) })
    }

    /// Sends bytes, of the size that it was started for, and takes as many back.
    ///
    /// # Errors
    ///
    /// If the thread is gone.
    pub fn exchange(&mut self, bytes: &[u8], back: &mut Vec<u8>) -> io::Result<()> {
        let failed = |error: LaneError| io::Error::other(error.to_string());
        let here = self.here.as_mut().ok_or_else(|| failed(LaneError::Ended))?;
        here.write(&[], &[], bytes).map_err(failed)?;
        back.clear();
        here.read_body(back, bytes.len()).map_err(failed)
    }
}

impl Drop for Bare {
    fn drop(&mut self) {
        self.here = None;
        if let Some(thread) = self.thread.take() {
            // It ends by itself; how is of no interest.
            let _ = thread.join();
        }
    }
}
