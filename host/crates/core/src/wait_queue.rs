//! A bounded queue of callers that wait for a limited resource, such as an instance.
//!
//! The queue does not hold the resource; its owner does. A caller that finds nothing free joins the
//! queue, if there is room in it, and tries again each time that it is woken. A caller that returns
//! a resource calls [`WaitQueue::wake_one`] afterwards.
//!
//! A waiter increments the count, listens, and then tries once more. A caller that returns a
//! resource does that first, and reads the count afterwards. There is a full fence between the two
//! steps of both. So at least one of the two sees the other, and no wake-up is lost. Each return
//! wakes one more waiter: two places that become free at once wake two. Waiters are woken in the
//! order in which they began to listen; a caller that does not have to wait may overtake them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering, fence};
use std::time::{Duration, Instant};

use event_listener::{Event, EventListener, IntoNotification as _, Listener as _};

use crate::{CallError, CallErrorKind, Cancel, DurationStats, Durations};

/// How often a caller that waits on a thread checks whether its call was cancelled.
pub const CANCEL_CHECK: Duration = Duration::from_millis(50);

/// The time after which to retry a call of an overloaded plugin. It is not measured: reading the
/// clock would cost each call more than a better value is worth.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// A bounded queue of callers.
#[derive(Debug)]
pub struct WaitQueue {
    bound: u32,
    waiting: AtomicU32,
    waited: Durations,
    freed: Event,
}

/// Why a caller stopped waiting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WaitError {
    /// The queue was full; the caller did not wait.
    Full,
    /// The deadline passed.
    Late,
    /// The call was cancelled.
    Cancelled,
}

impl WaitQueue {
    /// A queue in which at most `bound` callers wait.
    #[must_use]
    pub const fn new(bound: u32) -> Self {
        Self { bound, waiting: AtomicU32::new(0), waited: Durations::new(), freed: Event::new() }
    }

    /// The maximum number of callers that wait.
    #[must_use]
    pub fn bound(&self) -> u32 {
        self.bound
    }

    /// How many callers wait now.
    #[must_use]
    pub fn waiting(&self) -> u32 {
        self.waiting.load(Ordering::SeqCst)
    }

    /// How long callers waited that had to, and wait no more.
    #[must_use]
    pub fn waited(&self) -> DurationStats {
        self.waited.stats()
    }

    /// Wakes one waiter, if there is one. Must be called after a resource was returned by an atomic
    /// read-modify-write.
    #[inline]
    pub fn wake_one(&self) {
        fence_after_swap();
        if self.waiting.load(Ordering::SeqCst) != 0 {
            self.notify();
        }
    }

    #[cold]
    fn notify(&self) {
        self.freed.notify(1.additional());
    }

    /// Waits on this thread until `take` returns something. `take` is tried before the wait as well.
    ///
    /// # Errors
    ///
    /// [`WaitError::Full`] at once if the queue is full, [`WaitError::Late`] at the deadline, and
    /// [`WaitError::Cancelled`] soon after `cancel` is cancelled.
    pub fn wait<T>(
        &self,
        deadline: Option<Instant>,
        cancel: Option<&Cancel>,
        mut take: impl FnMut() -> Option<T>,
    ) -> Result<T, WaitError> {
        check(cancel)?;
        if let Some(taken) = take() {
            return Ok(taken);
        }
        let waiter = self.join()?;
        loop {
            let freed = waiter.listen();
            check(cancel)?;
            if let Some(taken) = take() {
                return Ok(taken);
            }
            // A cancellation does not wake the waiter, so it is polled.
            let next_check = cancel.and_then(|_| Instant::now().checked_add(CANCEL_CHECK));
            let Some(until) = deadline.into_iter().chain(next_check).min() else {
                freed.wait();
                continue;
            };
            let woken = freed.wait_deadline(until).is_some();
            if !woken && deadline.is_some_and(|deadline| Instant::now() >= deadline) {
                return Err(WaitError::Late);
            }
        }
    }

    /// As [`WaitQueue::wait`], without blocking a thread. The caller bounds the wait.
    ///
    /// # Errors
    ///
    /// [`WaitError::Full`] at once if the queue is full, and [`WaitError::Cancelled`] if the call
    /// is cancelled when the caller is woken.
    ///
    /// # Cancel safety
    ///
    /// A dropped future leaves the queue, and passes a wake-up that it received on to the next
    /// waiter.
    pub async fn wait_async<T>(
        &self,
        cancel: Option<&Cancel>,
        mut take: impl FnMut() -> Option<T>,
    ) -> Result<T, WaitError> {
        check(cancel)?;
        if let Some(taken) = take() {
            return Ok(taken);
        }
        let waiter = self.join()?;
        loop {
            let freed = waiter.listen();
            check(cancel)?;
            if let Some(taken) = take() {
                return Ok(taken);
            }
            freed.await;
        }
    }

    fn join(&self) -> Result<Waiter<'_>, WaitError> {
        let more = |waiting: u32| (waiting < self.bound).then_some(waiting + 1);
        let joined = self.waiting.fetch_update(Ordering::SeqCst, Ordering::SeqCst, more);
        match joined {
            Ok(_) => Ok(Waiter { queue: self, since: Instant::now() }),
            Err(_) => Err(WaitError::Full),
        }
    }
}

/// A caller in the queue. It counts until it is dropped, so that a caller that was woken but found
/// nothing free keeps its place.
struct Waiter<'a> {
    queue: &'a WaitQueue,
    since: Instant,
}

impl Waiter<'_> {
    /// Begins to listen. The caller must then try once more before it waits.
    fn listen(&self) -> EventListener {
        let listener = self.queue.freed.listen();
        fence(Ordering::SeqCst);
        listener
    }
}

impl Drop for Waiter<'_> {
    fn drop(&mut self) {
        self.queue.waited.add(self.since.elapsed());
        self.queue.waiting.fetch_sub(1, Ordering::SeqCst);
    }
}

fn check(cancel: Option<&Cancel>) -> Result<(), WaitError> {
    if cancel.is_some_and(Cancel::is_cancelled) { Err(WaitError::Cancelled) } else { Ok(()) }
}

/// A full fence after an atomic read-modify-write. On x86-64 the operation itself is a full fence,
/// and only the compiler needs one.
#[inline]
fn fence_after_swap() {
    #[cfg(target_arch = "x86_64")]
    std::sync::atomic::compiler_fence(Ordering::SeqCst);
    #[cfg(not(target_arch = "x86_64"))]
    fence(Ordering::SeqCst);
}

/// The error of a call of `plugin` that was rejected because no resource was free in time.
#[cold]
#[must_use]
pub fn overloaded(plugin: &Arc<str>, message: String) -> CallError {
    CallError::new(CallErrorKind::Overloaded, message).retry_after(RETRY_AFTER).of(plugin)
}

#[cfg(test)]
mod tests {
    use std::future::Future;
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};
    use std::thread;

    use super::*;

    const LONG: Duration = Duration::from_secs(20);

    /// A number of places and the queue for them.
    struct Places {
        free: AtomicU32,
        queue: WaitQueue,
    }

    impl Places {
        fn new(free: u32, bound: u32) -> Self {
            Self { free: AtomicU32::new(free), queue: WaitQueue::new(bound) }
        }

        fn take(&self) -> Option<()> {
            let less = |free: u32| free.checked_sub(1);
            self.free.fetch_update(Ordering::SeqCst, Ordering::SeqCst, less).ok().map(drop)
        }

        fn give_back(&self) {
            self.free.fetch_add(1, Ordering::SeqCst);
            self.queue.wake_one();
        }

        fn wait(&self, within: Duration) -> Result<(), WaitError> {
            self.queue.wait(Some(Instant::now() + within), None, || self.take())
        }
    }

    #[test]
    fn a_full_queue_rejects_at_once_and_a_wait_ends_at_the_deadline() {
        let places = Places::new(1, 0);
        places.wait(Duration::ZERO).unwrap();
        let begun = Instant::now();
        assert_eq!(places.wait(LONG), Err(WaitError::Full));
        assert!(begun.elapsed() < LONG, "it waited");
        assert!(places.queue.waited().is_empty());

        let places = Places::new(0, 1);
        let begun = Instant::now();
        assert_eq!(places.wait(Duration::from_millis(30)), Err(WaitError::Late));
        assert!(begun.elapsed() >= Duration::from_millis(30));
        assert_eq!(places.queue.waiting(), 0);
        let waited = places.queue.waited();
        assert!(waited.count == 1 && (0.03..20.0).contains(&waited.sum), "{waited:?}");
    }

    #[test]
    fn a_cancelled_wait_ends_before_its_deadline() {
        let places = Places::new(0, 1);
        let cancel = Cancel::default();
        thread::scope(|scope| {
            let waits = scope.spawn(|| {
                places.queue.wait(Some(Instant::now() + LONG), Some(&cancel), || places.take())
            });
            while places.queue.waiting() == 0 {
                thread::yield_now();
            }
            cancel.cancel();
            assert_eq!(waits.join().unwrap(), Err(WaitError::Cancelled));
        });
        places.give_back();
        assert_eq!(
            places.queue.wait(None, Some(&cancel), || places.take()),
            Err(WaitError::Cancelled)
        );
        assert_eq!(places.take(), Some(()), "a cancelled call takes nothing");
    }

    #[test]
    fn two_places_given_back_at_once_wake_two() {
        let places = Places::new(0, 2);
        let mut waiters =
            [(); 2].map(|()| Box::pin(places.queue.wait_async(None, || places.take())));
        let mut context = Context::from_waker(Waker::noop());
        for waiter in &mut waiters {
            assert!(waiter.as_mut().poll(&mut context).is_pending());
        }
        assert_eq!(places.queue.waiting(), 2);
        places.give_back();
        places.give_back();
        let taken = waiters.each_mut().map(|waiter| waiter.as_mut().poll(&mut context));
        assert!(taken.iter().all(|it| matches!(it, Poll::Ready(Ok(())))));
        assert_eq!(places.queue.waiting(), 0);
    }

    #[test]
    fn a_waiter_that_gives_up_passes_the_wake_up_on() {
        let places = Places::new(0, 2);
        let mut context = Context::from_waker(Waker::noop());
        let mut first = Box::pin(places.queue.wait_async(None, || places.take()));
        let mut second = pin!(places.queue.wait_async(None, || places.take()));
        assert!(first.as_mut().poll(&mut context).is_pending());
        assert!(second.as_mut().poll(&mut context).is_pending());
        places.give_back();
        drop(first);
        assert_eq!(places.queue.waiting(), 1);
        assert!(second.as_mut().poll(&mut context).is_ready());
    }

    #[test]
    fn waiters_are_woken_in_order() {
        let places = Places::new(0, 2);
        let mut context = Context::from_waker(Waker::noop());
        let mut first = pin!(places.queue.wait_async(None, || places.take()));
        let mut second = pin!(places.queue.wait_async(None, || places.take()));
        assert!(first.as_mut().poll(&mut context).is_pending());
        assert!(second.as_mut().poll(&mut context).is_pending());
        places.give_back();
        assert!(second.as_mut().poll(&mut context).is_pending(), "it has not been woken");
        assert!(first.as_mut().poll(&mut context).is_ready());
    }

    #[test]
    fn under_load_no_waiter_is_forgotten() {
        let places = Places::new(3, 100);
        thread::scope(|scope| {
            for _ in 0..12 {
                scope.spawn(|| {
                    for _ in 0..500 {
                        places.wait(LONG).unwrap();
                        thread::yield_now();
                        places.give_back();
                    }
                });
            }
        });
        assert_eq!((places.queue.waiting(), places.free.load(Ordering::SeqCst)), (0, 3));
    }
}
