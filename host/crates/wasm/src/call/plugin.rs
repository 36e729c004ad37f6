//! A started plugin: the host's trait for it.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use plugbay_core::{CallError, Description, Plugin, PluginStats, Provider};

use super::checkout::{Checkout, WaitLimit};
use super::erased::Served;
use super::instances::Instances;
use super::lifecycle::Lifecycle;
use crate::sandbox::clock::Allowance;
use crate::sandbox::fault::fault;

/// A started plugin.
pub(crate) struct WasmPlugin {
    pub(crate) instances: Arc<Instances>,
    pub(crate) description: Arc<Description>,
    /// The interfaces that the plugin exports, in the order of the instances' guests.
    pub(crate) kinds: Vec<Arc<dyn Served>>,
}

impl WasmPlugin {
    /// Makes the first instance and checks its health.
    pub(crate) fn warm_up(&self) -> Result<(), (Stage, CallError)> {
        let within = self.instances.policy.init;
        // There were no calls yet, so an instance can be made.
        let wait = WaitLimit { within, ends: None, cancel: None };
        let first = Checkout::take_within(&self.instances, wait);
        let first = first.map_err(|error| (Stage::Init, error))?;
        let checked = self.check_health(first, Allowance::step(within, None));
        checked.map_err(|error| (Stage::Health, error))
    }

    /// Calls `health` on one instance.
    fn check_health(
        &self,
        mut checkout: Checkout<'_>,
        allowed: Allowance,
    ) -> Result<(), CallError> {
        let instances = &self.instances;
        let instance = checkout.instance()?;
        let answer = instances.step(instance, allowed, Lifecycle::health)?;
        match instance.store.data_mut().end().and(answer) {
            Ok((answer,)) => {
                checkout.done();
                answer.map_err(|error| CallError::from(error).of(instances.sandbox.label()))
            }
            Err(error) => Err(fault(&error, instance.store.data_mut())),
        }
    }
}

/// The step of a start that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    Init,
    Health,
}

impl Plugin for WasmPlugin {
    fn provide(&self, capability: u32) -> Option<Provider> {
        let described = self.description.capabilities.get(capability as usize)?;
        let mut kinds = self.kinds.iter().enumerate();
        let (slot, kind) = kinds.find(|(_, kind)| kind.kind() == described.kind)?;
        Some(kind.provide(&self.instances, slot, capability))
    }

    fn calls_others(&self) -> bool {
        self.instances.wants.services
    }

    fn health(&self, within: Duration) -> Result<(), CallError> {
        let allowed = Allowance::step(within, None);
        let wait = WaitLimit { within, ends: allowed.ends, cancel: None };
        self.check_health(Checkout::take_within(&self.instances, wait)?, allowed)
    }

    fn shutdown(&self) {
        let instances = &self.instances;
        instances.pool.close();
        let began = Instant::now();
        while let Some(mut instance) = instances.pool.take() {
            // All instances share the time of one: many whose `shutdown` hangs must not delay the
            // host's own shutdown.
            let left = instances.policy.init.saturating_sub(began.elapsed());
            if !left.is_zero() {
                instances.call_shutdown(&mut instance, left);
            }
            drop(instance);
            instances.pool.release();
        }
    }

    fn stats(&self) -> PluginStats {
        let instances = &self.instances;
        PluginStats {
            instances: instances.pool.live().into(),
            instantiations: instances.instantiations.load(Ordering::Relaxed),
            discarded: instances.discarded.load(Ordering::Relaxed),
            memory: instances.budget.used(),
            peak_memory: instances.budget.peak(),
            cpu_seconds: Some(
                Duration::from_nanos(instances.cpu.load(Ordering::Relaxed)).as_secs_f64(),
            ),
            waiting: instances.pool.waiters.waiting().into(),
            waited: instances.pool.waiters.waited(),
            denied: instances.sandbox.denied_counts(),
            limited: instances.sandbox.limited_counts(),
            metrics: instances.metrics.snapshot(),
            ..PluginStats::default()
        }
    }
}
