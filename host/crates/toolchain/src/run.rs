//! Runs a program within a time limit, and keeps the last lines of its output.

use std::collections::VecDeque;
use std::io::{self, BufRead, BufReader, Read};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

/// The most lines of a program's output that an error has.
const TAIL: usize = 30;

/// The last lines of a program's output.
#[derive(Default)]
pub(crate) struct Tail(VecDeque<String>);

impl Tail {
    pub(crate) fn push(&mut self, line: String) {
        if self.0.len() == TAIL {
            self.0.pop_front();
        }
        self.0.push_back(line);
    }

    pub(crate) fn text(&self) -> String {
        self.0.iter().map(String::as_str).collect::<Vec<_>>().join("\n")
    }
}

/// How a bounded run ended.
pub(crate) enum Ended {
    Done { status: ExitStatus, tail: String },
    TimedOut { tail: String },
}

impl Ended {
    /// An error with the status and the last lines, unless the program succeeded.
    pub(crate) fn success(self) -> Result<(), String> {
        match self {
            Self::Done { status, .. } if status.success() => Ok(()),
            Self::Done { status, tail } => Err(format!("{status}\n{tail}")),
            Self::TimedOut { tail } => Err(format!("stopped at its time limit\n{tail}")),
        }
    }
}

/// Runs `command` for at most `limit`, and calls `tick` about every ten seconds.
pub(crate) fn bounded(
    command: &mut Command,
    limit: Duration,
    tick: &mut dyn FnMut(Duration),
) -> io::Result<Ended> {
    let began = Instant::now();
    let mut child =
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    let (sender, lines) = mpsc::channel();
    let pipes: [Option<Box<dyn Read + Send>>; 2] = [
        child.stdout.take().map(|pipe| Box::new(pipe) as _),
        child.stderr.take().map(|pipe| Box::new(pipe) as _),
    ];
    for pipe in pipes.into_iter().flatten() {
        let sender = sender.clone();
        thread::spawn(move || {
            for line in BufReader::new(pipe).split(b'\n').map_while(Result::ok) {
                if sender.send(String::from_utf8_lossy(&line).into_owned()).is_err() {
                    break;
                }
            }
        });
    }
    drop(sender);

    let mut tail = Tail::default();
    let mut next_tick = TICK;
    loop {
        let now = began.elapsed();
        if now >= limit {
            child.kill()?;
            child.wait()?;
            return Ok(Ended::TimedOut { tail: tail.text() });
        }
        if now >= next_tick {
            tick(now);
            next_tick += TICK;
        }
        match lines.recv_timeout(limit.saturating_sub(now).min(next_tick.saturating_sub(now))) {
            Ok(line) => tail.push(line),
            Err(RecvTimeoutError::Timeout) => {}
            // Both pipes are closed: the program has ended, or is about to.
            Err(RecvTimeoutError::Disconnected) => {
                return Ok(Ended::Done { status: child.wait()?, tail: tail.text() });
            }
        }
    }
}

const TICK: Duration = Duration::from_secs(10);

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_hangs_is_ended() {
        let began = Instant::now();
        let ended = bounded(
            Command::new("sh").args(["-c", "echo begun; exec sleep 60"]),
            // Long enough for a shell to start on a busy machine.
            Duration::from_secs(5),
            &mut |_| (),
        );
        let Ended::TimedOut { tail } = ended.unwrap() else { panic!("expected a time-out") };
        assert_eq!(tail, "begun");
        assert!(began.elapsed() < Duration::from_secs(30));
    }

    #[test]
    fn a_failure_carries_both_streams() {
        let ended = bounded(
            Command::new("sh").args(["-c", "echo one; echo two >&2; exit 3"]),
            Duration::from_mins(1),
            &mut |_| (),
        );
        let why = ended.unwrap().success().unwrap_err();
        assert!(why.contains('3') && why.contains("one") && why.contains("two"), "{why}");
    }

    #[test]
    fn only_the_last_lines_are_kept() {
        let mut tail = Tail::default();
        (0..100).for_each(|n| tail.push(n.to_string()));
        assert_eq!(tail.text().lines().next(), Some("70"));
        assert_eq!(tail.text().lines().last(), Some("99"));
    }
}
