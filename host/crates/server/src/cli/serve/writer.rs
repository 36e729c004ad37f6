//! Output that never blocks the host, even if the reader is slow.
//!
//! A separate thread writes from a bounded queue. While the queue is full, because the reader is
//! slow, stopped or gone, new lines are dropped and counted. The count is printed once there is
//! room.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

/// The largest size of the queue, in bytes. A single text may be longer if the queue is empty.
const MAX_QUEUED_BYTES: usize = 1 << 20;

/// Writes texts on a separate thread. Cheap to clone.
#[derive(Clone)]
pub(super) struct NonBlockingWriter {
    queue: Arc<Queue>,
    /// The note about this many dropped texts.
    lost: fn(u64) -> String,
}

#[derive(Default)]
struct Queue {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<String>,
    /// The size of the waiting texts, in bytes.
    bytes: usize,
    /// The number of texts that were dropped since the last note.
    lost: u64,
    /// Whether a text is being written.
    writing: bool,
}

impl NonBlockingWriter {
    /// Starts the thread that writes to `to`.
    pub(super) fn new(
        to: impl Write + Send + 'static,
        lost: fn(u64) -> String,
    ) -> io::Result<Self> {
        let queue = Arc::new(Queue::default());
        let writer = Arc::clone(&queue);
        // The thread is never joined: there may be output until the process ends.
        thread::Builder::new().name("output".into()).spawn(move || writer.write_all_to(to))?;
        Ok(Self { queue, lost })
    }

    /// Queues one or more whole lines. Never blocks.
    pub(super) fn push(&self, text: String) {
        let mut state = self.queue.lock();
        let note = if state.lost > 0 { (self.lost)(state.lost) } else { String::new() };
        let bytes = state.bytes + note.len() + text.len();
        if bytes > MAX_QUEUED_BYTES && !state.waiting.is_empty() {
            state.lost += 1;
            return;
        }
        if !note.is_empty() {
            state.lost = 0;
            state.waiting.push_back(note);
        }
        state.waiting.push_back(text);
        state.bytes = bytes;
        self.queue.changed.notify_all();
    }

    /// Waits until all queued texts are written, for at most this long.
    pub(super) fn flush(&self, within: Duration) {
        let busy = |state: &mut State| state.writing || !state.waiting.is_empty();
        let waited = self.queue.changed.wait_timeout_while(self.queue.lock(), within, busy);
        drop(waited);
    }
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write_all_to(&self, mut to: impl Write) -> ! {
        let mut state = self.lock();
        loop {
            if let Some(text) = state.waiting.pop_front() {
                state.bytes -= text.len();
                state.writing = true;
                drop(state);
                let written = to.write_all(text.as_bytes()).and_then(|()| to.flush());
                state = self.lock();
                state.writing = false;
                // The next text is written all the same: a full disk may have room again.
                state.lost += u64::from(written.is_err());
                self.changed.notify_all();
            } else {
                state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
            }
        }
    }
}

/// For the log, which writes each entry at once.
impl Write for NonBlockingWriter {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        self.push(String::from_utf8_lossy(text).into_owned());
        Ok(text.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, Sender, channel};

    use super::*;

    const LONG: Duration = Duration::from_secs(60);

    /// Sends each written text to the test, and then waits for the result that the write returns.
    struct Reader {
        written: Sender<String>,
        go_on: Receiver<io::Result<()>>,
    }

    impl Write for Reader {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.written.send(String::from_utf8_lossy(bytes).into_owned()).unwrap();
            self.go_on.recv().unwrap().map(|()| bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn writer() -> (NonBlockingWriter, Receiver<String>, Sender<io::Result<()>>) {
        let ((written, seen), (go_on, gate)) = (channel(), channel());
        let to = Reader { written, go_on: gate };
        (NonBlockingWriter::new(to, |lost| format!("{lost} lost")).unwrap(), seen, go_on)
    }

    #[test]
    fn a_stopped_reader_costs_lines_and_does_not_block() {
        let (writer, seen, go_on) = writer();
        writer.push("first".into());
        assert_eq!(seen.recv_timeout(LONG).unwrap(), "first");
        // The first text is being written, and its write does not return.
        let long = "x".repeat(MAX_QUEUED_BYTES / 2);
        for _ in 0..5 {
            writer.push(long.clone());
        }
        writer.flush(Duration::from_millis(10));
        for _ in 0..2 {
            go_on.send(Ok(())).unwrap();
            assert_eq!(seen.recv_timeout(LONG).unwrap(), long);
        }
        writer.push("last".into());
        for expected in ["3 lost", "last"] {
            go_on.send(Ok(())).unwrap();
            assert_eq!(seen.recv_timeout(LONG).unwrap(), expected);
        }
        go_on.send(Ok(())).unwrap();
        writer.flush(LONG);
    }

    #[test]
    fn writing_goes_on_after_a_failed_write() {
        let (writer, seen, go_on) = writer();
        for _ in 0..2 {
            writer.push("unheard".into());
            assert_eq!(seen.recv_timeout(LONG).unwrap(), "unheard");
            go_on.send(Err(io::ErrorKind::BrokenPipe.into())).unwrap();
            writer.flush(LONG);
            assert_eq!(writer.queue.lock().lost, 1);
            // A later write succeeds.
            writer.push("heard".into());
            for expected in ["1 lost", "heard"] {
                assert_eq!(seen.recv_timeout(LONG).unwrap(), expected);
                go_on.send(Ok(())).unwrap();
            }
            writer.flush(LONG);
        }
    }
}
