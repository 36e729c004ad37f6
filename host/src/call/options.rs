//! How a call may be made.

use std::pin::Pin;
use std::time::Instant;

use plugbay_core::{CallError, CallErrorKind, Cancel, Context};

/// How a call may be made: by default once, by any provider, in the time that the plugin's policy gives
/// it.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct CallOptions<'a> {
    /// Whether it may be made twice: then a provider that failed half-way is followed by another.
    pub repeatable: bool,
    /// Calls of the same key find the same provider, where several share the calls.
    pub key: Option<&'a [u8]>,
    /// When it must be over, all providers and nested calls included.
    pub deadline: Option<Instant>,
    /// Says that the caller stopped waiting for the answer.
    pub cancel: Option<&'a Cancel>,
}

impl<'a> CallOptions<'a> {
    /// A codec's call: it changes nothing.
    pub(crate) fn codec() -> Self {
        Self::default().repeatable(true)
    }

    /// A call that may be made twice.
    #[must_use]
    pub fn repeatable(mut self, repeatable: bool) -> Self {
        self.repeatable = repeatable;
        self
    }

    /// A call whose choice of provider is sticky by `key`.
    #[must_use]
    pub fn key(mut self, key: Option<&'a [u8]>) -> Self {
        self.key = key;
        self
    }

    /// A call that must be over at `deadline`. A plugin that is called and gives no answer by then
    /// is blamed for it.
    #[must_use]
    pub fn until(mut self, deadline: Instant) -> Self {
        self.deadline = Some(deadline);
        self
    }

    /// A call that ends soon after `cancel` says that the caller stopped waiting. The plugin is not
    /// blamed.
    #[must_use]
    pub fn cancelled_by(mut self, cancel: &'a Cancel) -> Self {
        self.cancel = Some(cancel);
        self
    }

    /// The context of the call.
    ///
    /// # Errors
    ///
    /// `deadline`, with no plugin to blame, if no time is left for it.
    #[inline]
    pub(crate) fn bound<'c>(&self, context: Context<'c>) -> Result<Context<'c>, CallError>
    where
        'a: 'c,
    {
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
        let message = "expected to be called before the deadline";
        return Err(CallError::new(CallErrorKind::Deadline, message));
    }
    Ok(context)
}

/// An answer that is waited for.
pub type CallFuture<'a, R> = Pin<Box<dyn Future<Output = Result<R, CallError>> + Send + 'a>>;
