//! Files as streams of bytes. Each stream holds at most one chunk of its file, and has at most one
//! file operation in progress.

use std::mem;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};

use futures_lite::future::block_on;
use wasmtime_wasi::p2::FsError;
use wasmtime_wasi::p2::bindings::filesystem::types::HostDescriptor;
use wasmtime_wasi_io::async_trait;
use wasmtime_wasi_io::bytes::Bytes;
use wasmtime_wasi_io::poll::Pollable;
use wasmtime_wasi_io::streams::{InputStream, OutputStream, StreamError, StreamResult};

use super::blocking::{FileView, Job, Opened, run_blocking};
use crate::sandbox::grants::Sandbox;

/// The most bytes that are read or written at once.
const CHUNK: usize = 64 * 1024;
/// The bytes that are read when a guest waits for a stream without having said how many it wants.
const DEFAULT_READ: usize = 4 * 1024;

/// Starts an operation on the stream's file.
fn start<T: Send + 'static>(
    sandbox: &Sandbox,
    work: impl FnOnce(&mut FileView<'_>) -> StreamResult<T> + Send + 'static,
) -> Job<StreamResult<T>> {
    let job = run_blocking(sandbox, work);
    Box::pin(async { job.await.unwrap_or_else(|error| Err(StreamError::Trap(error))) })
}

fn trap(error: FsError) -> StreamError {
    StreamError::Trap(match error.downcast() {
        Ok(code) => code.into(),
        Err(trap) => trap,
    })
}

/// An input stream of a file, from a position on.
pub(super) struct Reader {
    sandbox: Arc<Sandbox>,
    file: Opened,
    position: u64,
    state: Reading,
}

enum Reading {
    Idle,
    InProgress(Job<StreamResult<Bytes>>),
    Read(Bytes),
    Failed(StreamError),
    Closed,
}

impl Reader {
    pub(super) fn new(sandbox: Arc<Sandbox>, file: Opened, position: u64) -> Self {
        Self { sandbox, file, position, state: Reading::Idle }
    }

    /// Starts to read, unless a read is in progress or the stream has ended.
    fn begin(&mut self, size: usize) {
        if !matches!(self.state, Reading::Idle) {
            return;
        }
        let (file, position, size) = (self.file.clone(), self.position, size.min(CHUNK));
        self.state = Reading::InProgress(start(&self.sandbox, move |view| {
            let file = file.push_to(view).map_err(StreamError::Trap)?;
            let stream = HostDescriptor::read_via_stream(view, file, position).map_err(trap)?;
            block_on(view.table.get_mut(&stream)?.blocking_read(size))
        }));
    }

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<()> {
        if let Reading::InProgress(job) = &mut self.state {
            self.state = match ready!(job.as_mut().poll(context)) {
                Ok(bytes) => Reading::Read(bytes),
                Err(error) => Reading::Failed(error),
            };
        }
        Poll::Ready(())
    }
}

#[async_trait]
impl Pollable for Reader {
    async fn ready(&mut self) {
        self.begin(DEFAULT_READ);
        std::future::poll_fn(|context| self.poll(context)).await;
    }
}

#[async_trait]
impl InputStream for Reader {
    fn read(&mut self, size: usize) -> StreamResult<Bytes> {
        if size > 0 {
            self.begin(size);
        }
        let _ = self.poll(&mut Context::from_waker(Waker::noop()));
        match mem::replace(&mut self.state, Reading::Closed) {
            Reading::Read(mut bytes) => {
                let piece = bytes.split_to(size.min(bytes.len()));
                self.position += piece.len() as u64;
                self.state = if bytes.is_empty() { Reading::Idle } else { Reading::Read(bytes) };
                Ok(piece)
            }
            Reading::Failed(error) => Err(error),
            Reading::Closed => Err(StreamError::Closed),
            unread @ (Reading::Idle | Reading::InProgress(_)) => {
                self.state = unread;
                Ok(Bytes::new())
            }
        }
    }

    async fn blocking_read(&mut self, size: usize) -> StreamResult<Bytes> {
        self.begin(size.max(1));
        self.ready().await;
        self.read(size)
    }
}

/// Where a stream writes.
#[derive(Clone, Copy)]
pub(super) enum WriteAt {
    /// A position, which each write advances.
    Position(u64),
    /// The end of the file at the time of the write.
    End,
}

/// An output stream to a file.
pub(super) struct Writer {
    sandbox: Arc<Sandbox>,
    file: Opened,
    at: WriteAt,
    state: Writing,
}

enum Writing {
    Ready,
    InProgress(Job<StreamResult<u64>>),
    Failed(StreamError),
    Closed,
}

impl Writer {
    pub(super) fn new(sandbox: Arc<Sandbox>, file: Opened, at: WriteAt) -> Self {
        Self { sandbox, file, at, state: Writing::Ready }
    }

    fn begin(&mut self, bytes: Bytes) {
        let (file, at) = (self.file.clone(), self.at);
        self.state = Writing::InProgress(start(&self.sandbox, move |view| {
            let file = file.push_to(view).map_err(StreamError::Trap)?;
            let stream = match at {
                WriteAt::Position(position) => {
                    HostDescriptor::write_via_stream(view, file, position)
                }
                WriteAt::End => HostDescriptor::append_via_stream(view, file),
            };
            let stream = stream.map_err(trap)?;
            let written = bytes.len() as u64;
            block_on(view.table.get_mut(&stream)?.blocking_write_and_flush(bytes))?;
            Ok(written)
        }));
    }

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<()> {
        if let Writing::InProgress(job) = &mut self.state {
            self.state = match ready!(job.as_mut().poll(context)) {
                Ok(written) => {
                    if let WriteAt::Position(position) = &mut self.at {
                        *position += written;
                    }
                    Writing::Ready
                }
                Err(error) => Writing::Failed(error),
            };
        }
        Poll::Ready(())
    }
}

#[async_trait]
impl Pollable for Writer {
    async fn ready(&mut self) {
        std::future::poll_fn(|context| self.poll(context)).await;
    }
}

#[async_trait]
impl OutputStream for Writer {
    /// A write that exceeds the permit ends the guest's call: the host would have to hold the bytes.
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        let permit = self.check_write()?;
        if bytes.len() > permit {
            let found = bytes.len();
            let message = format!("expected a write of at most {permit} bytes, found {found}");
            return Err(StreamError::trap(&message));
        }
        if !bytes.is_empty() {
            self.begin(bytes);
        }
        Ok(())
    }

    /// Only reports errors: each write is started at once.
    fn flush(&mut self) -> StreamResult<()> {
        self.check_write().map(drop)
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        let _ = self.poll(&mut Context::from_waker(Waker::noop()));
        match mem::replace(&mut self.state, Writing::Closed) {
            Writing::Failed(error) => Err(error),
            Writing::Closed => Err(StreamError::Closed),
            Writing::Ready => {
                self.state = Writing::Ready;
                Ok(CHUNK)
            }
            job @ Writing::InProgress(_) => {
                self.state = job;
                Ok(0)
            }
        }
    }

    /// Waits for a write in progress, which the guest counts as written, when the stream is dropped.
    async fn cancel(&mut self) {
        self.ready().await;
    }
}
