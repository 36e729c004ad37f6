//! Codec calls on threads that may block, a bounded number for each plugin and for all together.
//!
//! A codec may compute for as long as its limits let it, and tokio has a bounded number of threads that
//! may block. Each plugin gets as many of them as it may have `instances`, and as many calls may wait
//! for one as its `queue` says: a call beyond that is refused at once. (A call that has a place of its
//! plugin, and waits because all plugins together have taken all threads, is not in that queue: there
//! are no more of those than the plugin has places.) A call that has waited for half of its time is
//! refused as well: a plugin with little time left would be blamed for being late.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use axum::http::StatusCode;
use plugbay::runtime::{Bulkhead, Place};
use plugbay::{CallError, CallOptions, Cancel, CapabilityLease, Codec};
use tokio::time::{Instant, timeout_at};
use tracing::Span;

use super::context::{BACKSTOP, late};
use crate::problem::Problem;

/// Calls of all codecs at once. tokio has 512 threads that may block, and others need some of them.
const THREADS: u32 = 384;
/// The most of them that one plugin gets, however many `instances` it may have.
const MOST: u32 = 128;

/// The bounds of all plugins.
pub(super) struct Bulkheads {
    /// One place for each thread. The bulkheads of the plugins bound how many calls wait for one.
    threads: Arc<Bulkhead>,
    /// By plugin; a capability that several plugins offer has bounds of its own, so that one which
    /// hangs leaves room for those that stand in for it.
    plugins: Mutex<HashMap<String, Arc<Bulkhead>>>,
}

impl Default for Bulkheads {
    fn default() -> Self {
        let threads = Bulkhead::new(&Arc::from("codecs"), THREADS, u32::MAX);
        Self { threads, plugins: Mutex::default() }
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
        let places = enter(&self.of(&codec), &self.threads, deadline).await;
        let places = places.map_err(|error| overloaded(&error))?;
        let cancel = Cancel::default();
        let _gone = CancelOnDrop(cancel.clone());
        let span = Span::current();
        let called = tokio::task::spawn_blocking(move || {
            let _places = places;
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
        let (places, queue) = codec.policies().fold((0, 0), |(places, queue): (u32, u32), it| {
            (places.saturating_add(it.instances), queue.max(it.queue))
        });
        let places = places.clamp(1, MOST);
        let name = codec.bulkhead();
        let mut plugins = self.plugins.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = plugins.get(&*name)
            && (known.places(), known.queue()) == (places, queue)
        {
            return Arc::clone(known);
        }
        // Bulkheads without a call are dropped: plugins come and go.
        plugins.retain(|_, it| Arc::strong_count(it) > 1);
        let bulkhead = Bulkhead::new(&Arc::from(&*name), places, queue);
        plugins.insert(name.into_owned(), Arc::clone(&bulkhead));
        bulkhead
    }
}

/// Takes a place of the plugin, and then one of those that all plugins share. Half of the time until
/// the deadline is kept for the call.
async fn enter(
    plugin: &Arc<Bulkhead>,
    threads: &Arc<Bulkhead>,
    deadline: Instant,
) -> Result<(Place, Place), CallError> {
    let now = Instant::now();
    let half = now + deadline.saturating_duration_since(now) / 2;
    Ok((enter_until(plugin, half).await?, enter_until(threads, half).await?))
}

async fn enter_until(bulkhead: &Arc<Bulkhead>, deadline: Instant) -> Result<Place, CallError> {
    timeout_at(deadline, bulkhead.enter_async()).await.unwrap_or_else(|_| Err(bulkhead.late()))
}

fn overloaded(error: &CallError) -> Problem {
    let detail = error.message().to_owned();
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, error.reason(), detail)
}

/// Cancels the call when the request is dropped: its client is gone, or has its answer.
struct CancelOnDrop(Cancel);

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        self.0.cancel();
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const LONG: Duration = Duration::from_hours(1);

    fn bulkhead(places: u32, queue: u32) -> Arc<Bulkhead> {
        Bulkhead::new(&Arc::from("a"), places, queue)
    }

    fn threads(places: u32) -> Arc<Bulkhead> {
        bulkhead(places, u32::MAX)
    }

    async fn entered(
        plugin: &Arc<Bulkhead>,
        threads: &Arc<Bulkhead>,
        within: Duration,
    ) -> Result<(Place, Place), &'static str> {
        let places = enter(plugin, threads, Instant::now() + within).await;
        places.map_err(|error| overloaded(&error).code())
    }

    async fn code(plugin: &Arc<Bulkhead>, threads: &Arc<Bulkhead>, within: Duration) -> String {
        entered(plugin, threads, within).await.map(drop).err().unwrap_or("entered").to_owned()
    }

    #[tokio::test]
    async fn the_queue_is_bounded_and_half_of_the_time_is_kept_for_the_call() {
        let (threads, one) = (threads(2), bulkhead(1, 1));
        let inside = entered(&one, &threads, LONG).await.unwrap();
        let begun = Instant::now();
        let late = code(&one, &threads, Duration::from_millis(200)).await;
        assert_eq!(late, "overloaded");
        assert!(begun.elapsed() >= Duration::from_millis(100));
        let waits = tokio::spawn({
            let (one, threads) = (Arc::clone(&one), Arc::clone(&threads));
            async move { entered(&one, &threads, LONG).await.unwrap() }
        });
        while one.waiting() == 0 {
            tokio::task::yield_now().await;
        }
        assert_eq!(code(&one, &threads, LONG).await, "overloaded", "at once");
        drop(inside);
        drop(waits.await.unwrap());
        assert_eq!(code(&one, &threads, LONG).await, "entered");
        assert_eq!(one.waiting(), 0);
    }

    #[tokio::test]
    async fn one_plugin_leaves_threads_for_the_others_and_all_together_are_bounded() {
        const SHORT: Duration = Duration::from_millis(50);
        let threads = threads(2);
        let [one, two, three] = [(); 3].map(|()| bulkhead(1, 0));
        let _one = entered(&one, &threads, LONG).await.unwrap();
        assert_eq!(code(&one, &threads, SHORT).await, "overloaded");
        let second = entered(&two, &threads, LONG).await.unwrap();
        assert_eq!(code(&three, &threads, SHORT).await, "overloaded");
        assert_eq!(threads.waiting(), 0);
        drop(second);
        assert_eq!(code(&three, &threads, SHORT).await, "entered");
    }
}
