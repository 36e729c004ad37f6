//! The asynchronous face of calls that block.

use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use plugbay_core::{CallError, CallErrorKind, Context};
use tokio::runtime::Handle;
use tokio::time::timeout_at;
use tokio_util::context::TokioContext;

use crate::bulkhead::Bulkhead;

/// Whose calls block, and for how long they may.
pub(crate) struct Blocking {
    /// Whose threads for blocking work serve the call.
    pub(crate) tokio: Handle,
    /// Where the call needs a place before it gets a thread.
    pub(crate) bulkhead: Arc<Bulkhead>,
    /// How long the call may take, the wait for a place and for a thread included.
    pub(crate) deadline: Duration,
    /// How long past its deadline the call itself may say that it passed.
    pub(crate) grace: Duration,
}

impl Blocking {
    /// Makes the call on a thread that may block, once it has a place, from the first poll on. It
    /// is given its context and its deadline.
    ///
    /// If the caller goes, or the deadline passes, the call ends by itself: a thread cannot be
    /// stopped. It holds its place until it does. A call that waits for its place ends with its
    /// caller. The caller needs no tokio of its own.
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
            // The caller waits no longer than it may; a thread has the plugin's own time.
            let leaves = owned.get().deadline();
            let until = leaves.map_or(ends, |leaves| leaves.min(ends));
            let Ok(place) = timeout_at(until.into(), bulkhead.enter_async()).await else {
                return Err(bulkhead.late());
            };
            let place = place?;
            let work = tokio.spawn_blocking(move || {
                let _place = place;
                call(&owned.get(), ends)
            });
            let until = leaves.map_or(ends + grace, |leaves| leaves.min(ends + grace));
            match timeout_at(until.into(), work).await {
                Ok(Ok(answer)) => answer,
                Ok(Err(error)) => {
                    let error = CallError::new(CallErrorKind::Internal, error.to_string());
                    Err(error.of(bulkhead.label()))
                }
                Err(_elapsed) => {
                    let within = until.saturating_duration_since(begun).min(deadline);
                    let message = format!("expected an answer within {within:.3?}");
                    Err(CallError::new(CallErrorKind::Deadline, message).of(bulkhead.label()))
                }
            }
        };
        Box::pin(TokioContext::new(bounded, timers))
    }
}
