//! Codec calls off the async threads, a bounded number for each codec.
//!
//! A codec may compute for as long as its limits let it, and the threads that may block are
//! counted. Without a bound of its own, one slow codec would take all of them and every other
//! codec would wait behind it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use axum::http::StatusCode;
use tokio::sync::Semaphore;
use tokio::time::Instant;
use tracing::Span;

use super::routes::late;
use crate::problem::Problem;

/// Calls of one codec at once. tokio has 512 threads that may block.
const AT_ONCE: usize = 48;

/// The bounds of all codecs, by name.
#[derive(Default)]
pub(super) struct Bulkheads(Mutex<HashMap<String, Arc<Semaphore>>>);

impl Bulkheads {
    /// Calls the codec `name` on a thread that may block. `name` must be one that there is or
    /// was: the bounds are kept.
    ///
    /// A call that has begun goes on when the deadline passes, until its own limits end it.
    pub(super) async fn run<R: Send + 'static>(
        &self,
        name: &str,
        deadline: Instant,
        call: impl FnOnce() -> R + Send + 'static,
    ) -> Result<R, Problem> {
        let bound = {
            let mut bounds = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            if !bounds.contains_key(name) {
                bounds.insert(name.to_owned(), Arc::new(Semaphore::new(AT_ONCE)));
            }
            Arc::clone(&bounds[name])
        };
        let Ok(permit) = tokio::time::timeout_at(deadline, bound.acquire_owned()).await else {
            let detail = "too many calls of this codec are under way";
            return Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, "overloaded", detail));
        };
        let span = Span::current();
        let called = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            span.in_scope(call)
        });
        match tokio::time::timeout_at(deadline, called).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(_panicked)) => {
                tracing::error!(reason = "panic", "the call panicked");
                let detail = "the server failed";
                Err(Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", detail))
            }
            Err(_elapsed) => Err(late()),
        }
    }
}
