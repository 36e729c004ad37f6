//! Frees a plugin on a dedicated thread.

use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use plugbay_core::{CallError, CallErrorKind, Plugin, PluginStats, Provider};

use super::dedicated::spawn_dedicated;
use super::figures::Figures;

/// A started plugin that is freed on a dedicated thread, wherever it is dropped: freeing it runs
/// the plugin's code, which may take long, and the last owner may be an async task or the
/// reconciler. What its runtime counted is read once more before, on that thread.
pub(crate) struct DropOnThread {
    plugin: Arc<dyn Plugin>,
    figures: Arc<Figures>,
}

impl DropOnThread {
    pub(crate) fn new(plugin: Arc<dyn Plugin>, figures: &Arc<Figures>) -> Self {
        Self { plugin, figures: Arc::clone(figures) }
    }
}

impl Deref for DropOnThread {
    type Target = Arc<dyn Plugin>;

    fn deref(&self) -> &Arc<dyn Plugin> {
        &self.plugin
    }
}

impl Drop for DropOnThread {
    fn drop(&mut self) {
        let plugin = std::mem::replace(&mut self.plugin, Arc::new(Freed));
        let figures = Arc::clone(&self.figures);
        // If no thread can be started, the plugin is freed here.
        let _ = spawn_dedicated("free", move || {
            figures.keep(&plugin.stats());
            drop(plugin);
        });
    }
}

/// A placeholder for a plugin that is being freed.
struct Freed;

impl Plugin for Freed {
    fn provide(&self, _capability: u32) -> Option<Provider> {
        None
    }

    fn calls_others(&self) -> bool {
        false
    }

    fn health(&self, _within: Duration) -> Result<(), CallError> {
        Err(CallError::new(CallErrorKind::Retired, "the plugin was freed"))
    }

    fn shutdown(&self) {}

    fn stats(&self) -> PluginStats {
        PluginStats::default()
    }
}
