//! One call: past the guard of a provider, and on to the next where that is allowed.
//!
//! A capability with one provider whose guard is clear is the whole of the fast path: a load
//! before the call, and a load and a count after it. Everything else is written apart.

use std::sync::Arc;
use std::time::{Duration, Instant};

use plugbay_core::{Blame, CallError, CallErrorKind, Context, Kind};
use plugbay_guard::{BreakerState, Guard, Permit, Refused, Verdict};

use super::options::{CallFuture, CallOptions};
use super::order::ProviderOrder;
use super::tries::{Tries, Turn, blame};
use crate::report::Outcome;
use crate::set::{Capability, Rule, Running, Spread, Target, Trial};

/// How long a refused caller is told to wait where the guard does not say.
const SOON: Duration = Duration::from_secs(1);

/// Calls a capability on this thread. The caller holds the right to
/// ([`PublishedSet::enter`](crate::set::PublishedSet::enter)). `call` gets `name@version` too.
#[inline]
pub(crate) fn call<K: Kind, R>(
    capability: &Capability,
    context: &Context<'_>,
    options: CallOptions<'_>,
    mut call: impl FnMut(&K::Call, &Context<'_>, &Arc<str>) -> Result<R, CallError>,
) -> Result<R, CallError> {
    let mut attempt = |target: &Target| {
        let running = &*target.running;
        let Some(provider) = target.call::<K>() else { return Err(wrong_kind::<K>(capability)) };
        if !running.guard.is_clear() {
            let permit = running.ask()?;
            let answer = call(provider, context, &running.label);
            return running.settle(permit, context, answer);
        }
        match call(provider, context, &running.label) {
            Ok(answer) => {
                running.tally.answered();
                running.guard.succeeded();
                Ok(answer)
            }
            Err(error) => Err(running.failed(running.guard.pass(), context, error)),
        }
    };
    match &capability.spread {
        None => attempt(&capability.first),
        Some(spread) => among(capability, spread, context, options, attempt),
    }
}

/// Calls one provider after the other.
#[cold]
fn among<R>(
    capability: &Capability,
    spread: &Spread,
    context: &Context<'_>,
    options: CallOptions<'_>,
    mut attempt: impl FnMut(&Target) -> Result<R, CallError>,
) -> Result<R, CallError> {
    let mut tries = Tries::new(spread, options.repeatable, *context);
    for (index, target) in ProviderOrder::new(capability, options.key) {
        let began = Instant::now();
        let _under_way = target.running.enter();
        match attempt(target) {
            Ok(answer) => {
                tries.answered(index, began);
                return Ok(answer);
            }
            Err(error) => {
                if let Turn::Break(end) = tries.failed(index, began, error) {
                    return end;
                }
            }
        }
    }
    tries.exhausted(capability)
}

/// Calls a capability, waiting for the answer. `fault` says what an answer says of its plugin, if
/// that is nothing good; the answer goes to the caller all the same.
pub(crate) async fn call_async<K: Kind, R>(
    capability: &Capability,
    context: Context<'_>,
    options: CallOptions<'_>,
    fault: impl Fn(&R) -> Option<CallError>,
    call: &mut impl for<'a> FnMut(&'a K::Call, Context<'a>) -> CallFuture<'a, R>,
) -> Result<R, CallError> {
    let Some(spread) = &capability.spread else {
        let answer =
            attempt_async::<K, R>(capability, &capability.first, context, None, fault, call).await;
        return answer.map(|(answer, _fault)| answer);
    };
    let trial = match &spread.rule {
        Rule::Canary(trial) => Some(&**trial),
        Rule::Failover | Rule::Split(_) => None,
    };
    let mut tries = Tries::new(spread, options.repeatable, context);
    for (index, target) in ProviderOrder::new(capability, options.key) {
        let began = Instant::now();
        let _under_way = target.running.enter();
        let trial = trial.map(|trial| (trial, index));
        let answer = attempt_async::<K, R>(capability, target, context, trial, &fault, call).await;
        let turn = match answer {
            Ok((answer, None)) => {
                tries.answered(index, began);
                return Ok(answer);
            }
            Ok((answer, Some(fault))) => tries.answered_badly(index, began, answer, &fault),
            Err(error) => tries.failed(index, began, error),
        };
        if let Turn::Break(end) = turn {
            return end;
        }
    }
    tries.exhausted(capability)
}

async fn attempt_async<K: Kind, R>(
    capability: &Capability,
    target: &Target,
    context: Context<'_>,
    trial: Option<(&Trial, usize)>,
    fault: impl Fn(&R) -> Option<CallError>,
    call: &mut impl for<'a> FnMut(&'a K::Call, Context<'a>) -> CallFuture<'a, R>,
) -> Result<(R, Option<CallError>), CallError> {
    let running = &*target.running;
    let Some(provider) = target.call::<K>() else { return Err(wrong_kind::<K>(capability)) };
    let permit = Some(running.permit()?);
    let mut under_way = UnderWay { running, context, trial, began: Instant::now(), permit };
    let answer = call(provider, context).await;
    let Some(permit) = under_way.permit.take() else {
        return Err(CallError::new(CallErrorKind::Internal, "the call is over"));
    };
    match answer.map(|answer| (fault(&answer), answer)) {
        Ok((Some(fault), answer)) => {
            let fault = running.failed(permit, &context, fault.of(&running.label));
            Ok((answer, Some(fault)))
        }
        Ok((None, answer)) => Ok((running.settle(permit, &context, Ok(answer))?, None)),
        Err(error) => Err(running.failed(permit, &context, error.of(&running.label))),
    }
}

/// A call whose answer is waited for. Dropped before there is one, it was given up: by a caller
/// that went away, which says nothing of the plugin; or because its time was over, and the plugin
/// did not stop by itself.
struct UnderWay<'a> {
    running: &'a Running,
    context: Context<'a>,
    trial: Option<(&'a Trial, usize)>,
    began: Instant,
    /// None once there is an answer.
    permit: Option<Permit<&'a Guard>>,
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        let Some(permit) = self.permit.take() else { return };
        let kind =
            if self.context.is_late() { CallErrorKind::Deadline } else { CallErrorKind::Cancelled };
        let error = CallError::new(kind, "no answer in the time that the call had");
        let error = self.running.failed(permit, &self.context, error.of(&self.running.label));
        if let Some((trial, index)) = self.trial {
            // What was given up took at least as long as the caller had patience, on either side.
            let failed = blame(&error, &self.context) == Blame::Plugin;
            trial.record(index, self.began.elapsed(), failed);
        }
    }
}

pub(crate) fn wrong_kind<K: Kind>(capability: &Capability) -> CallError {
    let message = format!("expected {} to be called as a {}", capability.key, K::NAME);
    CallError::new(CallErrorKind::Internal, message)
}

/// Whether anybody who offers the capability takes calls now. Takes nothing: what a half-open
/// breaker lets through is the call itself.
pub(crate) fn takes_calls(capability: &Capability) -> Result<(), CallError> {
    let mut shortest: Option<CallError> = None;
    for target in capability.targets() {
        let Some(error) = target.running.refusal() else { return Ok(()) };
        if shortest.as_ref().is_none_or(|known| error.wait() < known.wait()) {
            shortest = Some(error);
        }
    }
    shortest.map_or(Ok(()), Err)
}

impl Running {
    /// Why a call would be refused now.
    fn refusal(&self) -> Option<CallError> {
        if self.guard.is_clear() {
            return None;
        }
        if !self.guard.health().is_healthy() {
            return Some(self.refused(Refused::Unhealthy));
        }
        match self.guard.state(Instant::now()) {
            BreakerState::Open { left } => Some(self.refused(Refused::Open { wait: left })),
            BreakerState::Closed | BreakerState::HalfOpen => None,
        }
    }

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
        context: &Context<'_>,
        answer: Result<R, CallError>,
    ) -> Result<R, CallError> {
        match answer {
            Ok(answer) => {
                self.tally.answered();
                self.note(permit.succeeded(), None);
                Ok(answer)
            }
            Err(error) => Err(self.failed(permit, context, error)),
        }
    }

    #[cold]
    #[inline(never)]
    pub(crate) fn failed(
        &self,
        permit: Permit<&Guard>,
        context: &Context<'_>,
        error: CallError,
    ) -> CallError {
        let blame = blame(&error, context);
        if blame == Blame::Unknown {
            self.tally.cancelled();
        } else {
            self.tally.failed(error.reason());
        }
        let verdict = match blame {
            // It answered: the input is wrong.
            Blame::Caller => Verdict::Success,
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
