//! Makes blocking calls for asynchronous callers.

use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use plugbay_core::{Bulkhead, CallError, CallErrorKind, Context, rounded};
use tokio::runtime::Handle;
use tokio::time::timeout_at;
use tokio_util::context::TokioContext;

/// Runs one blocking call on a thread of tokio.
pub(crate) struct Blocking {
    /// The runtime whose threads for blocking work run the call.
    pub(crate) tokio: Handle,
    /// The bulkhead in which the call needs a place before it gets a thread.
    pub(crate) bulkhead: Arc<Bulkhead>,
    /// How long the call may take, the wait for a place and for a thread included.
    pub(crate) deadline: Duration,
    /// How long past its deadline the call itself has to report that the deadline passed.
    pub(crate) grace: Duration,
}

impl Blocking {
    /// Makes the call, with its context and its deadline, on a thread that may block. Nothing happens
    /// before the first poll. The caller needs no tokio of its own.
    ///
    /// # Cancel safety
    ///
    /// A call that waits for its place is cancelled when the future is dropped. One that runs is not,
    /// since a thread cannot be stopped: it holds its place until it ends by itself.
    pub(crate) fn call<R: Send + 'static>(
        self,
        context: Context<'_>,
        call: impl FnOnce(&Context<'_>, Instant) -> Result<R, CallError> + Send + 'static,
    ) -> Pin<Box<dyn Future<Output = Result<R, CallError>> + Send + '_>> {
        let owned = context.to_owned();
        let timers = self.tokio.clone();
        let bounded = async move {
            let Self { tokio, bulkhead, deadline, grace } = self;
            let begun = Instant::now();
            let ends = begun + deadline;
            // The caller waits until its own deadline, the thread until the plugin's.
            let callers = owned.get().deadline();
            let until = callers.map_or(ends, |callers| callers.min(ends));
            let Ok(place) = timeout_at(until.into(), bulkhead.enter_async()).await else {
                return Err(bulkhead.late());
            };
            let place = place?;
            // What the plugin logs belongs to the request of the caller.
            let span = tracing::Span::current();
            let work = tokio.spawn_blocking(move || {
                let _place = place;
                span.in_scope(|| call(&owned.get(), ends))
            });
            let until = callers.map_or(ends + grace, |callers| callers.min(ends + grace));
            match timeout_at(until.into(), work).await {
                Ok(Ok(answer)) => answer,
                Ok(Err(error)) => {
                    let error = CallError::new(CallErrorKind::Internal, error.to_string());
                    Err(error.of(bulkhead.label()))
                }
                Err(_elapsed) => {
                    let within = until.saturating_duration_since(begun).min(deadline);
                    let message = format!("expected an answer within {:?}", rounded(within));
                    Err(CallError::new(CallErrorKind::Deadline, message).of(bulkhead.label()))
                }
            }
        };
        Box::pin(TokioContext::new(bounded, timers))
    }
}
