//! Codec calls off the async threads, a bounded number for each plugin and for all together.
//!
//! A codec may compute for as long as its limits let it, and the threads that may block are
//! counted. Each plugin gets as many of them as it may have `instances`, and as many calls may wait
//! as its `queue` says: a call beyond that is refused at once. A call that has waited for half of its
//! time is refused as well: a plugin with little time left would be blamed for being late.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use axum::http::StatusCode;
use plugbay::{CallOptions, Cancel, CapabilityLease, Codec};
use tokio::sync::{AcquireError, OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout_at};
use tracing::Span;

use super::context::{BACKSTOP, late};
use crate::problem::Problem;

/// Calls of all codecs at once. tokio has 512 threads that may block, and codecs are not alone.
const THREADS: usize = 384;
/// The most of them that one plugin gets, however many `instances` it may have.
const MOST: usize = 128;

/// The bounds of all plugins.
pub(super) struct Bulkheads {
    threads: Arc<Semaphore>,
    /// By plugin; a capability that several plugins offer has bounds of its own, so that one which
    /// hangs leaves room for those that stand in for it.
    plugins: Mutex<HashMap<String, Arc<Bulkhead>>>,
}

impl Default for Bulkheads {
    fn default() -> Self {
        Self { threads: Arc::new(Semaphore::new(THREADS)), plugins: Mutex::default() }
    }
}

impl Bulkheads {
    /// Makes a call on a thread that may block, with a deadline and a cancellation that follows its
    /// client.
    ///
    /// A call that waits ends with this future. One that has begun is told to end, and holds its
    /// place until it does.
    pub(super) async fn run<R: Send + 'static>(
        &self,
        codec: CapabilityLease<Codec>,
        deadline: Instant,
        call: impl FnOnce(&CapabilityLease<Codec>, CallOptions<'_>) -> R + Send + 'static,
    ) -> Result<R, Problem> {
        let place = self.of(&codec).enter(&self.threads, deadline).await?;
        let cancel = Cancel::default();
        let _gone = CancelOnDrop(cancel.clone());
        let span = Span::current();
        let called = tokio::task::spawn_blocking(move || {
            let _place = place;
            let how = CallOptions::default().until(deadline.into_std()).cancelled_by(&cancel);
            span.in_scope(|| call(&codec, how))
        });
        match timeout_at(deadline + BACKSTOP, called).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(_panicked)) => {
                tracing::error!(reason = "panic", "the call panicked");
                let detail = "the server failed";
                Err(Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", detail))
            }
            Err(_elapsed) => Err(late()),
        }
    }

    /// The bulkhead of the codec's plugin, sized by its current policy.
    fn of(&self, codec: &CapabilityLease<Codec>) -> Arc<Bulkhead> {
        let (places, queue) = codec.policies().fold((0, 0), |(places, queue): (usize, _), it| {
            (places.saturating_add(size(it.instances)), size(it.queue).max(queue))
        });
        let places = places.clamp(1, MOST);
        let name = codec.bulkhead();
        let mut plugins = self.plugins.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = plugins.get(&*name)
            && (known.most, known.queue) == (places, queue)
        {
            return Arc::clone(known);
        }
        // Bulkheads without a call are dropped: plugins come and go.
        plugins.retain(|_, it| Arc::strong_count(it) > 1);
        let bulkhead = Arc::new(Bulkhead::new(places, queue));
        plugins.insert(name.into_owned(), Arc::clone(&bulkhead));
        bulkhead
    }
}

fn size(number: u32) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

/// Cancels the call when the request is dropped: its client is gone, or has its answer.
struct CancelOnDrop(Cancel);

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        self.0.cancel();
    }
}

/// The bounds of one plugin.
struct Bulkhead {
    places: Arc<Semaphore>,
    most: usize,
    queue: usize,
    waiting: AtomicUsize,
}

/// The right to one thread, until it is dropped.
struct Place {
    _plugin: OwnedSemaphorePermit,
    _thread: OwnedSemaphorePermit,
    _bulkhead: Arc<Bulkhead>,
}

impl Bulkhead {
    fn new(most: usize, queue: usize) -> Self {
        let places = Arc::new(Semaphore::new(most));
        Self { places, most, queue, waiting: AtomicUsize::new(0) }
    }

    async fn enter(
        self: Arc<Self>,
        threads: &Arc<Semaphore>,
        deadline: Instant,
    ) -> Result<Place, Problem> {
        let free = Arc::clone(&self.places).try_acquire_owned().ok();
        if let Some(plugin) = free
            && let Ok(thread) = Arc::clone(threads).try_acquire_owned()
        {
            return Ok(Place { _plugin: plugin, _thread: thread, _bulkhead: self });
        }
        let more = |waiting: usize| (waiting < self.queue).then_some(waiting + 1);
        if self.waiting.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).is_err() {
            return Err(overloaded("the codec's queue is full"));
        }
        let waiting = Waiting(&self);
        let now = Instant::now();
        let half = now + deadline.saturating_duration_since(now) / 2;
        let places = Arc::clone(&self.places);
        let acquired = timeout_at(half, async {
            let plugin = places.acquire_owned().await?;
            Ok::<_, AcquireError>((plugin, Arc::clone(threads).acquire_owned().await?))
        });
        let acquired = acquired.await;
        drop(waiting);
        match acquired {
            Ok(Ok((plugin, thread))) => {
                Ok(Place { _plugin: plugin, _thread: thread, _bulkhead: self })
            }
            _ => Err(overloaded("no running call of this codec ended in time")),
        }
    }
}

/// A call that waits, until it is dropped.
struct Waiting<'a>(&'a Bulkhead);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::Relaxed);
    }
}

fn overloaded(detail: &'static str) -> Problem {
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, "overloaded", detail)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    async fn code(bulkhead: &Arc<Bulkhead>, threads: &Arc<Semaphore>, within: Duration) -> String {
        let place = Arc::clone(bulkhead).enter(threads, Instant::now() + within).await;
        place.map(drop).err().map_or("entered", |problem| problem.code()).to_owned()
    }

    #[tokio::test]
    async fn the_queue_is_bounded_and_half_of_the_time_is_kept_for_the_call() {
        const LONG: Duration = Duration::from_hours(1);
        let threads = Arc::new(Semaphore::new(2));
        let one = Arc::new(Bulkhead::new(1, 1));
        let inside = Arc::clone(&one).enter(&threads, Instant::now() + LONG).await.unwrap();
        let begun = Instant::now();
        let late = code(&one, &threads, Duration::from_millis(200)).await;
        assert_eq!(late, "overloaded");
        assert!(begun.elapsed() >= Duration::from_millis(100));
        let waits = tokio::spawn(Arc::clone(&one).enter_owned(Arc::clone(&threads), LONG));
        while one.waiting.load(Ordering::Relaxed) == 0 {
            tokio::task::yield_now().await;
        }
        assert_eq!(code(&one, &threads, LONG).await, "overloaded", "at once");
        drop(inside);
        drop(waits.await.unwrap());
        assert_eq!(code(&one, &threads, LONG).await, "entered");
        assert_eq!(one.waiting.load(Ordering::Relaxed), 0);
    }

    #[tokio::test]
    async fn one_plugin_leaves_threads_for_the_others_and_all_together_are_bounded() {
        const SHORT: Duration = Duration::from_millis(50);
        let threads = Arc::new(Semaphore::new(2));
        let [one, two, three] = [(); 3].map(|()| Arc::new(Bulkhead::new(1, 0)));
        let long = Instant::now() + Duration::from_hours(1);
        let _one = Arc::clone(&one).enter(&threads, long).await.unwrap();
        assert_eq!(code(&one, &threads, SHORT).await, "overloaded");
        let second = Arc::clone(&two).enter(&threads, long).await.unwrap();
        assert_eq!(code(&three, &threads, SHORT).await, "overloaded");
        drop(second);
        assert_eq!(code(&three, &threads, SHORT).await, "entered");
    }

    impl Bulkhead {
        /// For a task of its own.
        async fn enter_owned(self: Arc<Self>, threads: Arc<Semaphore>, within: Duration) -> Place {
            self.enter(&threads, Instant::now() + within).await.map_err(|it| it.code()).unwrap()
        }
    }
}
