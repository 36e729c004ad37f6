//! One call: past the guard of a provider, and on to the next where that is allowed.
//!
//! A capability with one provider whose guard is clear is the whole of the fast path: a load
//! before the call, and a load and a count after it. Everything else is written apart.

use std::sync::Arc;
use std::time::{Duration, Instant};

use plugbay_core::{Blame, CallError, CallErrorKind, Context, Kind};
use plugbay_guard::{Guard, Permit, Refused, Verdict};

use crate::generation::{Capability, Running, Target};
use crate::handle::{CallFuture, Calling};
use crate::outcome::Outcome;
use crate::spread::{Order, Rule, Spread};

/// How long to wait where nobody knows better.
const SOON: Duration = Duration::from_secs(1);

/// Calls a capability on this thread. The caller holds the right to
/// ([`Published::enter`](crate::generation::Published::enter)). `call` gets `name@version` too.
#[inline]
pub(crate) fn call<K: Kind, R>(
    capability: &Capability,
    context: &Context<'_>,
    mut call: impl FnMut(&K::Call, &Context<'_>, &Arc<str>) -> Result<R, CallError>,
) -> Result<R, CallError> {
    let mut attempt = |target: &Target| {
        let running = &*target.running;
        let Some(provider) = target.call::<K>() else { return Err(wrong_kind::<K>(capability)) };
        if !running.guard.is_clear() {
            let permit = running.ask()?;
            let answer = call(provider, context, &running.label);
            return running.settle(permit, answer);
        }
        match call(provider, context, &running.label) {
            Ok(answer) => {
                running.tally.answered();
                running.guard.succeeded();
                Ok(answer)
            }
            Err(error) => Err(running.failed(running.guard.pass(), error)),
        }
    };
    match &capability.spread {
        None => attempt(&capability.first),
        Some(spread) => among(capability, spread, None, true, attempt),
    }
}

/// Calls one provider after the other.
#[cold]
fn among<R>(
    capability: &Capability,
    spread: &Spread,
    key: Option<&[u8]>,
    repeatable: bool,
    mut attempt: impl FnMut(&Target) -> Result<R, CallError>,
) -> Result<R, CallError> {
    let mut tries = Tries::new(spread, repeatable);
    for (index, target) in Order::new(capability, key) {
        let began = Instant::now();
        match attempt(target) {
            Ok(answer) => {
                tries.answered(index, began);
                return Ok(answer);
            }
            Err(error) => tries.failed(index, began, error)?,
        }
    }
    Err(tries.nobody(capability))
}

/// Calls a capability, waiting for the answer.
pub(crate) async fn call_async<K: Kind, R>(
    capability: &Capability,
    context: Context<'_>,
    how: Calling<'_>,
    call: &mut impl for<'a> FnMut(&'a K::Call, Context<'a>) -> CallFuture<'a, R>,
) -> Result<R, CallError> {
    let Some(spread) = &capability.spread else {
        return attempt_async::<K, R>(capability, &capability.first, context, call).await;
    };
    let mut tries = Tries::new(spread, how.repeatable);
    for (index, target) in Order::new(capability, how.key) {
        let began = Instant::now();
        match attempt_async::<K, R>(capability, target, context, call).await {
            Ok(answer) => {
                tries.answered(index, began);
                return Ok(answer);
            }
            Err(error) => tries.failed(index, began, error)?,
        }
    }
    Err(tries.nobody(capability))
}

async fn attempt_async<K: Kind, R>(
    capability: &Capability,
    target: &Target,
    context: Context<'_>,
    call: &mut impl for<'a> FnMut(&'a K::Call, Context<'a>) -> CallFuture<'a, R>,
) -> Result<R, CallError> {
    let running = &*target.running;
    let Some(provider) = target.call::<K>() else { return Err(wrong_kind::<K>(capability)) };
    let permit = running.permit()?;
    let mut gone = Gone(Some(running));
    let answer = call(provider, context).await;
    gone.0 = None;
    running.settle(permit, answer)
}

/// Counts a caller that goes away before there is an answer. The permit that goes with it says
/// nothing of the plugin.
struct Gone<'a>(Option<&'a Running>);

impl Drop for Gone<'_> {
    fn drop(&mut self) {
        if let Some(running) = self.0 {
            running.tally.cancelled();
        }
    }
}

/// The tries of one call among several providers.
pub(crate) struct Tries<'a> {
    spread: &'a Spread,
    /// Whether the call may be made twice.
    repeatable: bool,
    /// The error to show if nobody answers.
    error: Option<CallError>,
}

impl<'a> Tries<'a> {
    pub(crate) fn new(spread: &'a Spread, repeatable: bool) -> Self {
        if let Rule::Failover(budget) = &spread.rule {
            budget.called(Instant::now());
        }
        Self { spread, repeatable, error: None }
    }

    /// The provider of this index answered.
    pub(crate) fn answered(&self, index: usize, began: Instant) {
        if let Rule::Canary(trial) = &self.spread.rule {
            trial.record(index, began.elapsed(), false);
        }
    }

    /// The provider of this index failed: returns whether the next is to be asked.
    ///
    /// # Errors
    ///
    /// The error, if it is not.
    pub(crate) fn failed(
        &mut self,
        index: usize,
        began: Instant,
        error: CallError,
    ) -> Result<(), CallError> {
        let blame = error.kind().blame();
        if let Rule::Canary(trial) = &self.spread.rule
            && !matches!(blame, Blame::NotCalled | Blame::Unknown)
        {
            trial.record(index, began.elapsed(), blame == Blame::Plugin);
        }
        let go_on = match (&self.spread.rule, blame) {
            (_, Blame::Nobody | Blame::Unknown) => false,
            (_, Blame::NotCalled) => true,
            // It did nothing, by its own account.
            (Rule::Failover(_), _) if error.kind() == CallErrorKind::Unavailable => true,
            (Rule::Failover(budget), _) => self.repeatable && budget.take(Instant::now()),
            (Rule::Split(_) | Rule::Canary(_), _) => false,
        };
        if !go_on {
            return Err(error);
        }
        // What a provider said tells more than that another was not asked.
        let known = self.error.as_ref().map(|known| known.kind().blame());
        if known.is_none_or(|known| known == Blame::NotCalled || blame == Blame::Plugin) {
            self.error = Some(error);
        }
        Ok(())
    }

    /// All were asked, and none answered.
    pub(crate) fn nobody(self, capability: &Capability) -> CallError {
        self.error.unwrap_or_else(|| {
            let message = format!("expected a provider of {} to be well", capability.key);
            CallError::new(CallErrorKind::Unavailable, message)
        })
    }
}

pub(crate) fn wrong_kind<K: Kind>(capability: &Capability) -> CallError {
    let message = format!("expected {} to be called as a {}", capability.key, K::NAME);
    CallError::new(CallErrorKind::Internal, message)
}

impl Running {
    /// Asks the guard, which is not clear, for a call.
    #[cold]
    pub(crate) fn ask(&self) -> Result<Permit<&Guard>, CallError> {
        match self.guard.admit(Instant::now()) {
            Ok(admitted) => {
                self.note(admitted.transition, None);
                Ok(admitted.permit)
            }
            Err(refused) => Err(self.refused(refused)),
        }
    }

    /// A permit for a call, whatever the guard says now.
    #[inline]
    pub(crate) fn permit(&self) -> Result<Permit<&Guard>, CallError> {
        if self.guard.is_clear() { Ok(self.guard.pass()) } else { self.ask() }
    }

    fn refused(&self, refused: Refused) -> CallError {
        let (kind, wait) = match refused {
            Refused::Unhealthy => (CallErrorKind::Unhealthy, SOON),
            refused => (CallErrorKind::BreakerOpen, refused.retry_after().unwrap_or(SOON)),
        };
        let message = match self.health.why() {
            Some(why) if kind == CallErrorKind::Unhealthy => format!("{refused}: {why}"),
            _ => refused.to_string(),
        };
        self.tally.failed(kind.reason());
        CallError::new(kind, message).of(&self.label).retry_after(wait)
    }

    /// Counts what came of a call.
    pub(crate) fn settle<R>(
        &self,
        permit: Permit<&Guard>,
        answer: Result<R, CallError>,
    ) -> Result<R, CallError> {
        match answer {
            Ok(answer) => {
                self.tally.answered();
                self.note(permit.succeeded(), None);
                Ok(answer)
            }
            Err(error) => Err(self.failed(permit, error)),
        }
    }

    #[cold]
    #[inline(never)]
    pub(crate) fn failed(&self, permit: Permit<&Guard>, error: CallError) -> CallError {
        self.tally.failed(error.reason());
        let verdict = match error.kind().blame() {
            // It answered: the input is wrong.
            Blame::Nobody => Verdict::Success,
            Blame::Plugin => Verdict::Failure,
            Blame::NotCalled | Blame::Unknown => Verdict::Neutral,
        };
        self.note(permit.ended(verdict, Instant::now()), Some(&error));
        error
    }

    /// Notes a change of the guard, if there is one.
    fn note(&self, transition: Option<plugbay_guard::Transition>, because: Option<&CallError>) {
        let Some(transition) = transition else { return };
        if let Some(outcome) = Outcome::of_guard(&self.label, transition, because) {
            self.journal.note_now(outcome);
        }
    }
}
