//! How many calls of one plugin run at once, and how many wait.
//!
//! A waiter counts itself, if the queue has room, then listens, then looks once more; whoever
//! leaves gives its place back first and looks for waiters then. So one of them sees the other,
//! and no wake-up is lost. Each that leaves wakes one more: two places wake two waiters.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
use std::time::{Duration, Instant};

use event_listener::{Event, IntoNotification, Listener};
use plugbay_core::{CallError, CallErrorKind};

/// When to come back to an overloaded plugin.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// The places of one plugin, at least one.
pub(crate) struct Bulkhead {
    label: Arc<str>,
    limit: u32,
    /// The most that wait at once.
    queue: u32,
    inside: AtomicU32,
    waiting: AtomicU32,
    left: Event,
}

/// A call that runs; its place is free again once this is dropped.
pub(crate) struct Place(Arc<Bulkhead>);

impl Bulkhead {
    /// At most `limit` calls at once of the plugin `label`, for which at most `queue` wait.
    pub(crate) fn new(label: &Arc<str>, limit: u32, queue: u32) -> Arc<Self> {
        Arc::new(Self {
            label: Arc::clone(label),
            limit: limit.max(1),
            queue,
            inside: AtomicU32::new(0),
            waiting: AtomicU32::new(0),
            left: Event::new(),
        })
    }

    /// The plugin, as errors name it.
    pub(crate) fn label(&self) -> &Arc<str> {
        &self.label
    }

    /// Calls that wait for a place.
    pub(crate) fn waiting(&self) -> u32 {
        self.waiting.load(SeqCst)
    }

    /// Takes a place, waiting for one on the caller's thread until `deadline`.
    ///
    /// # Errors
    ///
    /// `overloaded` at once if the queue is full, or once the deadline has passed.
    pub(crate) fn enter(self: &Arc<Self>, deadline: Instant) -> Result<Place, CallError> {
        if let Some(place) = self.try_enter() {
            return Ok(place);
        }
        let _waiting = self.join()?;
        loop {
            let left = self.left.listen();
            if let Some(place) = self.try_enter() {
                return Ok(place);
            }
            if left.wait_deadline(deadline).is_none() {
                return self.try_enter().ok_or_else(|| self.late());
            }
        }
    }

    /// As [`Bulkhead::enter`], without blocking a thread. The caller bounds the wait; whoever
    /// gives up waits no more.
    pub(crate) async fn enter_async(self: &Arc<Self>) -> Result<Place, CallError> {
        if let Some(place) = self.try_enter() {
            return Ok(place);
        }
        let _waiting = self.join()?;
        loop {
            let left = self.left.listen();
            if let Some(place) = self.try_enter() {
                return Ok(place);
            }
            left.await;
        }
    }

    fn try_enter(self: &Arc<Self>) -> Option<Place> {
        let more = |inside: u32| (inside < self.limit).then_some(inside + 1);
        let entered = self.inside.fetch_update(SeqCst, SeqCst, more);
        entered.is_ok().then(|| Place(Arc::clone(self)))
    }

    fn join(&self) -> Result<Waiting<'_>, CallError> {
        let more = |waiting: u32| (waiting < self.queue).then_some(waiting + 1);
        let joined = self.waiting.fetch_update(SeqCst, SeqCst, more);
        joined.map(|_| Waiting(self)).map_err(|_| self.full())
    }

    #[cold]
    fn full(&self) -> CallError {
        let Self { queue, limit, .. } = self;
        self.overloaded(format!(
            "expected at most {queue} calls to wait, found as many, and all {limit} places taken"
        ))
    }

    /// The error of a call that waited for a place until its deadline.
    #[cold]
    pub(crate) fn late(&self) -> CallError {
        let limit = self.limit;
        self.overloaded(format!("expected a place within its deadline, found all {limit} taken"))
    }

    /// The error of a call that was not made for want of room.
    #[cold]
    pub(crate) fn overloaded(&self, message: String) -> CallError {
        let error = CallError::new(CallErrorKind::Overloaded, message);
        error.retry_after(RETRY_AFTER).of(&self.label)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.inside.fetch_sub(1, SeqCst);
        if self.0.waiting.load(SeqCst) != 0 {
            self.0.left.notify(1.additional());
        }
    }
}

/// A call that waits. It counts until it is dropped, so that one who was woken and came too late
/// keeps its place in the queue.
struct Waiting<'a>(&'a Bulkhead);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use std::future::Future;
    use std::pin::pin;
    use std::sync::atomic::AtomicUsize;
    use std::task::{Context, Poll, Waker};
    use std::thread;

    use super::*;

    const LONG: Duration = Duration::from_secs(20);

    fn bulkhead(limit: u32, queue: u32) -> Arc<Bulkhead> {
        Bulkhead::new(&Arc::from("p@1.0.0"), limit, queue)
    }

    fn fails(bulkhead: &Arc<Bulkhead>, within: Duration) -> CallError {
        let error = bulkhead.enter(Instant::now() + within).map(drop).unwrap_err();
        assert_eq!((error.kind(), error.plugin()), (CallErrorKind::Overloaded, Some("p@1.0.0")));
        assert_eq!(error.wait(), Some(RETRY_AFTER));
        error
    }

    #[test]
    fn the_queue_is_bounded_and_a_wait_ends_at_the_deadline() {
        let places = bulkhead(1, 0);
        let inside = places.enter(Instant::now()).unwrap();
        let begun = Instant::now();
        assert!(fails(&places, LONG).message().contains("at most 0 calls to wait"));
        assert!(begun.elapsed() < LONG, "it waited");
        drop(inside);
        drop(places.enter(Instant::now()).unwrap());

        let places = bulkhead(1, 1);
        let _inside = places.enter(Instant::now()).unwrap();
        let begun = Instant::now();
        let error = fails(&places, Duration::from_millis(30));
        assert!(error.message().contains("within its deadline"), "{error}");
        assert!(begun.elapsed() >= Duration::from_millis(30));
        assert_eq!(places.waiting(), 0);
    }

    #[test]
    fn two_that_leave_at_once_wake_two() {
        let places = bulkhead(2, 2);
        let inside = [(); 2].map(|()| places.enter(Instant::now()).unwrap());
        let mut waiters = [(); 2].map(|()| Box::pin(places.enter_async()));
        let mut context = Context::from_waker(Waker::noop());
        for waiter in &mut waiters {
            assert!(waiter.as_mut().poll(&mut context).is_pending());
        }
        assert_eq!(places.waiting(), 2);
        // Nobody looks between the two.
        drop(inside);
        // Held until both are in, so that neither passes its place on.
        let entered = waiters.each_mut().map(|waiter| waiter.as_mut().poll(&mut context));
        assert!(entered.iter().all(|it| matches!(it, Poll::Ready(Ok(_)))));
        assert_eq!(places.waiting(), 0);
    }

    #[test]
    fn whoever_gives_up_passes_the_wake_up_on() {
        let places = bulkhead(1, 2);
        let inside = places.enter(Instant::now()).unwrap();
        let mut context = Context::from_waker(Waker::noop());
        let mut first = Box::pin(places.enter_async());
        let mut second = pin!(places.enter_async());
        assert!(first.as_mut().poll(&mut context).is_pending());
        assert!(second.as_mut().poll(&mut context).is_pending());
        drop(inside);
        drop(first);
        assert_eq!(places.waiting(), 1);
        assert!(second.as_mut().poll(&mut context).is_ready());
    }

    #[test]
    fn never_more_than_the_limit_and_nobody_is_forgotten() {
        let places = bulkhead(3, 100);
        let (inside, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
        thread::scope(|scope| {
            for _ in 0..12 {
                scope.spawn(|| {
                    for _ in 0..500 {
                        let place = places.enter(Instant::now() + LONG).unwrap();
                        most.fetch_max(inside.fetch_add(1, SeqCst) + 1, SeqCst);
                        thread::yield_now();
                        inside.fetch_sub(1, SeqCst);
                        drop(place);
                    }
                });
            }
        });
        assert!(most.into_inner() <= 3);
        assert_eq!((places.waiting(), places.inside.load(SeqCst)), (0, 0));
    }
}
