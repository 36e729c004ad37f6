//! What a worker prints goes to its plugin's log, line by line.

use std::io::{self, BufRead, BufReader, PipeReader, Read};
use std::sync::mpsc::{Receiver, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use plugbay_core::LogLevel;

use crate::ledger::Ledger;

/// A longer line is cut into several.
const LONGEST: u64 = 8 * 1024;
/// How long the last line of a dead worker is waited for.
const PATIENCE: Duration = Duration::from_millis(200);

/// The reader of one worker's output.
#[derive(Debug)]
pub(super) struct Output {
    last: Mutex<Receiver<String>>,
}

impl Output {
    /// Forwards what comes out of `pipe` to the log of the plugin, until its end: as many lines as
    /// it may write.
    pub(super) fn forward(pipe: PipeReader, ledger: Arc<Ledger>) -> io::Result<Self> {
        let (send, last) = sync_channel(1);
        thread::Builder::new().name("worker-output".into()).spawn(move || {
            let mut line = String::new();
            lines(BufReader::new(pipe), |next| {
                ledger.write_log(LogLevel::Info, next, &[("stream", "output")]);
                next.clone_into(&mut line);
            });
            // Nobody may wait for it any more.
            drop(send.send(line));
        })?;
        Ok(Self { last: Mutex::new(last) })
    }

    /// The last line, once the worker is dead; empty if there was none, or if something keeps
    /// the pipe open.
    pub(super) fn last_line(&self) -> String {
        let last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        last.recv_timeout(PATIENCE).unwrap_or_default()
    }
}

/// Calls `each` with every line that is not empty. What is no UTF-8 becomes U+FFFD.
fn lines(mut from: impl BufRead, mut each: impl FnMut(&str)) {
    let mut bytes = Vec::new();
    loop {
        bytes.clear();
        match from.by_ref().take(LONGEST).read_until(b'\n', &mut bytes) {
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
}
