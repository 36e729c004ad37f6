//! Wakes the reconciler, and passes commands to it.

use std::sync::mpsc::{self, Receiver, RecvTimeoutError, SyncSender};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use super::action::{ActionError, ActionRequest};
use super::rollback::RollbackError;
use crate::change::Batch;
use crate::report::{ActionReport, Report};

/// For how many quiet periods a steady stream of events can delay a reconciliation.
const MAX_QUIET_PERIODS: u32 = 10;

/// Wakes the reconciler. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Signal {
    wake: SyncSender<()>,
    pending: Arc<Mutex<Pending>>,
}

/// Requests that the reconciler has not taken yet.
#[derive(Default)]
struct Pending {
    replies: Vec<oneshot::Sender<Report>>,
    commands: Vec<(OperatorCommand, oneshot::Sender<CommandResult>)>,
    actions: Vec<(ActionRequest, oneshot::Sender<ActionResult>)>,
    /// Whether something may have changed since the last reconciliation.
    changed: bool,
    /// Whether the reconciler is stopped: then requests fail at once.
    stopped: bool,
}

impl Pending {
    /// Stops, and drops all requests, so that their callers get an error. Returns whether it was
    /// not stopped before.
    fn stop(&mut self) -> bool {
        self.replies.clear();
        self.commands.clear();
        self.actions.clear();
        !std::mem::replace(&mut self.stopped, true)
    }
}

/// A command of an operator to the reconciler.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OperatorCommand {
    /// Serve what this generation served, until `Resume`.
    RollBack(u64),
    /// Apply changes again.
    Resume,
}

/// The result of a command.
pub(crate) type CommandResult = Result<Report, RollbackError>;

/// The result of an action.
pub(crate) type ActionResult = Result<ActionReport, ActionError>;

/// The receiving end, which the reconciler holds.
pub(crate) struct Signals {
    woken: Receiver<()>,
    pending: Arc<Mutex<Pending>>,
}

/// Why the reconciler wakes.
pub(crate) enum Wake {
    /// Something may have changed, and the quiet period is over; or there are requests.
    Reconcile {
        /// The callers that wait for the report.
        replies: Vec<oneshot::Sender<Report>>,
        /// The commands to execute, and the callers that wait for their results.
        commands: Vec<(OperatorCommand, oneshot::Sender<CommandResult>)>,
        /// The actions to take, and the callers that wait for their results.
        actions: Vec<(ActionRequest, oneshot::Sender<ActionResult>)>,
        /// Whether the rescan timer ran out: then transient failures are tried again.
        timed_out: bool,
    },
    /// The host is dropped or shut down.
    Stop,
}

/// Makes a signal and its receiving end.
pub(crate) fn channel() -> (Signal, Signals) {
    // A capacity of one is enough: several wake-ups mean the same as one.
    let (wake, woken) = mpsc::sync_channel(1);
    let pending = Arc::new(Mutex::new(Pending::default()));
    (Signal { wake, pending: Arc::clone(&pending) }, Signals { woken, pending })
}

impl Signal {
    /// Wakes the reconciler, because something may have changed.
    pub(crate) fn wake(&self) {
        self.lock().changed = true;
        self.notify();
    }

    /// Lets the reconciler look at its [`Batch`], because an artifact was prepared.
    pub(crate) fn prepared(&self) {
        self.notify();
    }

    fn notify(&self) {
        // A full channel means that a wake-up is due already.
        let _ = self.wake.try_send(());
    }

    /// Requests a reconciliation without delay, and returns its report; fails once the reconciler
    /// is stopped.
    pub(crate) fn request_reconcile(&self) -> oneshot::Receiver<Report> {
        let (reply, report) = oneshot::channel();
        let mut pending = self.lock();
        if !pending.stopped {
            pending.replies.push(reply);
        }
        drop(pending);
        self.notify();
        report
    }

    /// Sends a command without delay, and returns its result; fails once the reconciler is stopped.
    pub(crate) fn command(&self, command: OperatorCommand) -> oneshot::Receiver<CommandResult> {
        let (reply, done) = oneshot::channel();
        let mut pending = self.lock();
        if !pending.stopped {
            pending.commands.push((command, reply));
        }
        drop(pending);
        self.notify();
        done
    }

    /// Asks for an action without delay, and returns its result; fails once the reconciler is stopped.
    pub(crate) fn act(&self, request: ActionRequest) -> oneshot::Receiver<ActionResult> {
        let (reply, done) = oneshot::channel();
        let mut pending = self.lock();
        if !pending.stopped {
            pending.actions.push((request, reply));
        }
        drop(pending);
        self.notify();
        done
    }

    /// Stops the reconciler: a running reconciliation is given up at its next step, and publishes
    /// nothing. Returns whether the reconciler was not stopped before.
    pub(crate) fn stop(&self) -> bool {
        let first = self.lock().stop();
        self.notify();
        first
    }

    /// Whether the reconciler is stopped.
    pub(crate) fn is_stopped(&self) -> bool {
        self.lock().stopped
    }

    /// Runs `work` unless the reconciler is stopped, and not while it is being stopped. Returns
    /// whether it ran. `work` must be short.
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
    /// Waits until there is a reason to reconcile: a change followed by `quiet` without another, a
    /// request, a batch of artifacts that is ready, or the end of `timer`.
    pub(crate) fn wait(&self, quiet: Duration, timer: Duration, batch: impl Fn() -> Batch) -> Wake {
        let end = Instant::now() + timer;
        // While a change is waiting for the quiet period: the end of that period, and its latest end.
        let mut changed: Option<(Instant, Instant)> = None;
        loop {
            let now = Instant::now();
            let mut pending = self.pending.lock().unwrap_or_else(PoisonError::into_inner);
            if pending.stopped {
                return Wake::Stop;
            }
            let replies = std::mem::take(&mut pending.replies);
            let commands = std::mem::take(&mut pending.commands);
            let actions = std::mem::take(&mut pending.actions);
            let has_changed = std::mem::take(&mut pending.changed);
            drop(pending);
            if has_changed {
                let latest =
                    changed.map_or(now + quiet.saturating_mul(MAX_QUIET_PERIODS), |it| it.1);
                changed = Some(((now + quiet).min(latest), latest));
            }
            let (is_ready, held) = match batch() {
                Batch::Empty => (false, None),
                Batch::Held(time) => (false, Some(now + time)),
                Batch::Ready => (true, None),
            };
            let timed_out = now >= end;
            let is_quiet = changed.is_some_and(|(until, _)| now >= until);
            let requested = !replies.is_empty() || !commands.is_empty() || !actions.is_empty();
            if timed_out || requested || is_ready || is_quiet {
                return Wake::Reconcile { replies, commands, actions, timed_out };
            }
            let until = [Some(end), held, changed.map(|it| it.0)].into_iter().flatten().min();
            let until = until.unwrap_or(end);
            if self.woken.recv_timeout(until.saturating_duration_since(now))
                == Err(RecvTimeoutError::Disconnected)
            {
                return Wake::Stop;
            }
        }
    }
}

impl Drop for Signals {
    fn drop(&mut self) {
        // The reconciler ended, perhaps by a panic: it answers no more requests.
        self.pending.lock().unwrap_or_else(PoisonError::into_inner).stop();
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    const LONG: Duration = Duration::from_secs(60);

    #[test]
    fn a_burst_is_one_reconciliation() {
        let (signal, signals) = channel();
        for _ in 0..100 {
            signal.wake();
        }
        let quiet = Duration::from_millis(5);
        assert!(matches!(
            signals.wait(quiet, LONG, || Batch::Empty),
            Wake::Reconcile { timed_out: false, .. }
        ));
        let timed_out = signals.wait(quiet, Duration::ZERO, || Batch::Empty);
        assert!(matches!(timed_out, Wake::Reconcile { timed_out: true, .. }));
    }

    #[test]
    fn requests_and_prepared_artifacts_do_not_wait_for_quiet() {
        let (signal, signals) = channel();
        let _report = signal.request_reconcile();
        match signals.wait(LONG, LONG, || Batch::Empty) {
            Wake::Reconcile { replies, .. } => assert_eq!(replies.len(), 1),
            Wake::Stop => panic!("not stopped"),
        }
        let batches = [Batch::Empty, Batch::Held(LONG), Batch::Ready];
        let seen = Cell::new(0);
        let batch = || {
            seen.set(seen.get() + 1);
            // Each artifact that is ready lets the reconciler look again.
            signal.prepared();
            batches[seen.get() - 1]
        };
        let wake = signals.wait(LONG, LONG, batch);
        assert!(matches!(wake, Wake::Reconcile { timed_out: false, .. }));
        assert_eq!(seen.get(), 3);
        signal.stop();
        assert!(matches!(signals.wait(LONG, LONG, || Batch::Empty), Wake::Stop));
    }

    #[test]
    fn requests_fail_once_the_reconciler_is_stopped() {
        let (signal, signals) = channel();
        let (report, done) = (signal.request_reconcile(), signal.command(OperatorCommand::Resume));
        assert!(signal.stop() && !signal.stop());
        let (late, too_late) =
            (signal.request_reconcile(), signal.command(OperatorCommand::Resume));
        assert!(report.blocking_recv().is_err() && late.blocking_recv().is_err());
        assert!(done.blocking_recv().is_err() && too_late.blocking_recv().is_err());
        assert!(!signal.unless_stopped(|| panic!("the reconciler is stopped")));
        drop(signals);
    }

    #[test]
    fn requests_fail_once_the_reconciler_is_gone() {
        let (signal, signals) = channel();
        let report = signal.request_reconcile();
        drop(signals);
        assert!(signal.is_stopped());
        assert!(
            report.blocking_recv().is_err() && signal.request_reconcile().blocking_recv().is_err()
        );
    }
}
