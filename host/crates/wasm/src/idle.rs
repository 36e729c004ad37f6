//! The idle instances of all plugins, which are dropped when the engine's pool is full.
//!
//! All plugins share the engine's pool, and each keeps idle instances. The idle instances of one
//! plugin must not keep another from serving.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError, Weak};

/// Holds idle instances.
pub(crate) trait HoldsIdle: Send + Sync {
    /// Drops an idle instance; false if there is none.
    fn drop_idle(&self) -> bool;
}

/// The started plugins of an engine, in the order in which they drop idle instances: the one that
/// dropped an instance last is at the end.
#[derive(Default)]
pub(crate) struct IdleInstances(Mutex<VecDeque<Weak<dyn HoldsIdle>>>);

impl IdleInstances {
    /// Adds a plugin, until it is dropped.
    pub(crate) fn register(&self, plugin: &Arc<impl HoldsIdle + 'static>) {
        let plugin: Weak<dyn HoldsIdle> = Arc::downgrade(plugin) as _;
        let mut plugins = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        plugins.retain(|plugin| plugin.strong_count() > 0);
        plugins.push_back(plugin);
    }

    /// Drops one idle instance of any plugin; false if no plugin has one. Its `shutdown` is not
    /// called, because a call waits for the place.
    pub(crate) fn drop_one(&self) -> bool {
        let plugins: Vec<Arc<dyn HoldsIdle>> = {
            let plugins = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            plugins.iter().filter_map(Weak::upgrade).collect()
        };
        let Some(dropped) = plugins.iter().find(|plugin| plugin.drop_idle()) else {
            return false;
        };
        let mut order = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_same =
            |plugin: &Weak<dyn HoldsIdle>| std::ptr::addr_eq(plugin.as_ptr(), Arc::as_ptr(dropped));
        if let Some(place) = order.iter().position(is_same)
            && let Some(plugin) = order.remove(place)
        {
            order.push_back(plugin);
        }
        true
    }
}
