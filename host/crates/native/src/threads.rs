//! Foreign code that may not return, and is not waited for without end.
//!
//! Native code cannot be stopped. What a library does outside its calls (its constructors, and
//! `describe`, `create`, `health`, `shutdown` and `destroy`) runs on a thread of its own, so that
//! whoever asked can give up. The thread is *left behind* then: it keeps what it uses, and ends
//! if the library ever returns. A library that leaves too many behind is not asked again before.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
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
        if self.left_behind() >= MOST {
            return Err(Hung::Crowded);
        }
        let (send, answer) = sync_channel(1);
        // Set by whoever is through first: the thread, or the one who waits for it.
        let through = Arc::new(AtomicBool::new(false));
        let (span, subscriber) = (tracing::Span::current(), dispatcher::get_default(Clone::clone));
        thread::Builder::new()
            .name("native-lifecycle".into())
            .spawn({
                let (through, left_behind) = (Arc::clone(&through), Arc::clone(&self.left_behind));
                move || {
                    let _through = Through { through, left_behind };
                    let act = || span.in_scope(act);
                    // If nobody waits any more, the result is dropped here, before the thread
                    // counts as returned: to drop it may be foreign code, too.
                    drop(send.send(dispatcher::with_default(&subscriber, act)));
                }
            })
            .map_err(Hung::NoThread)?;
        match answer.recv_timeout(bound) {
            Ok(answer) => return Ok(answer),
            Err(RecvTimeoutError::Disconnected) => return Err(Hung::Panicked),
            Err(RecvTimeoutError::Timeout) => {}
        }
        // Counted first, so that the thread never takes away what is not there yet.
        self.left_behind.fetch_add(1, Ordering::Relaxed);
        if through.swap(true, Ordering::AcqRel) {
            self.left_behind.fetch_sub(1, Ordering::Relaxed);
            return answer.try_recv().map_err(|_| Hung::Panicked);
        }
        Err(Hung::Late(bound))
    }
}

/// Ends a thread, by a panic too: one that was left behind is not any more.
struct Through {
    through: Arc<AtomicBool>,
    left_behind: Arc<AtomicUsize>,
}

impl Drop for Through {
    fn drop(&mut self) {
        if self.through.swap(true, Ordering::AcqRel) {
            self.left_behind.fetch_sub(1, Ordering::Relaxed);
        }
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
        let patience = Instant::now() + Duration::from_secs(20);
        while threads.left_behind() > 0 {
            assert!(Instant::now() < patience, "{} are left behind", threads.left_behind());
            thread::yield_now();
        }
        assert_eq!(threads.within(Duration::from_secs(60), || 7).unwrap(), 7);
    }
}
