//! "Look again": all that anybody ever tells the reconciler.

use std::sync::mpsc::{self, Receiver, RecvTimeoutError, SyncSender};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use super::rollback::RollbackError;
use crate::report::Report;

/// How many quiet periods a steady stream of events can delay a look.
const MOST_QUIET_PERIODS: u32 = 10;

/// Tells the reconciler to look again. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Signal {
    dirty: SyncSender<()>,
    pending: Arc<Mutex<Pending>>,
}

/// What callers wait for.
#[derive(Default)]
struct Pending {
    replies: Vec<oneshot::Sender<Report>>,
    commands: Vec<(OperatorCommand, oneshot::Sender<CommandResult>)>,
    /// Whether an artifact was prepared since the last look.
    prepared: bool,
    /// From then on there are no looks, and requests fail at once.
    stopped: bool,
}

impl Pending {
    /// Returns whether that is news. Who waits hears of it: the ends that would answer are gone.
    fn stop(&mut self) -> bool {
        self.replies.clear();
        self.commands.clear();
        !std::mem::replace(&mut self.stopped, true)
    }
}

/// What an operator may ask of the reconciler beyond a look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OperatorCommand {
    /// Serve what this generation served, until told otherwise.
    RollBack(u64),
    /// Take over changes again.
    Resume,
}

/// What came of an order.
pub(crate) type CommandResult = Result<Report, RollbackError>;

/// The reconciler's end.
pub(crate) struct Signals {
    dirty: Receiver<()>,
    pending: Arc<Mutex<Pending>>,
}

/// Why the reconciler wakes.
pub(crate) enum Wake {
    /// Something may have changed, and it is quiet since.
    Look {
        /// Who waits for the report.
        replies: Vec<oneshot::Sender<Report>>,
        /// What is to be done, and who waits for it.
        commands: Vec<(OperatorCommand, oneshot::Sender<CommandResult>)>,
        /// Whether the slow timer ran: failures that may have passed are tried again.
        timed_out: bool,
    },
    /// The host is dropped or shut down.
    Stop,
}

/// A signal and its receiving end.
pub(crate) fn channel() -> (Signal, Signals) {
    // One place is enough: two "look again" say no more than one.
    let (dirty, received) = mpsc::sync_channel(1);
    let pending = Arc::new(Mutex::new(Pending::default()));
    (Signal { dirty, pending: Arc::clone(&pending) }, Signals { dirty: received, pending })
}

impl Signal {
    /// Something may have changed.
    pub(crate) fn look(&self) {
        // Full means that a look is due already.
        let _ = self.dirty.try_send(());
    }

    /// An artifact was prepared: the look that takes it over does not wait for quiet.
    pub(crate) fn prepared(&self) {
        self.lock().prepared = true;
        self.look();
    }

    /// Looks at once, and says what came of it; fails once it is stopped.
    pub(crate) fn request_look(&self) -> oneshot::Receiver<Report> {
        let (reply, report) = oneshot::channel();
        let mut pending = self.lock();
        if !pending.stopped {
            pending.replies.push(reply);
        }
        drop(pending);
        self.look();
        report
    }

    /// Does this at once, and says what came of it; fails once it is stopped.
    pub(crate) fn command(&self, command: OperatorCommand) -> oneshot::Receiver<CommandResult> {
        let (reply, done) = oneshot::channel();
        let mut pending = self.lock();
        if !pending.stopped {
            pending.commands.push((command, reply));
        }
        drop(pending);
        self.look();
        done
    }

    /// Ends the reconciler: a look that is under way is given up at its next step, and comes to
    /// nothing. Returns whether it was not stopped before.
    pub(crate) fn stop(&self) -> bool {
        let first = self.lock().stop();
        self.look();
        first
    }

    /// Whether it was stopped.
    pub(crate) fn is_stopped(&self) -> bool {
        self.lock().stopped
    }

    /// Does this unless it is stopped, and not while it is being stopped. Returns whether it was
    /// done. It must be short.
    pub(crate) fn unless_stopped(&self, work: impl FnOnce()) -> bool {
        let pending = self.lock();
        if !pending.stopped {
            work();
        }
        !pending.stopped
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Pending> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Signals {
    /// Waits for a reason to look: a signal and then `quiet` without another, a question, an artifact
    /// that was prepared, or `timer`.
    pub(crate) fn wait(&self, quiet: Duration, timer: Duration) -> Wake {
        let timed_out = self.dirty.recv_timeout(timer) == Err(RecvTimeoutError::Timeout);
        let latest = Instant::now() + quiet.saturating_mul(MOST_QUIET_PERIODS);
        loop {
            let mut pending = self.pending.lock().unwrap_or_else(PoisonError::into_inner);
            if pending.stopped {
                return Wake::Stop;
            }
            let replies = std::mem::take(&mut pending.replies);
            let commands = std::mem::take(&mut pending.commands);
            let prepared = std::mem::take(&mut pending.prepared);
            drop(pending);
            let asked = !replies.is_empty() || !commands.is_empty();
            if timed_out || asked || prepared || Instant::now() >= latest {
                return Wake::Look { replies, commands, timed_out };
            }
            match self.dirty.recv_timeout(quiet) {
                Ok(()) => {}
                Err(RecvTimeoutError::Timeout) => {
                    return Wake::Look { replies, commands, timed_out };
                }
                Err(RecvTimeoutError::Disconnected) => return Wake::Stop,
            }
        }
    }
}

impl Drop for Signals {
    fn drop(&mut self) {
        // However the reconciler ended, it answers no more.
        self.pending.lock().unwrap_or_else(PoisonError::into_inner).stop();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(60);

    #[test]
    fn a_burst_is_one_look() {
        let (signal, signals) = channel();
        for _ in 0..100 {
            signal.look();
        }
        let quiet = Duration::from_millis(5);
        assert!(matches!(signals.wait(quiet, LONG), Wake::Look { timed_out: false, .. }));
        assert!(matches!(signals.wait(quiet, Duration::ZERO), Wake::Look { timed_out: true, .. }));
    }

    #[test]
    fn a_question_and_what_was_prepared_do_not_wait_for_quiet() {
        let (signal, signals) = channel();
        let _report = signal.request_look();
        match signals.wait(LONG, LONG) {
            Wake::Look { replies, .. } => assert_eq!(replies.len(), 1),
            Wake::Stop => panic!("not stopped"),
        }
        signal.prepared();
        assert!(matches!(signals.wait(LONG, LONG), Wake::Look { timed_out: false, .. }));
        signal.stop();
        assert!(matches!(signals.wait(LONG, LONG), Wake::Stop));
    }

    #[test]
    fn requests_fail_once_it_is_stopped() {
        let (signal, signals) = channel();
        let (report, done) = (signal.request_look(), signal.command(OperatorCommand::Resume));
        assert!(signal.stop() && !signal.stop());
        let (late, too_late) = (signal.request_look(), signal.command(OperatorCommand::Resume));
        assert!(report.blocking_recv().is_err() && late.blocking_recv().is_err());
        assert!(done.blocking_recv().is_err() && too_late.blocking_recv().is_err());
        assert!(!signal.unless_stopped(|| panic!("it is stopped")));
        drop(signals);
    }

    #[test]
    fn requests_fail_once_the_reconciler_is_gone() {
        let (signal, signals) = channel();
        let report = signal.request_look();
        drop(signals);
        assert!(signal.is_stopped());
        assert!(report.blocking_recv().is_err() && signal.request_look().blocking_recv().is_err());
    }
}
