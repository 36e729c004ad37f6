//! Threads that run a library's code outside its calls, each within a deadline.
//!
//! Native code cannot be stopped. What a library does outside its calls (its constructors, and
//! `describe`, `create`, `health`, `shutdown` and `destroy`) runs on a separate thread, so that the
//! caller can stop waiting. If it does, the thread counts as *hung*: it keeps its resources, and
//! ends if the library returns. While a library has too many hung threads, no other thread is
//! started in it.

use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use tracing::dispatcher;

/// The maximum number of hung threads in one library.
const MAX_HUNG: usize = 8;

/// The threads of one library that run its code outside its calls.
#[derive(Clone, Debug, Default)]
pub(crate) struct Threads {
    hung_threads: Arc<AtomicUsize>,
}

/// Why a function of a library gave no result.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NoAnswer {
    #[error(
        "expected it to return within {0:?}, found it still running; native code cannot be \
         stopped, so its thread keeps running"
    )]
    Late(Duration),
    #[error(
        "expected at most {MAX_HUNG} hung threads in this library, found {MAX_HUNG}: until one of them \
         returns, the library's functions other than calls are not run"
    )]
    TooManyHung,
    #[error("expected the system to start a thread for it, found: {0}")]
    NoThread(io::Error),
    #[error("expected a result, found a panic in the host's code that called it")]
    Panicked,
}

impl Threads {
    /// The current number of hung threads.
    pub(crate) fn hung_threads(&self) -> usize {
        self.hung_threads.load(Ordering::Relaxed)
    }

    /// Runs `act` on a thread of its own, with the caller's subscriber and span, and waits for at
    /// most `bound`. A result that comes later is dropped on that thread.
    pub(crate) fn run_within<T: Send + 'static>(
        &self,
        bound: Duration,
        act: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, NoAnswer> {
        self.spawn(act)?.take_within(bound)
    }

    /// As [`Threads::run_within`], without waiting. If no thread is started, `act` is dropped here.
    pub(crate) fn spawn<T: Send + 'static>(
        &self,
        act: impl FnOnce() -> T + Send + 'static,
    ) -> Result<Pending<T>, NoAnswer> {
        if self.hung_threads() >= MAX_HUNG {
            return Err(NoAnswer::TooManyHung);
        }
        let slot = Arc::new(Slot {
            state: Mutex::new(State::Open),
            answered: Condvar::new(),
            hung_threads: Arc::clone(&self.hung_threads),
        });
        let subscriber = dispatcher::get_default(Clone::clone);
        let span = tracing::Span::current();
        let thread = SlotWriter { slot: Arc::clone(&slot), answer: None };
        thread::Builder::new()
            .name("native-lifecycle".into())
            .spawn(move || {
                let mut thread = thread;
                let act = || span.in_scope(act);
                thread.answer = Some(dispatcher::with_default(&subscriber, act));
            })
            .map_err(NoAnswer::NoThread)?;
        Ok(Pending(slot))
    }
}

/// The slot into which the thread puts its result, and from which the waiting side takes it. Each
/// side sees what the other did: the waiting side takes the result or the thread drops it, and a
/// thread that hangs is counted until it ends.
struct Slot<T> {
    state: Mutex<State<T>>,
    answered: Condvar,
    hung_threads: Arc<AtomicUsize>,
}

enum State<T> {
    Open,
    /// `None`: the thread panicked.
    Answered(Option<T>),
    /// The waiting side is gone.
    Abandoned,
}

impl<T> Slot<T> {
    /// A panic under the lock leaves nothing half done: each change is one assignment.
    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The waiting side of a thread. If it is dropped without a result, it abandons the thread.
pub(crate) struct Pending<T>(Arc<Slot<T>>);

impl<T> Pending<T> {
    /// Waits for the result for at most `bound`, and returns whether it is there.
    pub(crate) fn wait(&self, bound: Duration) -> bool {
        !matches!(*self.wait_for_answer(bound), State::Open)
    }

    /// Waits for the result for at most `bound`, and takes it.
    pub(crate) fn take_within(self, bound: Duration) -> Result<T, NoAnswer> {
        let mut state = self.wait_for_answer(bound);
        if matches!(*state, State::Open) {
            // Still under the lock under which the slot was found open, so no result is lost.
            self.abandon(&mut state);
            return Err(NoAnswer::Late(bound));
        }
        match std::mem::replace(&mut *state, State::Abandoned) {
            State::Answered(Some(answer)) => Ok(answer),
            _ => Err(NoAnswer::Panicked),
        }
    }

    /// Waits on another thread, and calls `late` there if there is no result within `bound`.
    pub(crate) fn report_if_late(
        self,
        bound: Duration,
        late: impl FnOnce(NoAnswer) + Send + 'static,
    ) where
        T: Send + 'static,
    {
        let subscriber = dispatcher::get_default(Clone::clone);
        let wait = move || {
            if let Err(hung) = self.take_within(bound) {
                dispatcher::with_default(&subscriber, || late(hung));
            }
        };
        // If that thread cannot start, `late` is not called, but the library's thread is counted.
        drop(thread::Builder::new().name("native-lifecycle".into()).spawn(wait));
    }

    /// Stops waiting for the thread, which then counts as hung.
    fn abandon(&self, state: &mut State<T>) {
        *state = State::Abandoned;
        self.0.hung_threads.fetch_add(1, Ordering::Relaxed);
    }

    fn wait_for_answer(&self, bound: Duration) -> MutexGuard<'_, State<T>> {
        let open = |state: &mut State<T>| matches!(state, State::Open);
        let waited = self.0.answered.wait_timeout_while(self.0.lock(), bound, open);
        waited.unwrap_or_else(PoisonError::into_inner).0
    }
}

impl<T> Drop for Pending<T> {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        if matches!(*state, State::Open) {
            self.abandon(&mut state);
        }
    }
}

/// The thread's side of the slot; dropped when the thread ends, also by a panic.
struct SlotWriter<T> {
    slot: Arc<Slot<T>>,
    answer: Option<T>,
}

impl<T> Drop for SlotWriter<T> {
    fn drop(&mut self) {
        let answer = self.answer.take();
        let mut state = self.slot.lock();
        if matches!(*state, State::Open) {
            *state = State::Answered(answer);
            self.slot.answered.notify_one();
            return;
        }
        drop(state);
        // Before the thread counts as returned: dropping the result may run foreign code, too.
        drop(answer);
        self.slot.hung_threads.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;
    use std::time::Instant;

    use super::*;

    #[test]
    fn a_result_is_returned_and_a_panic_is_reported() {
        let threads = Threads::default();
        let bound = Duration::from_secs(60);
        assert_eq!(threads.run_within(bound, || 7).unwrap(), 7);
        let panicked = threads.run_within(bound, || panic!("as asked")).unwrap_err();
        assert!(matches!(panicked, NoAnswer::Panicked), "{panicked}");
        assert_eq!(threads.hung_threads(), 0);
    }

    /// Records on which thread it was dropped.
    struct Foreign(Arc<Mutex<Vec<thread::ThreadId>>>);

    impl Drop for Foreign {
        fn drop(&mut self) {
            self.0.lock().unwrap().push(thread::current().id());
        }
    }

    #[test]
    fn a_result_is_taken_or_dropped_on_its_own_thread() {
        let threads = Threads::default();
        let (mut taken, mut late) = (0, 0);
        for round in 0..2000_u64 {
            let dropped = Arc::default();
            let answer = Foreign(Arc::clone(&dropped));
            // About as long as a thread takes to start, so that either is first at times.
            let bound = Duration::from_micros(round % 200);
            if let Ok(_answer) = threads.run_within(bound, move || answer) {
                taken += 1;
                assert!(dropped.lock().unwrap().is_empty());
            } else {
                late += 1;
                until(|| dropped.lock().unwrap().len() == 1);
                assert_ne!(dropped.lock().unwrap()[0], thread::current().id());
            }
        }
        eprintln!("{taken} were taken, {late} were late");
    }

    #[test]
    fn a_late_thread_is_reported_from_another_thread() {
        let threads = Threads::default();
        let (say, said) = channel();
        let (gate, closed) = channel::<()>();
        let pending = threads.spawn(move || closed.recv().is_ok()).unwrap();
        assert!(!pending.wait(Duration::from_millis(1)));
        pending.report_if_late(Duration::from_millis(1), move |hung| {
            say.send(hung.to_string()).unwrap();
        });
        assert!(said.recv().unwrap().contains("keeps running"));
        assert_eq!(threads.hung_threads(), 1);
        drop(gate);
        until(|| threads.hung_threads() == 0);
        let pending = threads.spawn(|| true).unwrap();
        assert!(pending.wait(Duration::from_secs(60)));
        // A thread whose waiting side is dropped at once is counted as well.
        let (gate, closed) = channel::<()>();
        drop(threads.spawn(move || closed.recv().is_ok()).unwrap());
        assert_eq!(threads.hung_threads(), 1);
        drop(gate);
        until(|| threads.hung_threads() == 0);
    }

    /// Waits until `holds` returns true.
    #[track_caller]
    fn until(mut holds: impl FnMut() -> bool) {
        let deadline = Instant::now() + Duration::from_secs(20);
        while !holds() {
            assert!(Instant::now() < deadline, "expected it within 20 s");
            thread::yield_now();
        }
    }

    #[test]
    fn hung_threads_are_counted_and_limited() {
        let threads = Threads::default();
        let bound = Duration::from_millis(1);
        let gates: Vec<_> = (0..MAX_HUNG)
            .map(|before| {
                assert_eq!(threads.hung_threads(), before);
                let (gate, closed) = channel::<()>();
                let late = threads.run_within(bound, move || closed.recv().ok()).unwrap_err();
                assert!(matches!(late, NoAnswer::Late(it) if it == bound), "{late}");
                gate
            })
            .collect();
        let refused = threads.run_within(bound, || panic!("it must not run")).unwrap_err();
        assert!(matches!(refused, NoAnswer::TooManyHung), "{refused}");
        drop(gates);
        until(|| threads.hung_threads() == 0);
        assert_eq!(threads.run_within(Duration::from_secs(60), || 7).unwrap(), 7);
    }
}
