//! The tries of one call.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::{FuturesUnordered, StreamExt};
use http::{HeaderMap, Method};
use plugbay_guard::RetryBudget;

use super::error::BoxError;
use super::{CallError, CallRules, HedgeAfter, Latencies, Outcome};
use crate::client::LookupError;
use crate::client::balance::{Balancer, Dice, Member, Pick, PickError, now};

/// Calls one service by its rules. All calls of the service share the budget and the latencies.
#[derive(Debug)]
pub(in crate::client) struct Caller {
    service: String,
    balancer: Balancer,
    rules: CallRules,
    budget: RetryBudget,
    /// Kept only if hedges need it.
    latencies: Option<Latencies>,
    dice: Dice,
}

/// Whether a request may be sent more than once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Repeat {
    /// In any case.
    Always,
    /// Only if the last request certainly did not reach its endpoint.
    IfUnsent,
}

/// Whether a request may be repeated: its method is idempotent (RFC 9110, section 9.2.2), or it has a key
/// by which its endpoint finds the first one again (draft-ietf-httpapi-idempotency-key-header), or the
/// rules allow it for all.
pub(super) fn repeat(method: &Method, headers: &HeaderMap, rules: &CallRules) -> Repeat {
    let is_allowed = rules.retry_non_idempotent
        || method.is_idempotent()
        || headers.contains_key("idempotency-key");
    if is_allowed { Repeat::Always } else { Repeat::IfUnsent }
}

/// How one request ended.
struct Ended<T> {
    result: Result<T, Problem>,
    outcome: Outcome,
    member: Arc<Member>,
}

enum Problem {
    Failed(BoxError),
    TimedOut(Duration),
}

/// What happened while requests run.
enum Event<T> {
    Ended(Ended<T>),
    HedgeDue,
}

impl Caller {
    pub(in crate::client) fn new(
        service: String,
        balancer: Balancer,
        rules: CallRules,
        seed: u64,
    ) -> Self {
        let latencies = match rules.hedge.map(|hedge| hedge.after) {
            Some(HedgeAfter::Quantile(quantile)) => Some(Latencies::new(quantile)),
            Some(HedgeAfter::Time(_)) | None => None,
        };
        let budget = RetryBudget::new(rules.budget, now());
        Self { service, balancer, rules, budget, latencies, dice: Dice::new(seed) }
    }

    #[cfg(test)]
    pub(super) fn balancer(&self) -> &Balancer {
        &self.balancer
    }

    pub(super) fn rules(&self) -> &CallRules {
        &self.rules
    }

    /// Calls the service. `send` makes the request to an endpoint, or returns `None` if it cannot be made
    /// once more. The result is the first that is good, or the last.
    ///
    /// Cancel safe in the sense that a dropped call says nothing about endpoints that had not answered.
    pub(super) async fn call<T, F>(
        &self,
        key: Option<&[u8]>,
        repeat: Repeat,
        mut send: impl FnMut(&Member) -> Option<F>,
        outcome: impl Fn(&T) -> Outcome,
    ) -> Result<T, CallError>
    where
        F: Future<Output = Result<T, BoxError>>,
    {
        self.budget.called(now());
        let mut running = FuturesUnordered::new();
        let mut tried = Vec::new();
        let mut hedges = if repeat == Repeat::Always { self.hedges() } else { 0 };
        let mut last = None;
        let mut failures = 0;
        let mut is_due = true;
        loop {
            if is_due {
                match self.balancer.pick_other(key, &tried) {
                    Ok(pick) => {
                        let member = Arc::clone(pick.member());
                        let request = send(&member);
                        tried.push(member);
                        running.extend(request.map(|it| self.request(pick, it, &outcome)));
                    }
                    Err(error) if tried.is_empty() => {
                        return Err(LookupError::pick(&self.service, error).into());
                    }
                    // The last endpoints have left meanwhile.
                    Err(_) => {}
                }
            }
            let hedge_after = self.hedge_after().filter(|_| hedges > 0 && self.may_try(&tried));
            let event = tokio::select! {
                biased;
                ended = running.next() => match ended {
                    Some(ended) => Event::Ended(ended),
                    // The request could not be made once more.
                    None => return self.conclude(last, tried.len()),
                },
                () = wait(hedge_after) => Event::HedgeDue,
            };
            is_due = match event {
                Event::HedgeDue => {
                    hedges -= 1;
                    self.budget.take(now())
                }
                Event::Ended(ended) => {
                    let may_repeat = match ended.outcome {
                        Outcome::Success | Outcome::Failure => {
                            return self.conclude(Some(ended), tried.len());
                        }
                        Outcome::Unavailable => repeat == Repeat::Always,
                        Outcome::Unsent => true,
                    };
                    last = Some(ended);
                    if running.is_empty() {
                        if !(may_repeat && self.may_try(&tried) && self.budget.take(now())) {
                            return self.conclude(last, tried.len());
                        }
                        failures += 1;
                        let wait = self.rules.backoff.wait(failures, &self.dice);
                        tokio::time::sleep(wait).await;
                        true
                    } else {
                        // The other request may still bring an answer.
                        false
                    }
                }
            };
        }
    }

    /// One request, and its report to the balancer.
    async fn request<T>(
        &self,
        pick: Pick,
        request: impl Future<Output = Result<T, BoxError>>,
        outcome: impl Fn(&T) -> Outcome,
    ) -> Ended<T> {
        let started = now();
        let result = match self.rules.try_timeout {
            Some(limit) => match tokio::time::timeout(limit, request).await {
                Ok(result) => result.map_err(Problem::Failed),
                Err(_) => Err(Problem::TimedOut(limit)),
            },
            None => request.await.map_err(Problem::Failed),
        };
        let outcome = match &result {
            Ok(response) => outcome(response),
            Err(Problem::Failed(error)) => Outcome::of_error(error.as_ref()),
            Err(Problem::TimedOut(_)) => Outcome::Unavailable,
        };
        let member = Arc::clone(pick.member());
        if outcome.is_failure() {
            pick.failed();
        } else {
            let took = now().saturating_duration_since(started);
            if let Some(latencies) = &self.latencies {
                latencies.record(took);
            }
            pick.succeeded(took);
        }
        Ended { result, outcome, member }
    }

    fn hedges(&self) -> u32 {
        self.rules.hedge.map_or(0, |hedge| hedge.max)
    }

    /// How long a call waits before it is hedged, if it is.
    fn hedge_after(&self) -> Option<Duration> {
        match self.rules.hedge?.after {
            HedgeAfter::Time(after) => Some(after),
            HedgeAfter::Quantile(_) => self.latencies.as_ref()?.quantile(),
        }
    }

    fn may_try(&self, tried: &[Arc<Member>]) -> bool {
        tried.len() < self.rules.max_tries as usize
    }

    /// The call's result, after so many tries.
    fn conclude<T>(&self, last: Option<Ended<T>>, tries: usize) -> Result<T, CallError> {
        let service = self.service.clone();
        let Some(Ended { result, member, .. }) = last else {
            let error = PickError::NoEndpoints;
            return Err(LookupError::pick(&service, error).into());
        };
        let endpoint = member.authority().to_string();
        let tries = u32::try_from(tries).unwrap_or(u32::MAX);
        result.map_err(|problem| match problem {
            Problem::Failed(source) => CallError::Failed { service, endpoint, tries, source },
            Problem::TimedOut(after) => CallError::TimedOut { service, endpoint, after, tries },
        })
    }
}

/// Ends after this time; never, if there is none.
async fn wait(time: Option<Duration>) {
    match time {
        Some(time) => tokio::time::sleep(time).await,
        None => std::future::pending().await,
    }
}
