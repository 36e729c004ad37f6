//! The tries of one call among several providers: when the next provider is tried, and by which
//! budget.

use std::ops::ControlFlow;
use std::time::Instant;

use plugbay_core::{Blame, CallError, CallErrorKind, Context};

use crate::set::{Balancing, Capability, Rule};

/// The tries of one call.
pub(crate) struct Tries<'a, R> {
    balancing: &'a Balancing,
    /// Whether the call may be repeated.
    repeatable: bool,
    context: Context<'a>,
    /// The result for the caller if no other provider gives a better one.
    best: Option<Result<R, CallError>>,
}

/// Either the result for the caller, or the next provider is tried.
pub(crate) type Turn<R> = ControlFlow<Result<R, CallError>>;

impl<'a, R> Tries<'a, R> {
    pub(crate) fn new(balancing: &'a Balancing, repeatable: bool, context: Context<'a>) -> Self {
        balancing.retries.called();
        Self { balancing, repeatable, context, best: None }
    }

    /// The provider with this index answered.
    pub(crate) fn answered(&self, index: usize, began: Instant) {
        if let Rule::Canary(trial) = &self.balancing.rule {
            trial.record(index, began.elapsed(), false);
        }
    }

    /// The provider with this index gave an answer that reports a failure. The caller gets it if no
    /// other provider gives a better one.
    pub(crate) fn answered_with_fault(
        &mut self,
        index: usize,
        began: Instant,
        answer: R,
        fault: &CallError,
    ) -> Turn<R> {
        if let Rule::Canary(trial) = &self.balancing.rule {
            trial.record(index, began.elapsed(), true);
        }
        // Unlike an error, such an answer does not say whether the call had effects.
        let go_on = matches!(self.balancing.rule, Rule::Failover)
            && fault.kind() == CallErrorKind::Unavailable
            && self.repeatable
            && self.has_time();
        if !go_on {
            return Turn::Break(Ok(answer));
        }
        self.balancing.retries.fail_over();
        self.best = Some(Ok(answer));
        Turn::Continue(())
    }

    /// The call of the provider with this index failed.
    pub(crate) fn failed(&mut self, index: usize, began: Instant, error: CallError) -> Turn<R> {
        let blame = blame(&error, &self.context);
        if let Rule::Canary(trial) = &self.balancing.rule {
            match blame {
                Blame::Plugin => trial.record(index, began.elapsed(), true),
                // The call took at least as long as its caller waited, on either side of the trial.
                Blame::Unknown => trial.record(index, began.elapsed(), false),
                Blame::Caller | Blame::Input => trial.input_refused(index),
                Blame::NotCalled => {}
            }
        }
        if !self.goes_on(index, blame, &error) {
            return Turn::Break(match self.best.take() {
                // Any answer is better than an error, unless the error says that the input is
                // wrong.
                Some(Ok(answer)) if !matches!(blame, Blame::Caller | Blame::Input) => Ok(answer),
                _ => Err(error),
            });
        }
        if self.is_better(&error) {
            self.best = Some(Err(error));
        }
        Turn::Continue(())
    }

    fn goes_on(&self, index: usize, blame: Blame, error: &CallError) -> bool {
        let tries = &self.balancing.retries;
        let did_nothing = match (&self.balancing.rule, blame) {
            // A version on trial keeps its share: calls that the stable version has no room for do
            // not add to it.
            (Rule::Canary(_), Blame::NotCalled)
                if index == 0 && error.kind() == CallErrorKind::Overloaded =>
            {
                return false;
            }
            (_, Blame::NotCalled) => true,
            (Rule::Failover, Blame::Plugin) => error.kind() == CallErrorKind::Unavailable,
            (_, Blame::Caller | Blame::Input | Blame::Unknown)
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

    /// Whether there is time for another try.
    fn has_time(&self) -> bool {
        !self.context.is_late() && !self.context.is_cancelled()
    }

    /// Whether an error is more useful than the best one so far: the error of a provider that was
    /// called is better than one of a provider that was not; and of two providers that were not
    /// called, the one with the shorter time to wait.
    fn is_better(&self, error: &CallError) -> bool {
        match &self.best {
            None => true,
            Some(Ok(_)) => false,
            Some(Err(known)) => match (known.blame(), error.blame()) {
                (Blame::NotCalled, Blame::NotCalled) => {
                    error.wait().is_some_and(|wait| known.wait().is_none_or(|it| wait < it))
                }
                (known, new) => {
                    known == Blame::NotCalled || matches!(new, Blame::Plugin | Blame::Input)
                }
            },
        }
    }

    /// The result when no provider is left to try.
    pub(crate) fn exhausted(self, capability: &Capability) -> Result<R, CallError> {
        self.best.unwrap_or_else(|| {
            let message = format!("no provider of {} takes calls", capability.key);
            Err(CallError::new(CallErrorKind::Unavailable, message))
        })
    }
}

/// What an error says about the plugin that was called in this context. A nested call that ran out
/// of time because its caller had too little left says nothing about the called plugin.
pub(crate) fn blame(error: &CallError, context: &Context<'_>) -> Blame {
    match error.kind() {
        CallErrorKind::Deadline if context.depth() > 0 && context.is_late() => Blame::Unknown,
        _ => error.blame(),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use plugbay_core::{NoServices, Services};

    use super::*;

    #[test]
    fn a_nested_call_is_not_blamed_for_the_time_that_its_caller_took() {
        let services: Arc<dyn Services> = Arc::new(NoServices);
        let late = CallError::new(CallErrorKind::Deadline, "no answer");
        let now = Instant::now();
        let outer = Context::new(&services).until(now);
        assert_eq!(blame(&late, &outer), Blame::Plugin);
        assert_eq!(blame(&late, &outer.nested().unwrap()), Blame::Unknown);
        // The limit of its own policy was the shorter one.
        let outer = Context::new(&services).until(now + Duration::from_hours(1));
        assert_eq!(blame(&late, &outer.nested().unwrap()), Blame::Plugin);
        let trap = CallError::new(CallErrorKind::Trap, "unreachable");
        assert_eq!(blame(&trap, &Context::new(&services).until(now)), Blame::Plugin);
    }
}
