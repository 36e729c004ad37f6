//! The tries of one call among several providers: who is asked next, and what that costs.

use std::ops::ControlFlow;
use std::time::Instant;

use plugbay_core::{Blame, CallError, CallErrorKind, Context};

use crate::set::{Capability, Rule, Spread};

/// The tries of one call.
pub(crate) struct Tries<'a, R> {
    spread: &'a Spread,
    /// Whether the call may be made twice.
    repeatable: bool,
    context: Context<'a>,
    /// What the caller gets if no other provider does better.
    best: Option<Result<R, CallError>>,
}

/// What the caller gets, or the next provider's turn.
pub(crate) type Turn<R> = ControlFlow<Result<R, CallError>>;

impl<'a, R> Tries<'a, R> {
    pub(crate) fn new(spread: &'a Spread, repeatable: bool, context: Context<'a>) -> Self {
        spread.retries.called();
        Self { spread, repeatable, context, best: None }
    }

    /// The provider of this index answered.
    pub(crate) fn answered(&self, index: usize, began: Instant) {
        if let Rule::Canary(trial) = &self.spread.rule {
            trial.record(index, began.elapsed(), false);
        }
    }

    /// The provider of this index gave an answer that says it failed. That is passed on if
    /// no other provider gives a better one.
    pub(crate) fn answered_badly(
        &mut self,
        index: usize,
        began: Instant,
        answer: R,
        fault: &CallError,
    ) -> Turn<R> {
        if let Rule::Canary(trial) = &self.spread.rule {
            trial.record(index, began.elapsed(), true);
        }
        // Unlike an error, it says no word of what was done.
        let go_on = matches!(self.spread.rule, Rule::Failover)
            && fault.kind() == CallErrorKind::Unavailable
            && self.repeatable
            && self.has_time();
        if !go_on {
            return Turn::Break(Ok(answer));
        }
        self.spread.retries.fail_over();
        self.best = Some(Ok(answer));
        Turn::Continue(())
    }

    /// The provider of this index failed.
    pub(crate) fn failed(&mut self, index: usize, began: Instant, error: CallError) -> Turn<R> {
        let blame = blame(&error, &self.context);
        if let Rule::Canary(trial) = &self.spread.rule {
            match blame {
                Blame::Plugin => trial.record(index, began.elapsed(), true),
                // It took at least as long as the caller had patience, on either side.
                Blame::Unknown => trial.record(index, began.elapsed(), false),
                Blame::Caller => trial.refused(index),
                Blame::NotCalled => {}
            }
        }
        if !self.goes_on(index, blame, &error) {
            return Turn::Break(match self.best.take() {
                // Any answer is better than an error, unless that is what the input deserves.
                Some(Ok(answer)) if blame != Blame::Caller => Ok(answer),
                _ => Err(error),
            });
        }
        if self.is_better(&error) {
            self.best = Some(Err(error));
        }
        Turn::Continue(())
    }

    fn goes_on(&self, index: usize, blame: Blame, error: &CallError) -> bool {
        let tries = &self.spread.retries;
        let did_nothing = match (&self.spread.rule, blame) {
            // A version on trial has its share, which is no larger when the other one is busy.
            (Rule::Canary(_), Blame::NotCalled)
                if index == 0 && error.kind() == CallErrorKind::Overloaded =>
            {
                return false;
            }
            (_, Blame::NotCalled) => true,
            (Rule::Failover, Blame::Plugin) => error.kind() == CallErrorKind::Unavailable,
            (_, Blame::Caller | Blame::Unknown)
            | (Rule::Split(_) | Rule::Canary(_), Blame::Plugin) => return false,
        };
        if !self.has_time() {
            return false;
        }
        if did_nothing {
            tries.fail_over();
            return true;
        }
        self.repeatable && tries.try_repeat()
    }

    /// Whether another try can still be worth it.
    fn has_time(&self) -> bool {
        !self.context.is_late() && !self.context.is_cancelled()
    }

    /// Whether an error says more than what is known: what a provider said tells more than that
    /// another was not asked; and of those, the first to take calls again says when that is.
    fn is_better(&self, error: &CallError) -> bool {
        match &self.best {
            None => true,
            Some(Ok(_)) => false,
            Some(Err(known)) => match (known.kind().blame(), error.kind().blame()) {
                (Blame::NotCalled, Blame::NotCalled) => {
                    error.wait().is_some_and(|wait| known.wait().is_none_or(|it| wait < it))
                }
                (known, new) => known == Blame::NotCalled || new == Blame::Plugin,
            },
        }
    }

    /// All providers were asked, and none answered well.
    pub(crate) fn exhausted(self, capability: &Capability) -> Result<R, CallError> {
        self.best.unwrap_or_else(|| {
            let message = format!("expected a provider of {} to be well", capability.key);
            Err(CallError::new(CallErrorKind::Unavailable, message))
        })
    }
}

/// What an error says of the plugin that was called in this context. A call between plugins whose
/// time is over because that of the one above is, says nothing of the one below.
pub(crate) fn blame(error: &CallError, context: &Context<'_>) -> Blame {
    match error.kind() {
        CallErrorKind::Deadline if context.depth() > 0 && context.is_late() => Blame::Unknown,
        kind => kind.blame(),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use plugbay_core::codec::Direction;
    use plugbay_core::{CodecInfo, Services};

    use super::*;

    struct NoServices;

    impl Services for NoServices {
        fn codecs(&self) -> Vec<CodecInfo> {
            Vec::new()
        }

        fn convert(
            &self,
            _: &Context<'_>,
            _: &str,
            _: Direction,
            _: &[u8],
        ) -> Result<Vec<u8>, CallError> {
            unreachable!("no plugin calls another here")
        }
    }

    #[test]
    fn a_nested_call_is_not_blamed_for_the_time_that_its_caller_took() {
        let services: Arc<dyn Services> = Arc::new(NoServices);
        let late = CallError::new(CallErrorKind::Deadline, "no answer");
        let now = Instant::now();
        let outer = Context::new(&services).until(now);
        assert_eq!(blame(&late, &outer), Blame::Plugin);
        assert_eq!(blame(&late, &outer.nested().unwrap()), Blame::Unknown);
        // Its own policy was the shorter one.
        let outer = Context::new(&services).until(now + Duration::from_hours(1));
        assert_eq!(blame(&late, &outer.nested().unwrap()), Blame::Plugin);
        let trap = CallError::new(CallErrorKind::Trap, "unreachable");
        assert_eq!(blame(&trap, &Context::new(&services).until(now)), Blame::Plugin);
    }
}
