//! One pick, and how its call ended.

use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use plugbay_guard::{Guard, Permit, Transition};
use thiserror::Error;

use super::{Member, now};

/// The endpoint that was picked for a call, and the duty to say how the call ended. While this exists,
/// the call counts as in flight. Dropped without an outcome, it was cancelled, which says nothing about
/// the endpoint.
#[derive(Debug)]
#[must_use = "a pick that is dropped at once counts as a cancelled call"]
pub struct Pick {
    member: Arc<Member>,
    /// The slot of a half-open breaker, if the call is its probe.
    probe: Option<Permit<Held>>,
}

/// A member, as the owner of the guard in it.
#[derive(Debug)]
pub(super) struct Held(pub(super) Arc<Member>);

impl Deref for Held {
    type Target = Guard;

    fn deref(&self) -> &Guard {
        self.0.guard()
    }
}

impl Pick {
    #[inline]
    pub(super) fn new(member: &Arc<Member>, probe: Option<Permit<Held>>) -> Self {
        member.begin();
        Self { member: Arc::clone(member), probe }
    }

    /// The endpoint and the record of its calls.
    #[must_use]
    pub fn member(&self) -> &Arc<Member> {
        &self.member
    }

    /// `host:port` of the endpoint, with brackets around an IPv6 address.
    #[must_use]
    pub fn authority(&self) -> &str {
        self.member.authority()
    }

    /// Whether the call is the probe of an endpoint that comes back from an ejection.
    #[must_use]
    pub fn is_probe(&self) -> bool {
        self.probe.is_some()
    }

    /// The endpoint answered, after this time.
    pub fn succeeded(mut self, took: Duration) {
        self.member.count(true, Some(took));
        match self.probe.take() {
            // Closed or not: the set contains the endpoint already.
            Some(probe) => drop(probe.succeeded()),
            None => self.member.guard().succeeded(),
        }
    }

    /// The endpoint did not answer, or answered that it cannot do its work.
    pub fn failed(mut self) {
        self.member.count(false, None);
        let now = now();
        let transition = match self.probe.take() {
            Some(probe) => probe.failed(now),
            None => self.member.guard().failed(now),
        };
        if let Some(Transition::Opened { .. }) = transition {
            self.member.report_opened();
        }
    }
}

impl Drop for Pick {
    #[inline]
    fn drop(&mut self) {
        self.member.end();
    }
}

/// There is no endpoint to pick.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum PickError {
    /// The directory knows no endpoint of the service.
    #[error("the directory knows no endpoint of the service")]
    NoEndpoints,
}

impl PickError {
    /// A stable word for logs and metrics.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        match self {
            Self::NoEndpoints => "no-endpoints",
        }
    }
}
