//! Makes one call: admission by the provider's guard, the call, and another provider where that is
//! allowed. The fast path is a capability with one provider whose guard is clear: a load before the
//! call, and a load and a count after it. Everything else is in cold functions.

use std::sync::Arc;
use std::time::{Duration, Instant};

use plugbay_core::trace::ActiveSpan;
use plugbay_core::{Blame, CallError, CallErrorKind, Context, Correlation, Kind, split_label};
use plugbay_guard::{AdmissionError, BreakerState, Guard, Permit, Verdict};
use tracing::Span;

use super::options::{CallFuture, CallOptions};
use super::order::ProviderOrder;
use super::spans;
use super::tries::{Tries, Turn, blame};
use crate::set::{Balancing, Capability, Hold, Rule, Running, Target, Trial};

/// `Retry-After` of a rejected call where the guard gives no time.
const SOON: Duration = Duration::from_secs(1);

/// Calls a capability on this thread. The caller holds a [pass](crate::set::PublishedSet::enter)
/// for it. `call` also gets the `name@version` of the plugin.
#[inline]
pub(crate) fn call<K: Kind, R>(
    capability: &Capability,
    context: &Context<'_>,
    options: CallOptions<'_>,
    mut call: impl FnMut(&K::Call, &Context<'_>, &Arc<str>) -> Result<R, CallError>,
) -> Result<R, CallError> {
    let mut attempt = |target: &Target| match context.recorded() {
        None => call_target::<K, R>(capability, target, context, &mut call),
        Some(request) => call_recorded::<K, R>(capability, target, context, request, &mut call),
    };
    match &capability.balancing {
        None => attempt(&capability.first),
        Some(balancing) => call_providers(capability, balancing, context, options, attempt),
    }
}

/// Calls one provider.
#[inline]
fn call_target<K: Kind, R>(
    capability: &Capability,
    target: &Target,
    context: &Context<'_>,
    call: &mut impl FnMut(&K::Call, &Context<'_>, &Arc<str>) -> Result<R, CallError>,
) -> Result<R, CallError> {
    let running = &*target.running;
    let Some(provider) = target.call::<K>() else { return Err(wrong_kind::<K>(capability)) };
    let permit = if running.guard.is_clear() { None } else { Some(running.admit()?) };
    let shard = running.figures.tally.here();
    let timed = shard.begins();
    let answer = call(provider, context, &running.label);
    shard.ended(timed);
    match (answer, permit) {
        (Ok(answer), None) => {
            shard.answered();
            running.guard.succeeded();
            Ok(answer)
        }
        (Err(error), None) => Err(running.failed(running.guard.pass(), context, error)),
        (answer, Some(permit)) => running.record(permit, context, answer),
    }
}

/// As [`call_target`], within a span that the plugin sees as its parent.
#[cold]
#[inline(never)]
fn call_recorded<K: Kind, R>(
    capability: &Capability,
    target: &Target,
    context: &Context<'_>,
    request: &Correlation,
    call: &mut impl FnMut(&K::Call, &Context<'_>, &Arc<str>) -> Result<R, CallError>,
) -> Result<R, CallError> {
    let Some(span) = spans::of_plugin(request, capability, &target.running, context) else {
        return call_target::<K, R>(capability, target, context, call);
    };
    let correlation = Arc::clone(span.correlation());
    let answer = call_target::<K, R>(capability, target, &context.correlated(&correlation), call);
    spans::end(span, &answer);
    answer
}

/// Calls one provider after the other, until one answers or no further try is allowed.
#[cold]
fn call_providers<R>(
    capability: &Capability,
    balancing: &Balancing,
    context: &Context<'_>,
    options: CallOptions<'_>,
    mut attempt: impl FnMut(&Target) -> Result<R, CallError>,
) -> Result<R, CallError> {
    let mut tries = Tries::new(balancing, options.repeatable, *context);
    for (index, target) in ProviderOrder::new(capability, options.key) {
        let began = Instant::now();
        let _in_flight = target.running.enter();
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

/// Calls a capability asynchronously. `fault` returns an error for an answer that counts as a
/// failure of the plugin; the caller gets the answer in either case.
pub(crate) async fn call_async<K: Kind, R>(
    capability: &Capability,
    context: Context<'_>,
    options: CallOptions<'_>,
    fault: impl Fn(&R) -> Option<CallError>,
    call: &mut impl for<'a> FnMut(&'a K::Call, Context<'a>) -> CallFuture<'a, R>,
) -> Result<R, CallError> {
    let Some(balancing) = &capability.balancing else {
        let answer =
            attempt_async::<K, R>(capability, &capability.first, context, None, fault, call).await;
        return answer.map(|(answer, _fault)| answer);
    };
    let trial = match &balancing.rule {
        Rule::Canary(trial) => Some(&**trial),
        Rule::Failover | Rule::Split(_) => None,
    };
    let mut tries = Tries::new(balancing, options.repeatable, context);
    for (index, target) in ProviderOrder::new(capability, options.key) {
        let began = Instant::now();
        let _in_flight = target.running.enter();
        let trial = trial.map(|trial| (trial, index));
        name_provider(&target.running, &context);
        let answer = attempt_async::<K, R>(capability, target, context, trial, &fault, call).await;
        let turn = match answer {
            Ok((answer, None)) => {
                tries.answered(index, began);
                return Ok(answer);
            }
            Ok((answer, Some(fault))) => tries.answered_with_fault(index, began, answer, &fault),
            Err(error) => tries.failed(index, began, error),
        };
        if let Turn::Break(end) = turn {
            return end;
        }
    }
    tries.exhausted(capability)
}

/// Names the provider that is called in the span of the request, if that has the fields `plugin` and `version`:
/// where several share the calls, nobody else knows. Nested calls are in the same span, and leave it as it is.
fn name_provider(running: &Running, context: &Context<'_>) {
    if context.depth() == 0 {
        let ((plugin, version), span) = (split_label(&running.label), Span::current());
        span.record("plugin", plugin);
        span.record("version", version);
    }
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
    let span = context.recorded();
    let span = span.and_then(|it| spans::of_plugin(it, capability, running, &context));
    let permit = match running.permit() {
        Ok(permit) => Some(permit),
        Err(error) => {
            if let Some(span) = span {
                spans::end_failed(span, &error);
            }
            return Err(error);
        }
    };
    // The plugin sees the span of this call as its parent.
    let correlation = span.as_ref().map(|span| Arc::clone(span.correlation()));
    let context = match &correlation {
        Some(correlation) => context.correlated(correlation),
        None => context,
    };
    let mut in_flight = InFlight { running, context, trial, began: Instant::now(), permit, span };
    let answer = call(provider, context).await;
    let Some(permit) = in_flight.end() else {
        return Err(CallError::new(CallErrorKind::Internal, "the call has already ended"));
    };
    let span = in_flight.span.take();
    let answer = match answer.map(|answer| (fault(&answer), answer)) {
        Ok((Some(fault), answer)) => {
            let fault = running.failed(permit, &context, fault.of(&running.label));
            Ok((answer, Some(fault)))
        }
        Ok((None, answer)) => Ok((running.record(permit, &context, Ok(answer))?, None)),
        Err(error) => Err(running.failed(permit, &context, error.of(&running.label))),
    };
    if let Some(span) = span {
        match &answer {
            Ok((_, None)) => spans::end_answered(span),
            Ok((_, Some(error))) | Err(error) => spans::end_failed(span, error),
        }
    }
    answer
}

/// An asynchronous call in flight. If it is dropped before there is an answer, either the caller
/// went away, which says nothing about the plugin; or the deadline passed and the plugin did not
/// stop by itself, which counts as its failure.
struct InFlight<'a> {
    running: &'a Running,
    context: Context<'a>,
    trial: Option<(&'a Trial, usize)>,
    began: Instant,
    /// `None` once there is an answer.
    permit: Option<Permit<&'a Guard>>,
    /// `None` once there is an answer, and if the request is not recorded.
    span: Option<ActiveSpan>,
}

impl<'a> InFlight<'a> {
    /// Counts how long the call took, and returns its permit; `None` if it has ended.
    fn end(&mut self) -> Option<Permit<&'a Guard>> {
        let permit = self.permit.take()?;
        self.running.figures.tally.took(self.began.elapsed());
        Some(permit)
    }
}

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        let Some(permit) = self.end() else { return };
        let kind =
            if self.context.is_late() { CallErrorKind::Deadline } else { CallErrorKind::Cancelled };
        let error = CallError::new(kind, "the call ended before the plugin answered");
        let error = self.running.failed(permit, &self.context, error.of(&self.running.label));
        if let Some(span) = self.span.take() {
            spans::end_failed(span, &error);
        }
        if let Some((trial, index)) = self.trial {
            // A cancelled call took at least as long as its caller waited, on either side of the
            // trial.
            let failed = blame(&error, &self.context) == Blame::Plugin;
            trial.record(index, self.began.elapsed(), failed);
        }
    }
}

pub(crate) fn wrong_kind<K: Kind>(capability: &Capability) -> CallError {
    let message = format!("capability {} is not of the kind {}", capability.key, K::NAME);
    CallError::new(CallErrorKind::Internal, message)
}

/// Checks whether any provider of the capability takes calls now. Takes no probe slot of a
/// half-open breaker: only a call does.
pub(crate) fn check_available(capability: &Capability) -> Result<(), CallError> {
    let mut shortest: Option<CallError> = None;
    for target in capability.targets() {
        let Some(error) = target.running.rejection() else { return Ok(()) };
        if shortest.as_ref().is_none_or(|known| error.wait() < known.wait()) {
            shortest = Some(error);
        }
    }
    shortest.map_or(Ok(()), Err)
}

impl Running {
    /// Why a call would be rejected now.
    fn rejection(&self) -> Option<CallError> {
        if self.guard.is_clear() {
            return None;
        }
        if self.guard.is_held() {
            return Some(self.rejected(AdmissionError::Held));
        }
        if !self.guard.health().is_healthy() {
            return Some(self.rejected(AdmissionError::Unhealthy));
        }
        match self.guard.state(Instant::now()) {
            BreakerState::Open { remaining } => {
                Some(self.rejected(AdmissionError::Open { wait: remaining }))
            }
            BreakerState::Closed | BreakerState::HalfOpen => None,
        }
    }

    /// Asks the guard, which is not clear, to admit a call.
    #[cold]
    pub(crate) fn admit(&self) -> Result<Permit<&Guard>, CallError> {
        match self.guard.admit(Instant::now()) {
            Ok(admitted) => {
                self.note(admitted.transition, None);
                Ok(admitted.permit)
            }
            Err(refused) => Err(self.rejected(refused)),
        }
    }

    /// A permit for a call, by the fast or the slow path.
    #[inline]
    pub(crate) fn permit(&self) -> Result<Permit<&Guard>, CallError> {
        if self.guard.is_clear() { Ok(self.guard.pass()) } else { self.admit() }
    }

    fn rejected(&self, refused: AdmissionError) -> CallError {
        let (kind, wait) = match refused {
            AdmissionError::Unhealthy => (CallErrorKind::Unhealthy, SOON),
            AdmissionError::Held if self.held() == Hold::Draining => (CallErrorKind::Retired, SOON),
            refused => (CallErrorKind::BreakerOpen, refused.retry_after().unwrap_or(SOON)),
        };
        let message = match self.health.last_error() {
            _ if refused == AdmissionError::Held => self.held_because().to_owned(),
            Some(error) if kind == CallErrorKind::Unhealthy => format!("{refused}: {error}"),
            _ => refused.to_string(),
        };
        self.figures.tally.failed(kind.reason());
        CallError::new(kind, message).of(&self.label).retry_after(wait)
    }

    /// Why an operator holds its calls back, for the caller.
    fn held_because(&self) -> &'static str {
        match self.held() {
            Hold::Draining => "an operator drains the plugin: it gets no new calls",
            Hold::BreakerOpen | Hold::None => {
                "an operator opened the plugin's breaker: it gets no calls until it is reset"
            }
        }
    }

    /// Records the result of a call in the guard and in the tally.
    pub(crate) fn record<R>(
        &self,
        permit: Permit<&Guard>,
        context: &Context<'_>,
        answer: Result<R, CallError>,
    ) -> Result<R, CallError> {
        match answer {
            Ok(answer) => {
                self.figures.tally.answered();
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
            self.figures.tally.cancelled();
        } else {
            self.figures.tally.failed(error.reason());
        }
        let verdict = match blame {
            // The plugin answered: the input is wrong.
            Blame::Caller => Verdict::Success,
            Blame::Plugin => Verdict::Failure,
            // Another input may be answered, or not: this one says nothing about it.
            Blame::Input | Blame::NotCalled | Blame::Unknown => Verdict::Neutral,
        };
        self.note(permit.ended(verdict, Instant::now()), Some(&error));
        error
    }

    /// Writes a transition of the guard to the journal, if there is one.
    fn note(&self, transition: Option<plugbay_guard::Transition>, because: Option<&CallError>) {
        if let Some(transition) = transition {
            self.changed(transition, because);
        }
    }
}
