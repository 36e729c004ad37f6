//! The context of a call.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde::Serialize;

use crate::call::{CallError, CallErrorKind};
use crate::correlation::Correlation;
use crate::kind::codec::direction::Direction;
use crate::kind::codec::future::CodecFuture;

/// The maximum depth of calls from plugin to plugin.
pub const MAX_DEPTH: u8 = 8;

/// The services of the host for a plugin during a call: the codecs of the generation in which the
/// call began.
pub trait Services: Send + Sync + 'static {
    /// All codecs, sorted by name.
    fn codecs(&self) -> Vec<CodecInfo>;

    /// Converts with the codec `name`. `context` is that of the call to make, so
    /// [nested](Context::nested) in that of the plugin that calls.
    ///
    /// # Errors
    ///
    /// `unsupported` for an unknown name; otherwise the codec's own error.
    fn convert(
        &self,
        context: &Context<'_>,
        name: &str,
        direction: Direction,
        input: &[u8],
    ) -> Result<Vec<u8>, CallError>;

    /// As [`Services::convert`], by the codec's
    /// [`convert_async`](crate::codec::CodecCall::convert_async).
    fn convert_async<'a>(
        &'a self,
        context: Context<'a>,
        name: &'a str,
        direction: Direction,
        input: Vec<u8>,
    ) -> CodecFuture<'a> {
        Box::pin(async move { self.convert(&context, name, direction, &input) })
    }
}

/// The services of a host without codecs: for callers that run a plugin without a host.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoServices;

impl Services for NoServices {
    fn codecs(&self) -> Vec<CodecInfo> {
        Vec::new()
    }

    fn convert(
        &self,
        _: &Context<'_>,
        name: &str,
        _: Direction,
        _: &[u8],
    ) -> Result<Vec<u8>, CallError> {
        let message = format!("no codec {name:?}: this host has no codecs");
        Err(CallError::new(CallErrorKind::Unsupported, message))
    }
}

/// A codec, as other plugins see it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CodecInfo {
    /// The capability's name.
    pub name: String,
    /// Its media types, the preferred one first.
    pub media_types: Vec<String>,
}

/// Cancels a call: its caller no longer waits for the answer.
#[derive(Clone, Debug, Default)]
pub struct Cancel(Arc<AtomicBool>);

impl Cancel {
    /// Cancels the call. This cannot be undone.
    pub fn cancel(&self) {
        // Relaxed: the flag protects no other data, and is polled.
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether the call was cancelled.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// The context of a call of a plugin: the host's services in the caller's snapshot and the number of its
/// generation, the request that the call belongs to, the depth of the call, its deadline, and whether it
/// was cancelled.
///
/// A call may take the lesser of two times: the limit of each call in the plugin's policy, and the
/// time until the context's deadline, which the calls of one request share.
#[derive(Clone, Copy)]
pub struct Context<'a> {
    services: &'a Arc<dyn Services>,
    /// Zero: none.
    generation: u64,
    correlation: Option<&'a Arc<Correlation>>,
    depth: u8,
    deadline: Option<Instant>,
    cancel: Option<&'a Cancel>,
}

impl<'a> Context<'a> {
    /// The context of a call from outside that belongs to no request and no generation. It has no
    /// deadline: only the plugin's policy limits its time.
    #[must_use]
    pub fn new(services: &'a Arc<dyn Services>) -> Self {
        Self { services, generation: 0, correlation: None, depth: 0, deadline: None, cancel: None }
    }

    /// Sets the generation with which the call begins. The number 0 stands for none.
    #[must_use]
    #[inline]
    pub fn in_generation(mut self, number: u64) -> Self {
        self.generation = number;
        self
    }

    /// Sets the request that the call belongs to.
    #[must_use]
    pub fn correlated(mut self, correlation: &'a Arc<Correlation>) -> Self {
        self.correlation = Some(correlation);
        self
    }

    /// Ends the call at `deadline`, or at an earlier deadline that is set already.
    #[must_use]
    pub fn until(mut self, deadline: Instant) -> Self {
        self.deadline = Some(self.deadline.map_or(deadline, |mine| mine.min(deadline)));
        self
    }

    /// Ends the call soon after `cancel` is cancelled.
    #[must_use]
    pub fn cancelled_by(mut self, cancel: &'a Cancel) -> Self {
        self.cancel = Some(cancel);
        self
    }

    /// The context of a call that a plugin makes during a call with this context.
    ///
    /// # Errors
    ///
    /// `unsupported` past [`MAX_DEPTH`].
    pub fn nested(self) -> Result<Self, CallError> {
        if self.depth >= MAX_DEPTH {
            let message = format!(
                "calls between plugins are nested too deep: expected at most {MAX_DEPTH} levels"
            );
            return Err(CallError::new(CallErrorKind::Unsupported, message));
        }
        Ok(Self { depth: self.depth + 1, ..self })
    }

    /// The host's services. Cloning the `Arc` keeps the caller's snapshot alive.
    #[must_use]
    pub fn services(&self) -> &'a Arc<dyn Services> {
        self.services
    }

    /// The number of the generation with which the call began.
    #[must_use]
    pub fn generation(&self) -> Option<u64> {
        (self.generation != 0).then_some(self.generation)
    }

    /// The request that the call belongs to.
    #[must_use]
    pub fn correlation(&self) -> Option<&'a Arc<Correlation>> {
        self.correlation
    }

    /// The request that the call belongs to, if its spans are recorded.
    #[must_use]
    #[inline]
    pub fn recorded(&self) -> Option<&'a Arc<Correlation>> {
        self.correlation.filter(|correlation| correlation.is_recorded())
    }

    /// How many plugins called each other above this call.
    #[must_use]
    pub fn depth(&self) -> u8 {
        self.depth
    }

    /// The deadline of the call; the plugin's policy may end it earlier.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    /// The end of a call that began at `begun` and may take `within` by the plugin's policy; `None`
    /// if the clock cannot represent it.
    #[must_use]
    pub fn ends(&self, begun: Instant, within: Duration) -> Option<Instant> {
        match (begun.checked_add(within), self.deadline) {
            (Some(own), Some(deadline)) => Some(own.min(deadline)),
            (own, deadline) => own.or(deadline),
        }
    }

    /// Whether the deadline has passed.
    #[must_use]
    pub fn is_late(&self) -> bool {
        self.deadline.is_some_and(|deadline| deadline <= Instant::now())
    }

    /// Whether the caller no longer waits for the answer.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.cancel.is_some_and(Cancel::is_cancelled)
    }

    /// The token that cancels the call, if there is one.
    #[must_use]
    pub fn cancel(&self) -> Option<&'a Cancel> {
        self.cancel
    }

    /// An owned copy, for work that outlives the borrow of the caller.
    #[must_use]
    pub fn to_owned(&self) -> OwnedContext {
        OwnedContext {
            services: Arc::clone(self.services),
            generation: self.generation,
            correlation: self.correlation.cloned(),
            depth: self.depth,
            deadline: self.deadline,
            cancel: self.cancel.cloned(),
        }
    }
}

impl fmt::Debug for Context<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context")
            .field("generation", &self.generation)
            .field("correlation", &self.correlation)
            .field("depth", &self.depth)
            .field("deadline", &self.deadline)
            .field("cancelled", &self.is_cancelled())
            .finish_non_exhaustive()
    }
}

/// A [`Context`] that owns its parts: for another thread, or for an instance that needs the
/// services during a call. It keeps the caller's snapshot alive.
#[derive(Clone)]
pub struct OwnedContext {
    services: Arc<dyn Services>,
    generation: u64,
    correlation: Option<Arc<Correlation>>,
    depth: u8,
    deadline: Option<Instant>,
    cancel: Option<Cancel>,
}

impl OwnedContext {
    /// The context.
    #[must_use]
    pub fn get(&self) -> Context<'_> {
        Context {
            services: &self.services,
            generation: self.generation,
            correlation: self.correlation.as_ref(),
            depth: self.depth,
            deadline: self.deadline,
            cancel: self.cancel.as_ref(),
        }
    }
}

impl fmt::Debug for OwnedContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.get().fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_nested_call_inherits_the_deadline_and_cannot_extend_it() {
        let services: Arc<dyn Services> = Arc::new(NoServices);
        let (now, second) = (Instant::now(), Duration::from_secs(1));
        let outer = Context::new(&services);
        assert_eq!(outer.ends(now, second), Some(now + second));
        assert_eq!(outer.ends(now, Duration::MAX), None);
        let outer = outer.until(now + second).until(now + 2 * second);
        let inner = outer.nested().unwrap();
        assert_eq!((inner.depth(), inner.deadline()), (1, Some(now + second)));
        assert_eq!(inner.ends(now, 3 * second), Some(now + second));
        assert_eq!(inner.ends(now, second / 2), Some(now + second / 2));
        assert_eq!(inner.ends(now, Duration::MAX), Some(now + second));
    }

    #[test]
    fn a_nested_call_belongs_to_the_same_request_and_generation() {
        let services: Arc<dyn Services> = Arc::new(NoServices);
        let outside = Context::new(&services);
        assert_eq!((outside.generation(), outside.correlation()), (None, None));
        let id = "request-7".parse().unwrap();
        let correlation = Arc::new(Correlation::default().request_id(id));
        let outer = outside.in_generation(3).correlated(&correlation);
        let nested = outer.nested().unwrap().to_owned();
        assert_eq!(nested.get().generation(), Some(3));
        assert!(Arc::ptr_eq(nested.get().correlation().unwrap(), &correlation));
    }

    #[test]
    fn a_cancellation_reaches_nested_calls() {
        let services: Arc<dyn Services> = Arc::new(NoServices);
        let cancel = Cancel::default();
        let kept = Context::new(&services).cancelled_by(&cancel).nested().unwrap().to_owned();
        assert!(!kept.get().is_cancelled());
        cancel.cancel();
        assert!(kept.get().is_cancelled() && !Context::new(&services).is_cancelled());
    }

    #[test]
    fn calls_nest_to_the_maximum_depth() {
        let services: Arc<dyn Services> = Arc::new(NoServices);
        let deepest = (0..MAX_DEPTH).try_fold(Context::new(&services), |it, _| it.nested());
        let error = deepest.unwrap().nested().unwrap_err();
        assert_eq!(error.kind(), CallErrorKind::Unsupported);
    }
}
