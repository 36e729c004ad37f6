//! How many calls run at once, of one plugin or of several together. Further calls wait in a bounded
//! queue.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
use std::time::Instant;

use crate::wait_queue::{WaitError, WaitQueue, overloaded};
use crate::{CallError, DurationStats};

/// A number of places, at least one, and the queue of the calls that wait for one.
///
/// A caller that has a thread to block waits by [`Bulkhead::enter`], any other by
/// [`Bulkhead::enter_async`]. Both wait in the same queue.
#[derive(Debug)]
pub struct Bulkhead {
    label: Arc<str>,
    places: u32,
    taken: AtomicU32,
    queue: WaitQueue,
}

/// The right to make one call. Dropped, it is given to a call that waits.
#[derive(Debug)]
#[must_use = "the place is given back when this is dropped"]
pub struct Place(Arc<Bulkhead>);

impl Bulkhead {
    /// At most `places` calls at once, for which at most `queue` calls wait. Errors name the plugin
    /// `label`.
    #[must_use]
    pub fn new(label: &Arc<str>, places: u32, queue: u32) -> Arc<Self> {
        Arc::new(Self {
            label: Arc::clone(label),
            places: places.max(1),
            taken: AtomicU32::new(0),
            queue: WaitQueue::new(queue),
        })
    }

    /// The plugin, as errors name it.
    #[must_use]
    pub fn label(&self) -> &Arc<str> {
        &self.label
    }

    /// The most calls at once.
    #[must_use]
    pub fn places(&self) -> u32 {
        self.places
    }

    /// The most calls that may wait.
    #[must_use]
    pub fn queue(&self) -> u32 {
        self.queue.bound()
    }

    /// How many calls wait for a place.
    #[must_use]
    pub fn waiting(&self) -> u32 {
        self.queue.waiting()
    }

    /// How long calls waited that had to, and wait no more.
    #[must_use]
    pub fn waited(&self) -> DurationStats {
        self.queue.waited()
    }

    /// Takes a place, waiting for one on the caller's thread until `deadline`.
    ///
    /// # Errors
    ///
    /// `overloaded` at once if the queue is full, or at the deadline.
    pub fn enter(self: &Arc<Self>, deadline: Instant) -> Result<Place, CallError> {
        let place = self.queue.wait(Some(deadline), None, || self.try_enter());
        place.map_err(|error| self.refusal(error))
    }

    /// As [`Bulkhead::enter`], without blocking a thread. The caller bounds the wait.
    ///
    /// # Cancel safety
    ///
    /// Dropped, the future leaves the queue.
    ///
    /// # Errors
    ///
    /// `overloaded` at once if the queue is full.
    pub async fn enter_async(self: &Arc<Self>) -> Result<Place, CallError> {
        let place = self.queue.wait_async(None, || self.try_enter()).await;
        place.map_err(|error| self.refusal(error))
    }

    /// Takes a place if one is free.
    #[must_use]
    pub fn try_enter(self: &Arc<Self>) -> Option<Place> {
        let more = |taken: u32| (taken < self.places).then_some(taken + 1);
        let entered = self.taken.fetch_update(SeqCst, SeqCst, more);
        entered.is_ok().then(|| Place(Arc::clone(self)))
    }

    #[cold]
    fn refusal(&self, error: WaitError) -> CallError {
        match error {
            WaitError::Full => self.full(),
            WaitError::Late | WaitError::Cancelled => self.late(),
        }
    }

    fn full(&self) -> CallError {
        let (queue, places) = (self.queue.bound(), self.places);
        self.overloaded(format!(
            "expected at most {queue} calls to wait, found as many, and all {places} places taken"
        ))
    }

    /// The error of a call that waited for a place until its deadline.
    #[cold]
    #[must_use]
    pub fn late(&self) -> CallError {
        let places = self.places;
        self.overloaded(format!("expected a place within its deadline, found all {places} taken"))
    }

    /// The error of a call that was not made because something else was not free in time.
    #[cold]
    #[must_use]
    pub fn overloaded(&self, message: String) -> CallError {
        overloaded(&self.label, message)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.taken.fetch_sub(1, SeqCst);
        self.0.queue.wake_one();
    }
}

#[cfg(test)]
mod tests {
    use std::future::Future;
    use std::sync::atomic::AtomicUsize;
    use std::task::{Context, Poll, Waker};
    use std::thread;
    use std::time::Duration;

    use super::*;
    use crate::CallErrorKind;

    const LONG: Duration = Duration::from_secs(20);

    fn bulkhead(places: u32, queue: u32) -> Arc<Bulkhead> {
        Bulkhead::new(&Arc::from("p@1.0.0"), places, queue)
    }

    fn refused(bulkhead: &Arc<Bulkhead>, within: Duration) -> CallError {
        let error = bulkhead.enter(Instant::now() + within).map(drop).unwrap_err();
        assert_eq!((error.kind(), error.plugin()), (CallErrorKind::Overloaded, Some("p@1.0.0")));
        assert!(error.wait().is_some());
        error
    }

    #[test]
    fn the_queue_is_bounded_and_a_wait_ends_at_the_deadline() {
        let places = bulkhead(1, 0);
        let place = places.enter(Instant::now()).unwrap();
        let begun = Instant::now();
        assert!(refused(&places, LONG).message().contains("at most 0 calls to wait"));
        assert!(begun.elapsed() < LONG, "it waited");
        drop(place);
        drop(places.enter(Instant::now()).unwrap());

        let places = bulkhead(1, 1);
        let _place = places.enter(Instant::now()).unwrap();
        let begun = Instant::now();
        let error = refused(&places, Duration::from_millis(30));
        assert!(error.message().contains("within its deadline"), "{error}");
        assert!(begun.elapsed() >= Duration::from_millis(30));
        assert_eq!(places.waiting(), 0);
    }

    #[test]
    fn calls_without_a_thread_wait_in_the_same_queue() {
        let places = bulkhead(1, 1);
        let place = places.enter(Instant::now()).unwrap();
        let mut context = Context::from_waker(Waker::noop());
        let mut waits = Box::pin(places.enter_async());
        assert!(waits.as_mut().poll(&mut context).is_pending());
        assert!(refused(&places, LONG).message().contains("at most 1 calls to wait"));
        let mut second = Box::pin(places.enter_async());
        assert!(matches!(second.as_mut().poll(&mut context), Poll::Ready(Err(_))));
        drop(waits);
        assert_eq!(places.waiting(), 0, "it left the queue");
        drop(place);
        drop(places.enter(Instant::now()).unwrap());
    }

    #[test]
    fn two_places_given_back_at_once_wake_two() {
        let places = bulkhead(2, 2);
        let taken = [(); 2].map(|()| places.enter(Instant::now()).unwrap());
        let mut waiters = [(); 2].map(|()| Box::pin(places.enter_async()));
        let mut context = Context::from_waker(Waker::noop());
        for waiter in &mut waiters {
            assert!(waiter.as_mut().poll(&mut context).is_pending());
        }
        assert_eq!(places.waiting(), 2);
        // No waiter is polled between the two drops.
        drop(taken);
        // Both results are kept, so that neither waiter gets the other's place.
        let entered = waiters.each_mut().map(|waiter| waiter.as_mut().poll(&mut context));
        assert!(entered.iter().all(|it| matches!(it, Poll::Ready(Ok(_)))));
        assert_eq!(places.waiting(), 0);
    }

    #[test]
    fn under_load_the_limit_holds_and_no_call_is_forgotten() {
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
        assert_eq!((places.waiting(), places.taken.load(SeqCst)), (0, 0));
    }
}
