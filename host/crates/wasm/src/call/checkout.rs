//! Taking an instance for one call, and putting it back or throwing it away.

use std::sync::Arc;
use std::time::{Duration, Instant};

use plugbay_core::{CallError, CallErrorKind, Cancel, Context, Policy, Reuse};

use super::instance::Instance;
use super::instances::{Instances, overloaded};
use super::pool::{Returned, Waiter};
use crate::sandbox::clock::{cancelled, until_deadline};

/// How often a thread that waits checks whether its call was cancelled.
pub(crate) const CANCEL_POLL: Duration = Duration::from_millis(50);

/// An instance in a call. Dropped without [`Checkout::done`] — the guest trapped, or the
/// call's future was dropped half-way — the instance is thrown away.
pub(crate) struct Checkout<'a> {
    plugin: &'a Arc<Instances>,
    instance: Option<Box<Instance>>,
}

/// How long a call waits for an instance.
#[derive(Clone, Copy)]
pub(crate) struct WaitLimit<'a> {
    /// In all.
    pub(crate) within: Duration,
    /// When that time ends; `None` is never.
    pub(crate) ends: Option<Instant>,
    /// Ends the wait before.
    pub(crate) cancel: Option<&'a Cancel>,
}

impl WaitLimit<'_> {
    /// Fails if the call was cancelled.
    fn check_cancelled(&self, plugin: &Instances) -> Result<(), CallError> {
        let is_cancelled = self.cancel.is_some_and(Cancel::is_cancelled);
        if is_cancelled { Err(cancelled().of(plugin.sandbox.label())) } else { Ok(()) }
    }
}

impl<'a> Checkout<'a> {
    /// Takes an idle instance, makes one, or waits for one on the caller's thread. Returns when
    /// the call must be over, as far as that is known: a call that finds an instance looks at no
    /// clock.
    #[inline]
    pub(crate) fn take(
        plugin: &'a Arc<Instances>,
        context: &Context<'_>,
    ) -> Result<(Self, Option<Instant>), CallError> {
        if plugin.policy.reuse == Reuse::Pooled
            && let Some(instance) = plugin.pool.take()
        {
            return Ok((Self::of(plugin, instance), context.deadline()));
        }
        Self::take_slowly(plugin, context)
    }

    #[cold]
    #[inline(never)]
    fn take_slowly(
        plugin: &'a Arc<Instances>,
        context: &Context<'_>,
    ) -> Result<(Self, Option<Instant>), CallError> {
        let within = plugin.policy.deadline;
        let ends = context.ends(Instant::now(), within);
        let wait = WaitLimit { within, ends, cancel: context.cancel() };
        Ok((Self::take_within(plugin, wait)?, ends))
    }

    /// Takes an idle instance, makes one, or waits for one on the caller's thread.
    pub(crate) fn take_within(
        plugin: &'a Arc<Instances>,
        wait: WaitLimit<'_>,
    ) -> Result<Self, CallError> {
        let mut waiter = None;
        let mut returned: Option<Returned> = None;
        loop {
            wait.check_cancelled(plugin)?;
            match Self::try_take(plugin) {
                Some(Found::Idle(instance)) => return Ok(Self::of(plugin, instance)),
                Some(Found::Reserved(reservation)) => {
                    drop((waiter, returned));
                    let instance = plugin.make_blocking(wait.ends)?;
                    reservation.keep();
                    return Ok(Self::of(plugin, instance));
                }
                None => {}
            }
            // Look once more between listening and waiting.
            let Some(waiting) = returned.take() else {
                returned = Some(queue(plugin, &mut waiter)?.listen());
                continue;
            };
            // A cancelled call is not woken.
            let next_poll = wait.cancel.and_then(|_| Instant::now().checked_add(CANCEL_POLL));
            let woken = waiting.wait_until(wait.ends.into_iter().chain(next_poll).min());
            if !woken && wait.ends.is_some_and(|ends| Instant::now() >= ends) {
                return Err(busy(plugin, wait.within));
            }
        }
    }

    /// As [`Checkout::take_within`], without blocking a thread.
    pub(crate) async fn take_async(
        plugin: &'a Arc<Instances>,
        wait: WaitLimit<'_>,
    ) -> Result<Self, CallError> {
        let mut waiter = None;
        let mut returned: Option<Returned> = None;
        loop {
            wait.check_cancelled(plugin)?;
            match Self::try_take(plugin) {
                Some(Found::Idle(instance)) => return Ok(Self::of(plugin, instance)),
                Some(Found::Reserved(reservation)) => {
                    drop((waiter, returned));
                    let instance = plugin.make(true, wait.ends).await?;
                    reservation.keep();
                    return Ok(Self::of(plugin, instance));
                }
                None => {}
            }
            let Some(waiting) = returned.take() else {
                returned = Some(queue(plugin, &mut waiter)?.listen());
                continue;
            };
            if until_deadline(wait.ends, waiting.wait()).await.is_none() {
                return Err(busy(plugin, wait.within));
            }
        }
    }

    fn try_take(plugin: &'a Instances) -> Option<Found<'a>> {
        if plugin.policy.reuse == Reuse::Pooled
            && let Some(instance) = plugin.pool.take()
        {
            return Some(Found::Idle(instance));
        }
        // Made only if there is reservation: a dropped one gives its place back.
        plugin.pool.reserve().then(|| Found::Reserved(Reservation { plugin: Some(plugin) }))
    }

    #[inline]
    fn of(plugin: &'a Arc<Instances>, instance: Box<Instance>) -> Self {
        Self { plugin, instance: Some(instance) }
    }

    /// The instance.
    #[inline]
    pub(crate) fn instance(&mut self) -> Result<&mut Instance, CallError> {
        // It is there until `done` or `drop`, which both consume the checkout.
        self.instance
            .as_deref_mut()
            .ok_or_else(|| CallError::new(CallErrorKind::Internal, "the call is over"))
    }

    /// The call returned: puts the instance back, unless it is used up.
    #[inline]
    pub(crate) fn done(mut self) {
        let Some(mut instance) = self.instance.take() else { return };
        if is_used_up(&self.plugin.policy, &instance) {
            return self.plugin.retire(instance);
        }
        if self.plugin.wants_services {
            instance.end();
        }
        self.plugin.pool.put(instance);
    }
}

impl Drop for Checkout<'_> {
    fn drop(&mut self) {
        if let Some(instance) = self.instance.take() {
            drop(instance);
            self.plugin.discard();
        }
    }
}

/// Whether an instance has reached a limit after which it is replaced.
#[inline]
fn is_used_up(policy: &Policy, instance: &Instance) -> bool {
    let reached = |limit: u64, used: u64| limit != 0 && used >= limit;
    policy.reuse == Reuse::Fresh
        || reached(policy.recycle_calls, instance.calls)
        || reached(policy.recycle_memory, instance.store.data().memory())
}

/// Joins the queue, or stays in it.
fn queue<'w, 'a>(
    plugin: &'a Instances,
    waiter: &'w mut Option<Waiter<'a>>,
) -> Result<&'w Waiter<'a>, CallError> {
    if waiter.is_none() {
        *waiter = Some(plugin.pool.join().ok_or_else(|| full(plugin))?);
    }
    waiter.as_ref().ok_or_else(|| full(plugin))
}

#[cold]
fn full(plugin: &Instances) -> CallError {
    let message = format!(
        "expected at most {} calls to wait for an instance, found all {} in calls",
        plugin.pool.queue(),
        plugin.pool.limit()
    );
    overloaded(plugin, message)
}

#[cold]
fn busy(plugin: &Instances, within: Duration) -> CallError {
    let message = format!(
        "expected an instance within {within:?}, found none free of at most {}",
        plugin.pool.limit()
    );
    overloaded(plugin, message)
}

enum Found<'a> {
    Idle(Box<Instance>),
    Reserved(Reservation<'a>),
}

/// A reserved place for an instance that is being made; given back if it cannot be.
struct Reservation<'a> {
    plugin: Option<&'a Instances>,
}

impl Reservation<'_> {
    /// The instance is there, and keeps the place.
    fn keep(mut self) {
        self.plugin = None;
    }
}

impl Drop for Reservation<'_> {
    fn drop(&mut self) {
        if let Some(plugin) = self.plugin {
            plugin.pool.release();
        }
    }
}
