//! A client's socket, and the end of a TCP connection.
//!
//! - **Closing lingers** (RFC 9112, section 9.6). If a server closes a socket while the client still sends,
//!   the kernel resets the connection, and the client may lose the answer that it has not read yet. So the
//!   server closes the writing half first, and reads and drops what arrives, within bounds.
//! - **A client that closed its writing half may wait for an answer.** [`Socket::gone`] tells it from a
//!   client that left, as far as possible: the kernel reports a reset at once, but a client that closed its
//!   socket and one that only finished sending look the same.
//! - **A large answer leaves in slices.** The kernel copies what it takes before a write returns, megabytes
//!   at once, and a client that reads quickly makes room for more at once. So a write is small, and after a
//!   few of them the connection lets the others have its thread.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::task::yield_now;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::observed::Observed;
use super::raw::RawStream;

/// How long the answer may take for a client that has finished sending. After that, the client counts as
/// gone, and its request is cancelled.
const HALF_CLOSED: Duration = Duration::from_secs(5);
/// How often a connection with unread bytes is checked for the end of the client's bytes.
const END_CHECK: Duration = Duration::from_secs(1);
/// How long a closing connection lingers.
const LINGER: Duration = Duration::from_secs(10);
/// How long it lingers without a byte from its client.
const LINGER_IDLE: Duration = Duration::from_secs(1);
/// How long it lingers while the server stops.
const LINGER_STOPPING: Duration = Duration::from_millis(250);
/// The maximum number of bytes that it reads while it lingers.
const LINGER_BYTES: usize = 256 << 20;
/// The maximum number of bytes of one write.
const WRITE: usize = 64 << 10;
/// After as many bytes a connection lets others have its thread.
const TURN: usize = 256 << 10;

/// The socket of a connection, shared with [`SocketIo`]: observes the client while hyper reads and writes.
pub(crate) struct Socket<S> {
    stream: Arc<S>,
    /// Whether the last write had to wait, for the client to read or for other connections.
    is_blocked: Arc<AtomicBool>,
}

impl<S> Clone for Socket<S> {
    fn clone(&self) -> Self {
        Self { stream: Arc::clone(&self.stream), is_blocked: Arc::clone(&self.is_blocked) }
    }
}

impl<S: RawStream> Socket<S> {
    pub(super) fn new(stream: S) -> Self {
        Self { stream: Arc::new(stream), is_blocked: Arc::default() }
    }

    /// The half for hyper. Once `stopping` is cancelled it lingers only for [`LINGER_STOPPING`].
    pub(super) fn io(&self, stopping: CancellationToken) -> SocketIo<S> {
        SocketIo { socket: self.clone(), stopping, linger: None, written: 0, pause: None }
    }
}

impl<S: RawStream> Observed for Socket<S> {
    fn is_blocked(&self) -> bool {
        self.is_blocked.load(Ordering::Relaxed)
    }

    /// Waits until the client is gone: until the connection is reset, or for a while after the client
    /// finished sending, if it does not read either.
    async fn gone(&self) {
        while self.stream.ready(Interest::READABLE).await.is_ok_and(|it| !it.is_read_closed()) {
            // The request in progress has not read all bytes yet.
            sleep(END_CHECK).await;
        }
        while timeout(HALF_CLOSED, self.stream.ready(Interest::ERROR)).await.is_err()
            && self.is_blocked()
        {}
    }
}

/// The half of a socket that hyper reads and writes.
pub(crate) struct SocketIo<S> {
    socket: Socket<S>,
    stopping: CancellationToken,
    /// Set once the connection is closed for writing.
    linger: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
    /// The bytes that were written since the last pause.
    written: usize,
    /// Set while others have the thread.
    pause: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
}

impl<S: RawStream> SocketIo<S> {
    fn poll_written(
        &mut self,
        cx: &mut Context<'_>,
        write: impl Fn(&S) -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        let Socket { stream, is_blocked } = &self.socket;
        if self.written >= TURN {
            is_blocked.store(true, Ordering::Relaxed);
            // The runtime looks for events of other sockets before it continues this task.
            let pause = self.pause.get_or_insert_with(|| Box::pin(yield_now()));
            ready!(pause.as_mut().poll(cx));
            (self.pause, self.written) = (None, 0);
        }
        let written = loop {
            let ready = stream.poll_write_ready(cx);
            is_blocked.store(ready.is_pending(), Ordering::Relaxed);
            if ready.is_pending() {
                self.written = 0;
            }
            ready!(ready)?;
            match write(stream) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                written => break written?,
            }
        };
        self.written += written;
        Poll::Ready(Ok(written))
    }
}

impl<S: RawStream> AsyncRead for SocketIo<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let stream = &self.socket.stream;
        loop {
            ready!(stream.poll_read_ready(cx))?;
            match read(&**stream, buffer) {
                Ok(()) => return Poll::Ready(Ok(())),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }
}

impl<S: RawStream> AsyncWrite for SocketIo<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let bytes = &bytes[..bytes.len().min(WRITE)];
        self.poll_written(cx, |stream| stream.try_write(bytes))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffers: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match buffers.iter().find(|it| it.len() > WRITE) {
            // The head of an answer leaves with the beginning of its body.
            Some(large) => {
                let first = buffers.iter().take_while(|it| it.len() <= WRITE);
                let first = first.map(|it| io::IoSlice::new(it));
                let slices: Vec<_> = first.chain([io::IoSlice::new(&large[..WRITE])]).collect();
                self.poll_written(cx, |stream| stream.try_write_vectored(&slices))
            }
            None => self.poll_written(cx, |stream| stream.try_write_vectored(buffers)),
        }
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    /// Closes the writing half, and lingers.
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.linger.is_none() {
            let stream = Arc::clone(&self.socket.stream);
            if stream.close_writing().is_err() {
                // The connection is closed already.
                return Poll::Ready(Ok(()));
            }
            self.linger = Some(Box::pin(linger(stream, self.stopping.clone())));
        }
        let Some(linger) = &mut self.linger else { return Poll::Ready(Ok(())) };
        linger.as_mut().poll(cx).map(Ok)
    }
}

/// Reads what has arrived.
///
/// A read that leaves room has taken all of it. The socket then counts as not readable until the system
/// says so again, as in tokio's own `poll_read`: otherwise each request would cost a second system call,
/// which finds nothing. The outer `try_io` notes which readiness it is about before the read.
fn read(stream: &impl RawStream, buffer: &mut ReadBuf<'_>) -> io::Result<()> {
    let room = buffer.remaining();
    let mut has_read = false;
    let emptied = stream.try_io(|| {
        // Into memory that nobody has written to: clearing it first would take longer than reading.
        let read = stream.try_read_buf(buffer)?;
        has_read = true;
        let is_emptied = cfg!(target_os = "linux") && (1..room).contains(&read);
        if is_emptied { Err(io::ErrorKind::WouldBlock.into()) } else { Ok(()) }
    });
    if has_read { Ok(()) } else { emptied }
}

/// Reads and drops what the client still sends, until it closes or a bound is reached.
async fn linger(stream: Arc<impl RawStream>, stopping: CancellationToken) {
    let drained = async {
        let mut buffer = vec![0; 16 << 10];
        let mut bytes = 0;
        while bytes < LINGER_BYTES
            && let Ok(Ok(_)) = timeout(LINGER_IDLE, stream.ready(Interest::READABLE)).await
        {
            match stream.try_read(&mut buffer) {
                Ok(0) => return,
                Ok(read) => bytes += read,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(_gone) => return,
            }
        }
    };
    let stopped = async {
        stopping.cancelled().await;
        sleep(LINGER_STOPPING).await;
    };
    tokio::select! {
        _ = timeout(LINGER, drained) => {}
        () = stopped => {}
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::io::Read as _;

    use tokio::io::AsyncWriteExt as _;
    use tokio::net::{TcpListener, TcpStream};

    use super::*;

    /// A socket, and a thread that reads all that arrives at its other end.
    async fn read_by_a_thread() -> (SocketIo<TcpStream>, std::thread::JoinHandle<Vec<u8>>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut client = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let reader = std::thread::spawn(move || {
            let mut read = Vec::new();
            client.read_to_end(&mut read).unwrap();
            read
        });
        let (stream, _) = listener.accept().await.unwrap();
        (Socket::new(stream).io(CancellationToken::new()), reader)
    }

    #[tokio::test]
    async fn a_large_answer_lets_others_have_their_turns() {
        let (mut io, reader) = read_by_a_thread().await;
        let answer = vec![7; 32 * TURN];
        let (in_turn, all) = (Cell::new(0), Cell::new(0));
        let others = async {
            while all.get() < answer.len() {
                in_turn.set(0);
                yield_now().await;
            }
        };
        let writing = async {
            while all.get() < answer.len() {
                let written = io.write(&answer[all.get()..]).await.unwrap();
                in_turn.set(in_turn.get() + written);
                all.set(all.get() + written);
                assert!(in_turn.get() < TURN + WRITE, "{} bytes in one turn", in_turn.get());
            }
            drop(io);
        };
        tokio::join!(biased; writing, others);
        assert!(reader.join().unwrap() == answer);
    }

    #[tokio::test]
    async fn the_head_of_an_answer_leaves_with_the_beginning_of_its_body() {
        let (mut io, reader) = read_by_a_thread().await;
        let (head, body) = (vec![1; 100], vec![2; WRITE + 1]);
        let buffers = [io::IoSlice::new(&head), io::IoSlice::new(&body), io::IoSlice::new(&head)];
        let written = io.write_vectored(&buffers).await.unwrap();
        assert_eq!(written, head.len() + WRITE);
        assert_eq!(io.write(&body).await.unwrap(), WRITE);
        drop(io);
        assert!(reader.join().unwrap() == [head, body[1..].to_vec(), body[1..].to_vec()].concat());
    }
}
