//! Idle instances, which make room for others when the engine has none left.
//!
//! The engine's pool is shared by all plugins, and each keeps its warm instances. One plugin's
//! idle ones must not keep another from serving.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use crate::plugin::Shared;

/// The started plugins of an engine; whoever gave up an instance last stands at the end.
#[derive(Default)]
pub(crate) struct Idle(Mutex<VecDeque<Weak<Shared>>>);

impl Idle {
    /// Adds a plugin, for as long as it lives.
    pub(crate) fn join(&self, plugin: &Arc<Shared>) {
        let mut plugins = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        plugins.retain(|plugin| plugin.strong_count() > 0);
        plugins.push_back(Arc::downgrade(plugin));
    }

    /// Frees the place of one idle instance, unless there is none. It is not told goodbye: whoever
    /// asks for its place has a caller that waits.
    pub(crate) fn give_up_one(&self) -> bool {
        let plugins: Vec<Arc<Shared>> = {
            let plugins = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            plugins.iter().filter_map(Weak::upgrade).collect()
        };
        let Some(at) = plugins.iter().position(|plugin| plugin.give_up_idle()) else {
            return false;
        };
        let mut order = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let gave = Arc::as_ptr(&plugins[at]);
        if let Some(place) = order.iter().position(|plugin| plugin.as_ptr() == gave)
            && let Some(plugin) = order.remove(place)
        {
            order.push_back(plugin);
        }
        true
    }
}
