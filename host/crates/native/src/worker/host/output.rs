//! Forwards what a worker prints to its plugin's log, line by line, with the request of the call that printed it if
//! that is known.

use std::cell::Cell;
use std::io::{self, BufRead, BufReader, PipeReader, Read};
use std::sync::mpsc::{Receiver, sync_channel};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;

use super::serving::Serving;
use crate::ledger::Ledger;

/// The longest line, in bytes. A longer one is cut into several.
const MAX_LINE: u64 = 8 * 1024;
/// How long to wait for the last line of a dead worker.
const LAST_LINE_TIMEOUT: Duration = Duration::from_millis(200);
/// How many bytes are read at once: as many as a pipe holds.
const BLOCK: usize = 64 * 1024;
/// How long to pause after a block of which lines were dropped: a worker that prints without end
/// then waits for the host, and costs it next to nothing.
const PAUSE: Duration = Duration::from_millis(50);

/// The reader of one worker's output.
#[derive(Debug)]
pub(super) struct Output {
    ended: Mutex<Receiver<String>>,
    last: OnceLock<String>,
}

impl Output {
    /// Starts a thread that forwards `pipe` to the plugin's log until the pipe ends, within the
    /// plugin's limit of lines.
    pub(super) fn forward(
        pipe: PipeReader,
        ledger: Arc<Ledger>,
        serving: Arc<Serving>,
    ) -> io::Result<Self> {
        let (send, ended) = sync_channel(1);
        thread::Builder::new().name("worker-output".into()).spawn(move || {
            let mut line = String::new();
            let flooded = Cell::new(false);
            let (pipe, empty) = (Arc::new(pipe), Cell::new(None));
            let before = || {
                serving.wait_begins(&pipe);
                wait_for_more(&pipe);
                empty.set(serving.wait_ends(&pipe));
            };
            let slowed = Slowed { from: &*pipe, flooded: &flooded, before };
            lines(BufReader::with_capacity(BLOCK, slowed), |next| {
                let call = serving.only_call(empty.get()).unwrap_or_default();
                if !ledger.write_output(call.generation, call.correlation.as_deref(), next) {
                    flooded.set(true);
                }
                next.clone_into(&mut line);
            });
            // The receiver may be gone.
            drop(send.send(line));
        })?;
        Ok(Self { ended: Mutex::new(ended), last: OnceLock::new() })
    }

    /// The last line of a dead worker; empty if there was none, or if another process keeps the pipe
    /// open.
    pub(super) fn last_line(&self) -> &str {
        self.last.get_or_init(|| {
            let ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner);
            ended.recv_timeout(LAST_LINE_TIMEOUT).unwrap_or_default()
        })
    }
}

/// A reader that pauses before a read if `flooded` was set since the last one, and calls `before` then.
struct Slowed<'a, R, B> {
    from: R,
    flooded: &'a Cell<bool>,
    before: B,
}

impl<R: Read, B: FnMut()> Read for Slowed<'_, R, B> {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        if self.flooded.take() {
            thread::park_timeout(PAUSE);
        }
        (self.before)();
        self.from.read(to)
    }
}

/// Waits until there is something to read, or the end.
fn wait_for_more(pipe: &PipeReader) {
    let mut waits = [PollFd::new(pipe, PollFlags::IN)];
    while let Err(Errno::INTR) = poll(&mut waits, None) {}
}

/// Calls `each` with every line that is not empty. Bytes that are not UTF-8 become U+FFFD.
fn lines(mut from: impl BufRead, mut each: impl FnMut(&str)) {
    let mut bytes = Vec::new();
    loop {
        bytes.clear();
        match from.by_ref().take(MAX_LINE).read_until(b'\n', &mut bytes) {
            Ok(0) | Err(_) => return,
            Ok(_) => {
                let text = String::from_utf8_lossy(&bytes);
                let text = text.trim_end();
                if !text.is_empty() {
                    each(text);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    #[test]
    fn lines_are_bounded_and_text() {
        let long = "x".repeat(10_000);
        let input = [b"one\r\n\ntw\xffo\n", long.as_bytes(), b"\nlast"].concat();
        let mut seen = Vec::new();
        lines(&input[..], |line| seen.push(line.to_owned()));
        assert_eq!(seen[..2], ["one", "tw\u{fffd}o"]);
        assert_eq!(seen[2..4].iter().map(String::len).collect::<Vec<_>>(), [8192, 1808]);
        assert_eq!(seen[4], "last");
    }

    #[test]
    fn a_flood_is_read_slowly() {
        let begun = Instant::now();
        let (flooded, mut read) = (Cell::new(false), 0);
        let flood = io::repeat(b'\n').take(5 * BLOCK as u64);
        let mut from = Slowed { from: flood, flooded: &flooded, before: || () };
        let mut block = vec![0; BLOCK];
        loop {
            let size = from.read(&mut block).unwrap();
            if size == 0 {
                break;
            }
            read += size;
            flooded.set(true);
        }
        assert_eq!(read, 5 * BLOCK);
        assert!(begun.elapsed() >= 5 * PAUSE, "{:?}", begun.elapsed());
    }
}
