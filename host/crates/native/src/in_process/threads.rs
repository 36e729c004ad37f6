//! Foreign code that may not return, and is not waited for without end.
//!
//! Native code cannot be stopped. What a library does outside its calls (its constructors, and
//! `describe`, `create`, `health`, `shutdown` and `destroy`) runs on a thread of its own, so that
//! whoever asked can give up. The thread is *left behind* then: it keeps what it uses, and ends
//! if the library ever returns. A library that leaves too many behind is not asked again before.

use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use tracing::dispatcher;

/// The most threads that one library may leave behind.
const MOST: usize = 8;

/// The threads of one library that run its code outside its calls.
#[derive(Clone, Debug, Default)]
pub(crate) struct Threads {
    left_behind: Arc<AtomicUsize>,
}

/// There is no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Hung {
    #[error(
        "expected it to return within {0:?}, found that it did not; native code cannot be \
         stopped, so its thread is left behind"
    )]
    Late(Duration),
    #[error(
        "expected at most {MOST} threads that are left behind in this library, found as many: it \
         is not asked before one returns"
    )]
    Crowded,
    #[error("expected a thread to ask it on, found: {0}")]
    NoThread(io::Error),
    #[error("expected an answer, found that the host's side of it panicked")]
    Panicked,
}

impl Threads {
    /// How many are left behind now.
    pub(crate) fn left_behind(&self) -> usize {
        self.left_behind.load(Ordering::Relaxed)
    }

    /// Runs `act` on a thread of its own, with the caller's subscriber and span, and waits for at
    /// most `bound`. What it returns later is dropped on that thread.
    pub(crate) fn within<T: Send + 'static>(
        &self,
        bound: Duration,
        act: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Hung> {
        self.ask(act)?.within(bound)
    }

    /// As [`Threads::within`], without waiting. If it cannot be asked, `act` is dropped here.
    pub(crate) fn ask<T: Send + 'static>(
        &self,
        act: impl FnOnce() -> T + Send + 'static,
    ) -> Result<Asked<T>, Hung> {
        if self.left_behind() >= MOST {
            return Err(Hung::Crowded);
        }
        let question = Arc::new(Question {
            state: Mutex::new(State::Open),
            answered: Condvar::new(),
            left_behind: Arc::clone(&self.left_behind),
        });
        let subscriber = dispatcher::get_default(Clone::clone);
        let span = tracing::Span::current();
        let thread = Answering { question: Arc::clone(&question), answer: None };
        thread::Builder::new()
            .name("native-lifecycle".into())
            .spawn(move || {
                let mut thread = thread;
                let act = || span.in_scope(act);
                thread.answer = Some(dispatcher::with_default(&subscriber, act));
            })
            .map_err(Hung::NoThread)?;
        Ok(Asked(question))
    }
}

/// Between the one who asks and the thread that answers. Either sees what the other did: an
/// answer is taken by the one, or dropped by the other, and a thread that is left behind is
/// counted until it ends.
struct Question<T> {
    state: Mutex<State<T>>,
    answered: Condvar,
    left_behind: Arc<AtomicUsize>,
}

enum State<T> {
    Open,
    /// None: it panicked.
    Answered(Option<T>),
    /// Nobody waits any more.
    LeftBehind,
}

impl<T> Question<T> {
    /// Whoever panicked left nothing half done: each change is one assignment.
    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One who asks, and may wait. Whoever waits no more leaves the thread behind.
pub(crate) struct Asked<T>(Arc<Question<T>>);

impl<T> Asked<T> {
    /// Whether there is an answer within `bound`.
    pub(crate) fn is_over(&self, bound: Duration) -> bool {
        !matches!(*self.wait(bound), State::Open)
    }

    /// The answer, if there is one within `bound`.
    pub(crate) fn within(self, bound: Duration) -> Result<T, Hung> {
        let mut state = self.wait(bound);
        if matches!(*state, State::Open) {
            // Under the lock that it was found open by: no answer comes in between.
            self.leave(&mut state);
            return Err(Hung::Late(bound));
        }
        match std::mem::replace(&mut *state, State::LeftBehind) {
            State::Answered(Some(answer)) => Ok(answer),
            _ => Err(Hung::Panicked),
        }
    }

    /// Waits elsewhere, and says there if there was no answer within `bound`.
    pub(crate) fn later(self, bound: Duration, late: impl FnOnce(Hung) + Send + 'static)
    where
        T: Send + 'static,
    {
        let subscriber = dispatcher::get_default(Clone::clone);
        let wait = move || {
            if let Err(hung) = self.within(bound) {
                dispatcher::with_default(&subscriber, || late(hung));
            }
        };
        // Without a thread nobody says so. It is counted then, too.
        drop(thread::Builder::new().name("native-lifecycle".into()).spawn(wait));
    }

    /// Leaves the thread behind.
    fn leave(&self, state: &mut State<T>) {
        *state = State::LeftBehind;
        self.0.left_behind.fetch_add(1, Ordering::Relaxed);
    }

    fn wait(&self, bound: Duration) -> MutexGuard<'_, State<T>> {
        let open = |state: &mut State<T>| matches!(state, State::Open);
        let waited = self.0.answered.wait_timeout_while(self.0.lock(), bound, open);
        waited.unwrap_or_else(PoisonError::into_inner).0
    }
}

impl<T> Drop for Asked<T> {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        if matches!(*state, State::Open) {
            self.leave(&mut state);
        }
    }
}

/// The thread's side; dropped when it ends, by a panic too.
struct Answering<T> {
    question: Arc<Question<T>>,
    answer: Option<T>,
}

impl<T> Drop for Answering<T> {
    fn drop(&mut self) {
        let answer = self.answer.take();
        let mut state = self.question.lock();
        if matches!(*state, State::Open) {
            *state = State::Answered(answer);
            self.question.answered.notify_one();
            return;
        }
        drop(state);
        // Before it counts as returned: to drop the answer may be foreign code, too.
        drop(answer);
        self.question.left_behind.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;
    use std::time::Instant;

    use super::*;

    #[test]
    fn what_returns_is_returned_and_what_panics_is_named() {
        let threads = Threads::default();
        let bound = Duration::from_secs(60);
        assert_eq!(threads.within(bound, || 7).unwrap(), 7);
        let panicked = threads.within(bound, || panic!("as asked")).unwrap_err();
        assert!(matches!(panicked, Hung::Panicked), "{panicked}");
        assert_eq!(threads.left_behind(), 0);
    }

    /// Says on which thread it was dropped.
    struct Foreign(Arc<Mutex<Vec<thread::ThreadId>>>);

    impl Drop for Foreign {
        fn drop(&mut self) {
            self.0.lock().unwrap().push(thread::current().id());
        }
    }

    #[test]
    fn an_answer_is_taken_or_dropped_where_it_was_given() {
        let threads = Threads::default();
        let (mut taken, mut late) = (0, 0);
        for round in 0..2000_u64 {
            let dropped = Arc::default();
            let answer = Foreign(Arc::clone(&dropped));
            // About as long as a thread takes to start, so that either is first at times.
            let bound = Duration::from_micros(round % 200);
            if let Ok(_answer) = threads.within(bound, move || answer) {
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
    fn one_who_goes_without_waiting_hears_of_it_later() {
        let threads = Threads::default();
        let (say, said) = channel();
        let (gate, closed) = channel::<()>();
        let asked = threads.ask(move || closed.recv().is_ok()).unwrap();
        assert!(!asked.is_over(Duration::from_millis(1)));
        asked.later(Duration::from_millis(1), move |hung| say.send(hung.to_string()).unwrap());
        assert!(said.recv().unwrap().contains("left behind"));
        assert_eq!(threads.left_behind(), 1);
        drop(gate);
        until(|| threads.left_behind() == 0);
        let asked = threads.ask(|| true).unwrap();
        assert!(asked.is_over(Duration::from_secs(60)));
        // One who does not even ask for the answer leaves nothing uncounted.
        let (gate, closed) = channel::<()>();
        drop(threads.ask(move || closed.recv().is_ok()).unwrap());
        assert_eq!(threads.left_behind(), 1);
        drop(gate);
        until(|| threads.left_behind() == 0);
    }

    /// Waits until it is so.
    #[track_caller]
    fn until(mut so: impl FnMut() -> bool) {
        let patience = Instant::now() + Duration::from_secs(20);
        while !so() {
            assert!(Instant::now() < patience, "not within 20 s");
            thread::yield_now();
        }
    }

    #[test]
    fn those_left_behind_are_counted_bounded_and_counted_out() {
        let threads = Threads::default();
        let bound = Duration::from_millis(1);
        let gates: Vec<_> = (0..MOST)
            .map(|before| {
                assert_eq!(threads.left_behind(), before);
                let (gate, closed) = channel::<()>();
                let late = threads.within(bound, move || closed.recv().ok()).unwrap_err();
                assert!(matches!(late, Hung::Late(it) if it == bound), "{late}");
                gate
            })
            .collect();
        let crowded = threads.within(bound, || panic!("it must not run")).unwrap_err();
        assert!(matches!(crowded, Hung::Crowded), "{crowded}");
        drop(gates);
        until(|| threads.left_behind() == 0);
        assert_eq!(threads.within(Duration::from_secs(60), || 7).unwrap(), 7);
    }
}
