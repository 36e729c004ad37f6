//! Output that never blocks the host, however slowly it is read.
//!
//! A thread of its own writes from a bounded queue. If the reader is slow, has stopped or is gone,
//! lines that find the queue full are dropped and counted, and the count is printed once there is
//! room.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

/// Bytes that may wait. A single text may be longer, for it need not wait for others.
const MOST: usize = 1 << 20;

/// Where texts go. Cheap to clone.
#[derive(Clone)]
pub(super) struct Outlet {
    queue: Arc<Queue>,
    /// What is said of texts that were lost.
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
    /// Bytes of those that wait.
    bytes: usize,
    /// Texts that were dropped since the last note of that.
    lost: u64,
    /// Whether a text is being written.
    writing: bool,
}

impl Outlet {
    /// Starts the thread that writes to `to`.
    pub(super) fn new(
        to: impl Write + Send + 'static,
        lost: fn(u64) -> String,
    ) -> io::Result<Self> {
        let queue = Arc::new(Queue::default());
        let writer = Arc::clone(&queue);
        // It ends with the process: there may be output until then.
        thread::Builder::new().name("output".into()).spawn(move || writer.write_on(to))?;
        Ok(Self { queue, lost })
    }

    /// Says a whole line, or several. Never waits.
    pub(super) fn say(&self, text: String) {
        let mut state = self.queue.lock();
        let note = if state.lost > 0 { (self.lost)(state.lost) } else { String::new() };
        let bytes = state.bytes + note.len() + text.len();
        if bytes > MOST && !state.waiting.is_empty() {
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

    /// Waits until all is written that was said, but no longer than this.
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

    fn write_on(&self, mut to: impl Write) -> ! {
        let mut state = self.lock();
        loop {
            if let Some(text) = state.waiting.pop_front() {
                state.bytes -= text.len();
                state.writing = true;
                drop(state);
                let written = to.write_all(text.as_bytes()).and_then(|()| to.flush());
                state = self.lock();
                state.writing = false;
                // The next one is tried all the same: a full disk may have room again.
                state.lost += u64::from(written.is_err());
                self.changed.notify_all();
            } else {
                state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
            }
        }
    }
}

/// For the log, which writes each entry at once.
impl Write for Outlet {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        self.say(String::from_utf8_lossy(text).into_owned());
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

    /// Hands over what is written, and writes the next only when it is told to; then, with the
    /// error that it is told.
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

    fn outlet() -> (Outlet, Receiver<String>, Sender<io::Result<()>>) {
        let ((written, seen), (go_on, gate)) = (channel(), channel());
        let to = Reader { written, go_on: gate };
        (Outlet::new(to, |lost| format!("{lost} lost")).unwrap(), seen, go_on)
    }

    #[test]
    fn a_reader_that_stands_still_costs_lines_and_no_time() {
        let (outlet, seen, go_on) = outlet();
        outlet.say("first".into());
        assert_eq!(seen.recv_timeout(LONG).unwrap(), "first");
        // It is being written, and does not come to an end.
        let long = "x".repeat(MOST / 2);
        for _ in 0..5 {
            outlet.say(long.clone());
        }
        outlet.flush(Duration::from_millis(10));
        for _ in 0..2 {
            go_on.send(Ok(())).unwrap();
            assert_eq!(seen.recv_timeout(LONG).unwrap(), long);
        }
        outlet.say("last".into());
        for expected in ["3 lost", "last"] {
            go_on.send(Ok(())).unwrap();
            assert_eq!(seen.recv_timeout(LONG).unwrap(), expected);
        }
        go_on.send(Ok(())).unwrap();
        outlet.flush(LONG);
    }

    #[test]
    fn a_reader_that_is_gone_is_no_error() {
        let (outlet, seen, go_on) = outlet();
        for _ in 0..2 {
            outlet.say("unheard".into());
            assert_eq!(seen.recv_timeout(LONG).unwrap(), "unheard");
            go_on.send(Err(io::ErrorKind::BrokenPipe.into())).unwrap();
            outlet.flush(LONG);
            assert_eq!(outlet.queue.lock().lost, 1);
            // The disk has room again, say.
            outlet.say("heard".into());
            for expected in ["1 lost", "heard"] {
                assert_eq!(seen.recv_timeout(LONG).unwrap(), expected);
                go_on.send(Ok(())).unwrap();
            }
            outlet.flush(LONG);
        }
    }
}
