//! Idle instances, which make room for others when the engine has none left.
//!
//! The engine's pool is shared by all plugins, and each keeps its warm instances. One plugin's
//! idle ones must not keep another from serving.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError, Weak};

/// Holds idle instances.
pub(crate) trait HoldsIdle: Send + Sync {
    /// Drops an idle instance; false if there is none.
    fn drop_idle(&self) -> bool;
}

/// The started plugins of an engine. The plugin that dropped an instance last stands at the end.
#[derive(Default)]
pub(crate) struct Idle(Mutex<VecDeque<Weak<dyn HoldsIdle>>>);

impl Idle {
    /// Adds a plugin, for as long as it lives.
    pub(crate) fn join(&self, plugin: &Arc<impl HoldsIdle + 'static>) {
        let plugin: Weak<dyn HoldsIdle> = Arc::downgrade(plugin) as _;
        let mut plugins = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        plugins.retain(|plugin| plugin.strong_count() > 0);
        plugins.push_back(plugin);
    }

    /// Drops one idle instance of any plugin; false if no plugin has one. Its `shutdown` is not
    /// called: a caller waits for the room.
    pub(crate) fn drop_one(&self) -> bool {
        let plugins: Vec<Arc<dyn HoldsIdle>> = {
            let plugins = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            plugins.iter().filter_map(Weak::upgrade).collect()
        };
        let Some(dropped) = plugins.iter().find(|plugin| plugin.drop_idle()) else {
            return false;
        };
        let mut order = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_it =
            |plugin: &Weak<dyn HoldsIdle>| std::ptr::addr_eq(plugin.as_ptr(), Arc::as_ptr(dropped));
        if let Some(place) = order.iter().position(is_it)
            && let Some(plugin) = order.remove(place)
        {
            order.push_back(plugin);
        }
        true
    }
}
