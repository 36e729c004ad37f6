//! Recognizes failures of a plugin that were caused by the rejection of a call that it made.

use std::time::Duration;

use crate::{Blame, CallError, CallErrorKind};

/// Records whether a call that the plugin made was rejected before it began: the other plugin was
/// overloaded, its breaker was open, or it was unhealthy or retired.
///
/// A runtime notes the error of each call that the plugin makes. If the plugin then answers
/// `unavailable`, the error becomes `overloaded`: the plugin did not fail, and its breaker does not
/// count the error.
#[derive(Clone, Copy, Debug, Default)]
pub struct UpstreamRejection {
    is_rejected: bool,
    retry_after: Option<Duration>,
}

impl UpstreamRejection {
    /// Notes the error of a call that the plugin made.
    pub fn note(&mut self, error: &CallError) {
        if error.blame() == Blame::NotCalled {
            *self = Self { is_rejected: true, retry_after: error.wait() };
        }
    }

    /// The plugin's own error: `overloaded` instead of `unavailable`, if a rejection was noted.
    #[must_use]
    pub fn explain(self, error: CallError) -> CallError {
        if self.is_rejected && error.kind() == CallErrorKind::Unavailable {
            error.overloaded(self.retry_after)
        } else {
            error
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plugin_is_not_blamed_for_a_rejection_by_another() {
        let unavailable = || CallError::new(CallErrorKind::Unavailable, "not now");
        let mut upstream = UpstreamRejection::default();
        upstream.note(&CallError::new(CallErrorKind::Trap, "it failed"));
        assert_eq!(upstream.explain(unavailable()).kind(), CallErrorKind::Unavailable);
        let wait = Duration::from_secs(7);
        upstream.note(&CallError::new(CallErrorKind::Overloaded, "no room").retry_after(wait));
        let error = upstream.explain(unavailable());
        assert_eq!((error.kind().blame(), error.wait()), (Blame::NotCalled, Some(wait)));
        let trap = upstream.explain(CallError::new(CallErrorKind::Trap, "it failed"));
        assert_eq!(trap.kind(), CallErrorKind::Trap);
    }
}
