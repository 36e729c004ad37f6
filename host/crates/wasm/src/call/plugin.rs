//! A started plugin, as the host sees it.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use plugbay_core::{CallError, Description, Plugin, PluginStats, Provider};

use super::checkout::{Checkout, Patience};
use super::erased::Served;
use super::lifecycle::Lifecycle;
use super::shared::Shared;
use crate::sandbox::clock::Allowance;
use crate::sandbox::fault::fault;

/// A started plugin, as the host sees it.
pub(crate) struct WasmPlugin {
    pub(crate) shared: Arc<Shared>,
    pub(crate) description: Arc<Description>,
    /// The interfaces that the plugin exports, in the order of the instances' guests.
    pub(crate) kinds: Vec<Arc<dyn Served>>,
}

impl WasmPlugin {
    /// Makes the first instance and asks for its health.
    pub(crate) fn warm_up(&self) -> Result<(), (Stage, CallError)> {
        let within = self.shared.policy.init;
        // Nobody has called yet, so there is room.
        let patience = Patience { within, ends: None, cancel: None };
        let first = Checkout::take_within(&self.shared, patience);
        let first = first.map_err(|error| (Stage::Init, error))?;
        let examined = self.examine(first, Allowance::step(within, None));
        examined.map_err(|error| (Stage::Health, error))
    }

    /// Asks one instance whether it can serve.
    fn examine(&self, mut checkout: Checkout<'_>, allowed: Allowance) -> Result<(), CallError> {
        let shared = &self.shared;
        let instance = checkout.instance()?;
        let answer = shared.step(instance, allowed, Lifecycle::health)?;
        match instance.store.data_mut().end().and(answer) {
            Ok((answer,)) => {
                checkout.done();
                answer.map_err(|error| CallError::from(error).of(shared.sandbox.label()))
            }
            Err(error) => Err(fault(&error, instance.store.data_mut())),
        }
    }
}

/// How far a start came.
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
        Some(kind.provide(&self.shared, slot, capability))
    }

    fn calls_others(&self) -> bool {
        self.shared.wants_services
    }

    fn health(&self, within: Duration) -> Result<(), CallError> {
        let allowed = Allowance::step(within, None);
        let patience = Patience { within, ends: allowed.ends, cancel: None };
        self.examine(Checkout::take_within(&self.shared, patience)?, allowed)
    }

    fn shutdown(&self) {
        let shared = &self.shared;
        shared.pool.close();
        let began = Instant::now();
        while let Some(mut instance) = shared.pool.take() {
            // All of them have the time of one: many that do not end must not hold up a host
            // that does.
            let left = shared.policy.init.saturating_sub(began.elapsed());
            if !left.is_zero() {
                shared.say_goodbye(&mut instance, left);
            }
            drop(instance);
            shared.pool.release();
        }
    }

    fn stats(&self) -> PluginStats {
        let shared = &self.shared;
        PluginStats {
            instances: shared.pool.live().into(),
            instantiations: shared.instantiations.load(Ordering::Relaxed),
            discarded: shared.discarded.load(Ordering::Relaxed),
            memory: shared.budget.used(),
            waiting: shared.pool.waiters.waiting().into(),
            denied: shared.sandbox.denials(),
            limited: shared.sandbox.excesses(),
            metrics: shared.metrics.snapshot(),
            ..PluginStats::default()
        }
    }
}
