//! Options of a call.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Instant;

use plugbay_core::{CallError, CallErrorKind, Cancel, Context, Correlation};

/// Options of a call. By default it is made once, by any provider, with the deadline of the
/// plugin's policy.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct CallOptions<'a> {
    /// Whether the call may be repeated: if it fails half-way, another provider may get it.
    pub repeatable: bool,
    /// The key of a sticky call: calls with the same key go to the same provider, where several
    /// share the calls.
    pub key: Option<&'a [u8]>,
    /// The deadline of the call, all providers and nested calls included.
    pub deadline: Option<Instant>,
    /// Cancels the call when its caller no longer waits for the answer.
    pub cancel: Option<&'a Cancel>,
    /// The request that the call belongs to: its plugins can read the request's id and trace context.
    pub correlation: Option<&'a Arc<Correlation>>,
}

impl<'a> CallOptions<'a> {
    /// The options of a codec's call, which has no effects and may be repeated.
    pub(crate) fn codec() -> Self {
        Self::default().repeatable(true)
    }

    /// Sets whether the call may be repeated.
    #[must_use]
    pub fn repeatable(mut self, repeatable: bool) -> Self {
        self.repeatable = repeatable;
        self
    }

    /// Makes the choice of the provider sticky by `key`.
    #[must_use]
    pub fn key(mut self, key: Option<&'a [u8]>) -> Self {
        self.key = key;
        self
    }

    /// Ends the call at `deadline`. A plugin that was called and gives no answer by then is blamed
    /// for it.
    #[must_use]
    pub fn until(mut self, deadline: Instant) -> Self {
        self.deadline = Some(deadline);
        self
    }

    /// Ends the call soon after `cancel` is cancelled. The plugin is not blamed.
    #[must_use]
    pub fn cancelled_by(mut self, cancel: &'a Cancel) -> Self {
        self.cancel = Some(cancel);
        self
    }

    /// Sets the request that the call, nested calls included, belongs to.
    ///
    /// ```
    /// use std::sync::Arc;
    ///
    /// use plugbay::{CallOptions, Correlation};
    ///
    /// let request = Arc::new(Correlation::default().request_id("order-7".parse()?));
    /// let options = CallOptions::default().correlated(&request);
    /// # assert_eq!(options.correlation, Some(&request));
    /// # Ok::<(), plugbay::RequestIdError>(())
    /// ```
    #[must_use]
    pub fn correlated(mut self, correlation: &'a Arc<Correlation>) -> Self {
        self.correlation = Some(correlation);
        self
    }

    /// Adds the request, the deadline and the cancellation to the context of the call.
    ///
    /// # Errors
    /// `deadline`, without blaming a plugin, if the deadline has passed.
    #[inline]
    pub(crate) fn bound<'c>(&self, context: Context<'c>) -> Result<Context<'c>, CallError>
    where
        'a: 'c,
    {
        let context = match self.correlation {
            Some(correlation) => context.correlated(correlation),
            None => context,
        };
        let context = match self.cancel {
            Some(cancel) => context.cancelled_by(cancel),
            None => context,
        };
        match self.deadline {
            None => Ok(context),
            Some(deadline) => bounded(context.until(deadline)),
        }
    }
}

#[cold]
fn bounded(context: Context<'_>) -> Result<Context<'_>, CallError> {
    if context.is_late() {
        let message = "the deadline passed before the call began";
        return Err(CallError::new(CallErrorKind::Deadline, message));
    }
    Ok(context)
}

/// The future of an asynchronous call.
pub type CallFuture<'a, R> = Pin<Box<dyn Future<Output = Result<R, CallError>> + Send + 'a>>;
