//! Taking an instance for one call, and what becomes of it afterwards.

use std::sync::Arc;
use std::time::{Duration, Instant};

use plugbay_core::{CallError, CallErrorKind, Cancel, Context, Policy, Reuse};

use super::instance::Instance;
use super::pool::{Returned, Waiter};
use super::shared::{Shared, overloaded};
use crate::sandbox::clock::{before, gone};

/// How often who waits on a thread looks whether anybody waits for the answer.
pub(crate) const GLANCE: Duration = Duration::from_millis(50);

/// An instance in a call. Dropped without [`Checkout::done`] — the guest trapped, or the
/// call's future was dropped half-way — the instance is thrown away.
pub(crate) struct Checkout<'a> {
    plugin: &'a Arc<Shared>,
    instance: Option<Box<Instance>>,
}

/// How long somebody waits for an instance.
#[derive(Clone, Copy)]
pub(crate) struct Patience<'a> {
    /// All in all.
    pub(crate) within: Duration,
    /// When that is over; `None` is too far off to come.
    pub(crate) ends: Option<Instant>,
    /// What says that it is over before.
    pub(crate) cancel: Option<&'a Cancel>,
}

impl Patience<'_> {
    /// Whether anybody waits for the answer.
    fn ask(&self, plugin: &Shared) -> Result<(), CallError> {
        let gone_before = self.cancel.is_some_and(Cancel::is_cancelled);
        if gone_before { Err(gone().of(plugin.sandbox.label())) } else { Ok(()) }
    }
}

impl<'a> Checkout<'a> {
    /// Takes an idle instance, makes one, or waits for one on the caller's thread. Returns when
    /// the call must be over, as far as that is known: a call that finds an instance looks at no
    /// clock.
    #[inline]
    pub(crate) fn take(
        plugin: &'a Arc<Shared>,
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
        plugin: &'a Arc<Shared>,
        context: &Context<'_>,
    ) -> Result<(Self, Option<Instant>), CallError> {
        let within = plugin.policy.deadline;
        let ends = context.ends(Instant::now(), within);
        let patience = Patience { within, ends, cancel: context.cancel() };
        Ok((Self::take_within(plugin, patience)?, ends))
    }

    /// Takes an idle instance, makes one, or waits for one on the caller's thread.
    pub(crate) fn take_within(
        plugin: &'a Arc<Shared>,
        patience: Patience<'_>,
    ) -> Result<Self, CallError> {
        let mut waiter = None;
        let mut returned: Option<Returned> = None;
        loop {
            patience.ask(plugin)?;
            match Self::try_take(plugin) {
                Some(Found::Idle(instance)) => return Ok(Self::of(plugin, instance)),
                Some(Found::Room(room)) => {
                    drop((waiter, returned));
                    let instance = plugin.make_blocking(patience.ends)?;
                    room.fill();
                    return Ok(Self::of(plugin, instance));
                }
                None => {}
            }
            // Look once more between beginning to wait and waiting.
            let Some(waiting) = returned.take() else {
                returned = Some(queue(plugin, &mut waiter)?.listen());
                continue;
            };
            // Nothing wakes whoever is cancelled.
            let glance = patience.cancel.and_then(|_| Instant::now().checked_add(GLANCE));
            let woken = waiting.wait_until(patience.ends.into_iter().chain(glance).min());
            if !woken && patience.ends.is_some_and(|ends| Instant::now() >= ends) {
                return Err(busy(plugin, patience.within));
            }
        }
    }

    /// As [`Checkout::take_within`], without blocking a thread.
    pub(crate) async fn take_async(
        plugin: &'a Arc<Shared>,
        patience: Patience<'_>,
    ) -> Result<Self, CallError> {
        let mut waiter = None;
        let mut returned: Option<Returned> = None;
        loop {
            patience.ask(plugin)?;
            match Self::try_take(plugin) {
                Some(Found::Idle(instance)) => return Ok(Self::of(plugin, instance)),
                Some(Found::Room(room)) => {
                    drop((waiter, returned));
                    let instance = plugin.make(true, patience.ends).await?;
                    room.fill();
                    return Ok(Self::of(plugin, instance));
                }
                None => {}
            }
            let Some(waiting) = returned.take() else {
                returned = Some(queue(plugin, &mut waiter)?.listen());
                continue;
            };
            if before(patience.ends, waiting.wait()).await.is_none() {
                return Err(busy(plugin, patience.within));
            }
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
fn busy(plugin: &Shared, within: Duration) -> CallError {
    let message = format!(
        "expected an instance within {within:?}, found none free of at most {}",
        plugin.pool.limit()
    );
    overloaded(plugin, message)
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
    /// The instance is there, and keeps the place.
    fn fill(mut self) {
        self.plugin = None;
    }
}

impl Drop for Room<'_> {
    fn drop(&mut self) {
        if let Some(plugin) = self.plugin {
            plugin.pool.release();
        }
    }
}
