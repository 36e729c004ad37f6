//! The asynchronous face of a handler whose calls block.

use std::sync::Arc;
use std::time::{Duration, Instant};

use plugbay_core::handler::{HandlerFuture, Response};
use plugbay_core::{CallError, CallErrorKind, Context};
use tokio::runtime::Handle;
use tokio_util::context::TokioContext;

/// Whose handler blocks, and for how long it may.
pub(crate) struct Blocking {
    /// Whose threads for blocking work serve the call.
    pub(crate) tokio: Handle,
    /// The plugin, as errors name it.
    pub(crate) label: Arc<str>,
    /// How long the call may take, the wait for a thread included.
    pub(crate) deadline: Duration,
    /// How long past its deadline the call itself may say that it passed.
    pub(crate) grace: Duration,
}

impl Blocking {
    /// Makes the call on a thread that may block, from the first poll on. It is given its context
    /// and its deadline.
    ///
    /// If the caller goes, or the deadline passes, the call ends by itself: a thread cannot be
    /// stopped. The caller needs no tokio of its own.
    pub(crate) fn call(
        self,
        context: Context<'_>,
        call: impl FnOnce(&Context<'_>, Instant) -> Result<Response, CallError> + Send + 'static,
    ) -> HandlerFuture<'_> {
        let (services, depth) = (Arc::clone(context.services()), context.depth());
        let timers = self.tokio.clone();
        Box::pin(async move {
            let Self { tokio, label, deadline, grace } = self;
            let ends = Instant::now() + deadline;
            let work = tokio.spawn_blocking(move || call(&Context::nested(&services, depth), ends));
            let bounded = async { tokio::time::timeout(deadline + grace, work).await };
            match TokioContext::new(bounded, timers).await {
                Ok(Ok(answer)) => answer,
                Ok(Err(error)) => {
                    Err(CallError::new(CallErrorKind::Internal, error.to_string()).of(&label))
                }
                Err(_elapsed) => {
                    let message = format!("expected an answer within {deadline:?}");
                    Err(CallError::new(CallErrorKind::Deadline, message).of(&label))
                }
            }
        })
    }
}
