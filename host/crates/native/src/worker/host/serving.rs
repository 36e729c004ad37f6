//! Which call a worker serves, for the lines that it prints.
//!
//! A line on a pipe does not say which call printed it. It can be told if there is only one call that it can be of:
//!
//! - one call was in flight since the pipe was last known to be empty, and no other one at any time since: so no other
//!   one can have printed what is in the pipe;
//! - it is still in flight, or ended less than [`GRACE`] ago: the thread that reads the pipe needs a moment to wake up,
//!   and a call that prints and returns is mostly over by then.
//!
//! Otherwise the line belongs to no request: no id is better than that of another request. What a thread prints that
//! the plugin left behind counts as of the call that happens to be in flight.
//!
//! The reader sees that the pipe is empty before it waits. It may wait for hours, while calls come and go that print
//! nothing. So a call that begins looks as well, if nobody has for a while; which is a system call in each [`GRACE`] at
//! most.

use std::io::PipeReader;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use plugbay_core::{Context, Correlation};
use rustix::io::ioctl_fionread;

/// How long after its end a call may still be the one that printed a line; and how old the knowledge may be that the
/// pipe is empty.
const GRACE: Duration = Duration::from_millis(50);

/// The calls that a plugin's worker serves, and the pipe of its output.
#[derive(Debug, Default)]
pub(super) struct Serving(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    in_flight: usize,
    /// How many calls have begun.
    begun: u64,
    /// The call that began last.
    last: Served,
    pipe: Watched,
}

/// A call, as its lines name it.
#[derive(Clone, Debug, Default)]
pub(super) struct Served {
    pub(super) correlation: Option<Arc<Correlation>>,
    pub(super) generation: Option<u64>,
    ended: Option<Instant>,
    /// Whether no other call was in flight at the same time.
    alone: bool,
}

/// A moment, in the order of calls.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Moment {
    begun: u64,
    in_flight: usize,
}

/// The pipe of the current worker.
#[derive(Debug, Default)]
struct Watched {
    pipe: Weak<PipeReader>,
    /// Whether the reader waits, and so has passed on all that it has read.
    waits: bool,
    /// When it was last known to be empty.
    empty: Moment,
    looked: Option<Instant>,
}

/// A call in flight, until it is dropped.
pub(super) struct InService(Arc<Serving>);

impl Serving {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins a call.
    pub(super) fn begin(self: &Arc<Self>, context: Option<&Context<'_>>) -> InService {
        let correlation = context.and_then(Context::correlation).map(Arc::clone);
        let generation = context.and_then(Context::generation);
        let now = Instant::now();
        let mut state = self.lock();
        let is_old = state.pipe.looked.is_none_or(|looked| now - looked > GRACE);
        if is_old && state.pipe.waits {
            state.look(now);
        }
        let alone = state.in_flight == 0;
        let call = Served { correlation, generation, ended: None, alone };
        let before = std::mem::replace(&mut state.last, call);
        state.in_flight += 1;
        state.begun += 1;
        drop(state);
        // Not under the lock: it may be the last owner of what the request is known by.
        drop(before);
        InService(Arc::clone(self))
    }

    /// The reader has passed on all that it has read, and is about to wait for more.
    pub(super) fn wait_begins(&self, pipe: &Arc<PipeReader>) {
        let mut state = self.lock();
        if !std::ptr::eq(state.pipe.pipe.as_ptr(), Arc::as_ptr(pipe)) {
            // As long as the output of an earlier worker is read, that of this one names no requests.
            if state.pipe.pipe.strong_count() > 0 {
                return;
            }
            let empty = Moment { begun: state.begun, in_flight: state.in_flight };
            state.pipe = Watched { pipe: Arc::downgrade(pipe), empty, ..Watched::default() };
        }
        state.look(Instant::now());
        state.pipe.waits = true;
    }

    /// There is more, which the reader has not read yet. Returns when the pipe was last known to be empty.
    pub(super) fn wait_ends(&self, pipe: &Arc<PipeReader>) -> Option<Moment> {
        let mut state = self.lock();
        if !std::ptr::eq(state.pipe.pipe.as_ptr(), Arc::as_ptr(pipe)) {
            return None;
        }
        state.pipe.waits = false;
        Some(state.pipe.empty)
    }

    /// The only call that can have printed a line that was read now, from a pipe that was empty at `since`.
    pub(super) fn only_call(&self, since: Option<Moment>) -> Option<Served> {
        let (state, since) = (self.lock(), since?);
        let only = match state.begun - since.begun {
            // It was in flight already.
            0 => since.in_flight == 1,
            1 => since.in_flight == 0,
            _ => false,
        };
        let recent = state.last.ended.is_none_or(|ended| ended.elapsed() < GRACE);
        (only && state.last.alone && recent).then(|| state.last.clone())
    }
}

impl State {
    /// Notes that the pipe is empty, if it is.
    fn look(&mut self, now: Instant) {
        let Some(pipe) = self.pipe.pipe.upgrade() else { return };
        if ioctl_fionread(&*pipe).is_ok_and(|waiting| waiting == 0) {
            self.pipe.empty = Moment { begun: self.begun, in_flight: self.in_flight };
        }
        self.pipe.looked = Some(now);
    }
}

impl Drop for InService {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.in_flight -= 1;
        if state.in_flight == 0 {
            state.last.ended = Some(Instant::now());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{PipeWriter, Read as _, Write as _, pipe};

    use plugbay_core::{NoServices, Services};

    use super::*;

    /// The calls of a worker, and both ends of its output.
    struct Worker {
        serving: Arc<Serving>,
        reader: Arc<PipeReader>,
        writer: PipeWriter,
    }

    impl Worker {
        /// A worker whose reader waits.
        fn new() -> Self {
            let (reader, writer) = pipe().unwrap();
            let worker = Self { serving: Arc::default(), reader: Arc::new(reader), writer };
            worker.serving.wait_begins(&worker.reader);
            worker
        }

        fn begin(&self, id: &str) -> InService {
            // As if nobody had looked for a while.
            self.serving.lock().pipe.looked = None;
            let services: Arc<dyn Services> = Arc::new(NoServices);
            let correlation = Arc::new(Correlation::default().request_id(id.parse().unwrap()));
            self.serving.begin(Some(&Context::new(&services).correlated(&correlation)))
        }

        fn print(&mut self) {
            self.writer.write_all(b"x").unwrap();
        }

        /// Reads what was printed, and returns whose it is.
        fn read(&self) -> Option<String> {
            let since = self.serving.wait_ends(&self.reader);
            (&*self.reader).read_exact(&mut [0]).unwrap();
            let call = self.serving.only_call(since);
            self.serving.wait_begins(&self.reader);
            Some(call?.correlation?.request_id.as_ref()?.as_str().to_owned())
        }
    }

    #[test]
    fn a_line_belongs_to_the_only_call_that_can_have_printed_it() {
        let mut worker = Worker::new();
        worker.print();
        assert_eq!(worker.read(), None, "before all calls");
        // Those that print nothing are no reason to doubt.
        for _ in 0..3 {
            drop(worker.begin("silent"));
        }
        let first = worker.begin("a");
        for _ in 0..2 {
            worker.print();
            assert_eq!(worker.read().as_deref(), Some("a"));
        }
        worker.print();
        drop(first);
        assert_eq!(worker.read().as_deref(), Some("a"), "it ended just now");
        let second = worker.begin("b");
        worker.print();
        assert_eq!(worker.read().as_deref(), Some("b"));
        drop(second);
    }

    #[test]
    fn a_line_that_is_read_during_the_next_call_belongs_to_none() {
        let mut worker = Worker::new();
        let first = worker.begin("a");
        worker.print();
        drop(first);
        let second = worker.begin("b");
        assert_eq!(worker.read(), None);
        drop(second);
        // The same while the reader passes on what it has read.
        let first = worker.begin("a");
        worker.print();
        let since = worker.serving.wait_ends(&worker.reader);
        (&*worker.reader).read_exact(&mut [0]).unwrap();
        drop(first);
        let _second = worker.begin("b");
        assert!(worker.serving.only_call(since).is_none());
    }

    #[test]
    fn a_line_of_calls_at_the_same_time_belongs_to_none() {
        let mut worker = Worker::new();
        let (first, second) = (worker.begin("a"), worker.begin("b"));
        worker.print();
        assert_eq!(worker.read(), None);
        drop(first);
        worker.print();
        assert_eq!(worker.read(), None, "the first may have printed");
        drop(second);
        let _third = worker.begin("c");
        worker.print();
        assert_eq!(worker.read().as_deref(), Some("c"));
    }

    #[test]
    fn a_call_that_ended_long_ago_prints_nothing() {
        let mut worker = Worker::new();
        drop(worker.begin("a"));
        worker.serving.lock().last.ended = Instant::now().checked_sub(2 * GRACE);
        worker.print();
        assert_eq!(worker.read(), None);
    }

    #[test]
    fn the_output_of_an_earlier_worker_belongs_to_none() {
        let old = Worker::new();
        let (reader, _writer) = pipe().unwrap();
        let later = Arc::new(reader);
        drop(old.reader);
        old.serving.wait_begins(&later);
        let (unknown, _writer) = pipe().unwrap();
        let unknown = Arc::new(unknown);
        old.serving.wait_begins(&unknown);
        assert_eq!(old.serving.wait_ends(&unknown), None);
        assert!(old.serving.wait_ends(&later).is_some());
    }
}
