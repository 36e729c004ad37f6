//! Taking an instance for one call, and what becomes of it afterwards.

use std::sync::Arc;
use std::time::{Duration, Instant};

use plugbay_core::{CallError, CallErrorKind, Policy, Reuse};

use crate::instance::Instance;
use crate::plugin::Shared;
use crate::pool::{Returned, Waiter};

/// When to come back to an overloaded plugin. How long its calls take is not measured here: a
/// look at the clock would cost each of them more than this hint is worth.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// An instance in a call. Dropped without [`Checkout::done`] — the guest trapped, or the
/// call's future was dropped half-way — the instance is thrown away.
pub(crate) struct Checkout<'a> {
    plugin: &'a Arc<Shared>,
    instance: Option<Box<Instance>>,
}

impl<'a> Checkout<'a> {
    /// Takes an idle instance, makes one, or waits for one on the caller's thread.
    #[inline]
    pub(crate) fn take(plugin: &'a Arc<Shared>) -> Result<Self, CallError> {
        if plugin.policy.reuse == Reuse::Pooled
            && let Some(instance) = plugin.pool.take()
        {
            return Ok(Self::of(plugin, instance));
        }
        Self::take_within(plugin, plugin.policy.deadline)
    }

    /// As [`Checkout::take`], waiting for at most `within`.
    #[cold]
    #[inline(never)]
    pub(crate) fn take_within(
        plugin: &'a Arc<Shared>,
        within: Duration,
    ) -> Result<Self, CallError> {
        let mut waiter = None;
        let mut returned: Option<Returned> = None;
        // From when it begins to wait: a call that finds room looks at no clock.
        let mut deadline = None;
        loop {
            match Self::try_take(plugin) {
                Some(Found::Idle(instance)) => return Ok(Self::of(plugin, instance)),
                Some(Found::Room(room)) => {
                    drop((waiter, returned));
                    return Ok(Self::of(plugin, room.fill(plugin.make_blocking()?)));
                }
                None => {}
            }
            // Look once more between beginning to wait and waiting.
            let deadline = *deadline.get_or_insert_with(|| Instant::now() + within);
            let Some(waiting) = returned.take() else {
                returned = Some(queue(plugin, &mut waiter)?.listen());
                continue;
            };
            if !waiting.wait_until(deadline) {
                return Err(busy(plugin, within));
            }
        }
    }

    /// As [`Checkout::take`], without blocking a thread. The caller bounds the wait.
    pub(crate) async fn take_async(plugin: &'a Arc<Shared>) -> Result<Self, CallError> {
        let mut waiter = None;
        let mut returned: Option<Returned> = None;
        loop {
            match Self::try_take(plugin) {
                Some(Found::Idle(instance)) => return Ok(Self::of(plugin, instance)),
                Some(Found::Room(room)) => {
                    drop((waiter, returned));
                    return Ok(Self::of(plugin, room.fill(plugin.make(true).await?)));
                }
                None => {}
            }
            let Some(waiting) = returned.take() else {
                returned = Some(queue(plugin, &mut waiter)?.listen());
                continue;
            };
            waiting.wait().await;
        }
    }

    fn try_take(plugin: &'a Shared) -> Option<Found<'a>> {
        if plugin.policy.reuse == Reuse::Pooled
            && let Some(instance) = plugin.pool.take()
        {
            return Some(Found::Idle(instance));
        }
        // Made only if there is room: a dropped one gives its place back.
        plugin.pool.reserve().then(|| Found::Room(Room { plugin: Some(plugin) }))
    }

    #[inline]
    fn of(plugin: &'a Arc<Shared>, instance: Box<Instance>) -> Self {
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

    /// The call returned: puts the instance back, unless it has served its time.
    #[inline]
    pub(crate) fn done(mut self) {
        let Some(mut instance) = self.instance.take() else { return };
        if is_spent(&self.plugin.policy, &instance) {
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

/// Whether an instance has served its time.
#[inline]
fn is_spent(policy: &Policy, instance: &Instance) -> bool {
    let used_up = |limit: u64, used: u64| limit != 0 && used >= limit;
    policy.reuse == Reuse::Fresh
        || used_up(policy.recycle_calls, instance.calls)
        || used_up(policy.recycle_memory, instance.store.data().memory())
}

/// Joins the queue, or stays in it.
fn queue<'w, 'a>(
    plugin: &'a Shared,
    waiter: &'w mut Option<Waiter<'a>>,
) -> Result<&'w Waiter<'a>, CallError> {
    if waiter.is_none() {
        *waiter = Some(plugin.pool.join().ok_or_else(|| full(plugin))?);
    }
    waiter.as_ref().ok_or_else(|| full(plugin))
}

#[cold]
fn full(plugin: &Shared) -> CallError {
    let message = format!(
        "expected at most {} calls to wait for an instance, found all {} in calls",
        plugin.pool.queue(),
        plugin.pool.limit()
    );
    overloaded(plugin, message)
}

#[cold]
pub(crate) fn busy(plugin: &Shared, within: Duration) -> CallError {
    let message = format!(
        "expected an instance within {within:?}, found none free of at most {}",
        plugin.pool.limit()
    );
    overloaded(plugin, message)
}

fn overloaded(plugin: &Shared, message: String) -> CallError {
    CallError::new(CallErrorKind::Overloaded, message)
        .retry_after(RETRY_AFTER)
        .of(plugin.sandbox.label())
}

enum Found<'a> {
    Idle(Box<Instance>),
    Room(Room<'a>),
}

/// A reserved place for an instance that is being made; given back if it cannot be.
struct Room<'a> {
    plugin: Option<&'a Shared>,
}

impl Room<'_> {
    fn fill(mut self, instance: Box<Instance>) -> Box<Instance> {
        self.plugin = None;
        instance
    }
}

impl Drop for Room<'_> {
    fn drop(&mut self) {
        if let Some(plugin) = self.plugin {
            plugin.pool.release();
        }
    }
}
