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
    asked: Arc<Mutex<Asked>>,
}

/// What somebody waits for.
#[derive(Default)]
struct Asked {
    replies: Vec<oneshot::Sender<Report>>,
    orders: Vec<(Order, oneshot::Sender<Ordered>)>,
    /// From then on nobody looks, and nobody who asks waits.
    stopped: bool,
}

impl Asked {
    /// Returns whether that is news. Who waits hears of it: the ends that would answer are gone.
    fn stop(&mut self) -> bool {
        self.replies.clear();
        self.orders.clear();
        !std::mem::replace(&mut self.stopped, true)
    }
}

/// What an operator may ask of the reconciler beyond a look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    /// Serve what this generation served, until told otherwise.
    RollBack(u64),
    /// Take over changes again.
    Resume,
}

/// What came of an order.
pub(crate) type Ordered = Result<Report, RollbackError>;

/// The reconciler's end.
pub(crate) struct Signals {
    dirty: Receiver<()>,
    asked: Arc<Mutex<Asked>>,
}

/// Why the reconciler wakes.
pub(crate) enum Wake {
    /// Something may have changed, and it is quiet since.
    Look {
        /// Who waits for the report.
        replies: Vec<oneshot::Sender<Report>>,
        /// What is to be done, and who waits for it.
        orders: Vec<(Order, oneshot::Sender<Ordered>)>,
        /// Whether somebody asked by name, or the slow timer ran: failures that may have
        /// passed are tried again.
        retry: bool,
    },
    /// The host is dropped or shut down.
    Stop,
}

/// A signal and its receiving end.
pub(crate) fn channel() -> (Signal, Signals) {
    // One place is enough: two "look again" say no more than one.
    let (dirty, received) = mpsc::sync_channel(1);
    let asked = Arc::new(Mutex::new(Asked::default()));
    (Signal { dirty, asked: Arc::clone(&asked) }, Signals { dirty: received, asked })
}

impl Signal {
    /// Something may have changed.
    pub(crate) fn look(&self) {
        // Full means that a look is due already.
        let _ = self.dirty.try_send(());
    }

    /// Looks at once, and says what came of it; fails once it is stopped.
    pub(crate) fn ask(&self) -> oneshot::Receiver<Report> {
        let (reply, report) = oneshot::channel();
        let mut asked = self.lock();
        if !asked.stopped {
            asked.replies.push(reply);
        }
        drop(asked);
        self.look();
        report
    }

    /// Does this at once, and says what came of it; fails once it is stopped.
    pub(crate) fn order(&self, order: Order) -> oneshot::Receiver<Ordered> {
        let (reply, done) = oneshot::channel();
        let mut asked = self.lock();
        if !asked.stopped {
            asked.orders.push((order, reply));
        }
        drop(asked);
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
        let asked = self.lock();
        if !asked.stopped {
            work();
        }
        !asked.stopped
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Asked> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Signals {
    /// Waits for a reason to look: a signal and then `quiet` without another, a question,
    /// or `timer`.
    pub(crate) fn wait(&self, quiet: Duration, timer: Duration) -> Wake {
        let timed_out = self.dirty.recv_timeout(timer) == Err(RecvTimeoutError::Timeout);
        let latest = Instant::now() + quiet.saturating_mul(MOST_QUIET_PERIODS);
        loop {
            let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
            if asked.stopped {
                return Wake::Stop;
            }
            let replies = std::mem::take(&mut asked.replies);
            let orders = std::mem::take(&mut asked.orders);
            drop(asked);
            let retry = timed_out || !replies.is_empty();
            if retry || !orders.is_empty() || Instant::now() >= latest {
                return Wake::Look { replies, orders, retry };
            }
            match self.dirty.recv_timeout(quiet) {
                Ok(()) => {}
                Err(RecvTimeoutError::Timeout) => return Wake::Look { replies, orders, retry },
                Err(RecvTimeoutError::Disconnected) => return Wake::Stop,
            }
        }
    }
}

impl Drop for Signals {
    fn drop(&mut self) {
        // However the reconciler ended: nobody answers any more.
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).stop();
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
        assert!(matches!(signals.wait(quiet, LONG), Wake::Look { retry: false, .. }));
        assert!(matches!(signals.wait(quiet, Duration::ZERO), Wake::Look { retry: true, .. }));
    }

    #[test]
    fn a_question_does_not_wait_for_quiet() {
        let (signal, signals) = channel();
        let _report = signal.ask();
        match signals.wait(LONG, LONG) {
            Wake::Look { replies, retry, .. } => assert!(retry && replies.len() == 1),
            Wake::Stop => panic!("not stopped"),
        }
        signal.stop();
        assert!(matches!(signals.wait(LONG, LONG), Wake::Stop));
    }

    #[test]
    fn nobody_waits_for_who_is_stopped() {
        let (signal, signals) = channel();
        let (report, done) = (signal.ask(), signal.order(Order::Resume));
        assert!(signal.stop() && !signal.stop());
        let (late, too_late) = (signal.ask(), signal.order(Order::Resume));
        assert!(report.blocking_recv().is_err() && late.blocking_recv().is_err());
        assert!(done.blocking_recv().is_err() && too_late.blocking_recv().is_err());
        assert!(!signal.unless_stopped(|| panic!("it is stopped")));
        drop(signals);
    }

    #[test]
    fn nobody_waits_for_who_is_gone() {
        let (signal, signals) = channel();
        let report = signal.ask();
        drop(signals);
        assert!(signal.is_stopped());
        assert!(report.blocking_recv().is_err() && signal.ask().blocking_recv().is_err());
    }
}
