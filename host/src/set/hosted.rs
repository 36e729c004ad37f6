//! A started plugin, and where it is freed.

use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use plugbay_core::{CallError, CallErrorKind, Plugin, PluginStats, Provider};

use super::dedicated::spawn_dedicated;

/// A started plugin. It is freed on a thread of its own, wherever it is dropped: that runs foreign
/// code, which may take its time, and the last may be an async task that timers wait for, or the
/// reconciler.
pub(crate) struct Hosted(Arc<dyn Plugin>);

impl Hosted {
    pub(crate) fn new(plugin: Arc<dyn Plugin>) -> Self {
        Self(plugin)
    }
}

impl Deref for Hosted {
    type Target = Arc<dyn Plugin>;

    fn deref(&self) -> &Arc<dyn Plugin> {
        &self.0
    }
}

impl Drop for Hosted {
    fn drop(&mut self) {
        let plugin = std::mem::replace(&mut self.0, Arc::new(Gone));
        // Without a thread, it is freed here.
        let _ = spawn_dedicated("free", move || drop(plugin));
    }
}

/// Stands in the place of a plugin that is being freed, for the length of its `drop`.
struct Gone;

impl Plugin for Gone {
    fn provide(&self, _capability: u32) -> Option<Provider> {
        None
    }

    fn calls_others(&self) -> bool {
        false
    }

    fn health(&self, _within: Duration) -> Result<(), CallError> {
        Err(CallError::new(CallErrorKind::Retired, "it was freed"))
    }

    fn shutdown(&self) {}

    fn stats(&self) -> PluginStats {
        PluginStats::default()
    }
}
