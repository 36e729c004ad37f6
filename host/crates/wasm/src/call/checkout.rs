//! Taking an instance for one call, and putting it back or throwing it away.

use std::sync::Arc;
use std::time::{Duration, Instant};

use plugbay_core::{
    CallError, CallErrorKind, Cancel, Context, Policy, Reuse, WaitError, overloaded, rounded,
};

use super::instance::Instance;
use super::instances::Instances;
use crate::sandbox::clock::{cancelled, until_deadline};

/// An instance in a call. If it is dropped without [`Checkout::done`], because the guest trapped or
/// the call's future was dropped, the instance is discarded.
pub(crate) struct Checkout<'a> {
    plugin: &'a Arc<Instances>,
    instance: Option<Box<Instance>>,
}

/// How long a call waits for an instance.
#[derive(Clone, Copy)]
pub(crate) struct WaitLimit<'a> {
    /// The whole time that the call may wait, for error messages.
    pub(crate) within: Duration,
    /// When the wait ends; `None` for never.
    pub(crate) ends: Option<Instant>,
    /// Ends the wait earlier.
    pub(crate) cancel: Option<&'a Cancel>,
}

impl WaitLimit<'_> {
    /// The error of a call that got no instance.
    #[cold]
    fn refusal(&self, plugin: &Instances, error: WaitError) -> CallError {
        match error {
            WaitError::Full => full(plugin),
            WaitError::Late => busy(plugin, self.within),
            WaitError::Cancelled => cancelled().of(plugin.sandbox.label()),
        }
    }
}

impl<'a> Checkout<'a> {
    /// Takes an idle instance, makes one, or waits for one on the caller's thread. Also returns the
    /// call's deadline, if it is known: a call that finds an idle instance does not read a clock.
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
        Self::make_or_wait(plugin, context)
    }

    #[cold]
    #[inline(never)]
    fn make_or_wait(
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
        limit: WaitLimit<'_>,
    ) -> Result<Self, CallError> {
        let WaitLimit { ends, cancel, .. } = limit;
        let found = plugin.pool.waiters.wait(ends, cancel, || Self::try_take(plugin));
        match found.map_err(|error| limit.refusal(plugin, error))? {
            Found::Idle(instance) => Ok(Self::of(plugin, instance)),
            Found::Reserved(reservation) => {
                let instance = plugin.make_blocking(ends)?;
                reservation.keep();
                Ok(Self::of(plugin, instance))
            }
        }
    }

    /// As [`Checkout::take_within`], without blocking a thread.
    pub(crate) async fn take_async(
        plugin: &'a Arc<Instances>,
        limit: WaitLimit<'_>,
    ) -> Result<Self, CallError> {
        let WaitLimit { ends, cancel, .. } = limit;
        let is_cancelled = cancel.is_some_and(Cancel::is_cancelled);
        // A call that does not have to wait sets up no timer.
        let found = if !is_cancelled && let Some(found) = Self::try_take(plugin) {
            Ok(found)
        } else {
            let wait = plugin.pool.waiters.wait_async(cancel, || Self::try_take(plugin));
            until_deadline(ends, wait).await.unwrap_or(Err(WaitError::Late))
        };
        match found.map_err(|error| limit.refusal(plugin, error))? {
            Found::Idle(instance) => Ok(Self::of(plugin, instance)),
            Found::Reserved(reservation) => {
                let instance = plugin.make(true, ends).await?;
                reservation.keep();
                Ok(Self::of(plugin, instance))
            }
        }
    }

    fn try_take(plugin: &'a Instances) -> Option<Found<'a>> {
        if plugin.policy.reuse == Reuse::Pooled
            && let Some(instance) = plugin.pool.take()
        {
            return Some(Found::Idle(instance));
        }
        // The reservation is created only after a successful `reserve`: dropping it calls `release`.
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

    /// Ends a call that returned: puts the instance back, unless it is used up.
    #[inline]
    pub(crate) fn done(mut self) {
        let Some(mut instance) = self.instance.take() else { return };
        self.plugin.count_cpu(&mut instance);
        if self.plugin.wants.services {
            instance.clear_context();
        }
        if self.plugin.wants.call {
            instance.clear_call();
        }
        if is_used_up(&self.plugin.policy, &instance) {
            return self.plugin.retire(instance);
        }
        self.plugin.pool.put(instance);
    }
}

impl Drop for Checkout<'_> {
    fn drop(&mut self) {
        if let Some(mut instance) = self.instance.take() {
            self.plugin.count_cpu(&mut instance);
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

#[cold]
fn full(plugin: &Instances) -> CallError {
    let message = format!(
        "the plugin's queue is full: at most {} calls wait for one of its {} instances",
        plugin.pool.waiters.bound(),
        plugin.pool.limit()
    );
    overloaded(plugin.sandbox.label(), message)
}

#[cold]
fn busy(plugin: &Instances, within: Duration) -> CallError {
    let (within, limit) = (rounded(within), plugin.pool.limit());
    let message = format!("expected an instance within {within:?}, found all {limit} in use");
    overloaded(plugin.sandbox.label(), message)
}

enum Found<'a> {
    Idle(Box<Instance>),
    Reserved(Reservation<'a>),
}

/// The place in the pool of an instance that is being made. Dropping it releases the place.
struct Reservation<'a> {
    plugin: Option<&'a Instances>,
}

impl Reservation<'_> {
    /// Keeps the place, for the instance that was made.
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
