//! Stands in for workers on systems that do not support them.

use std::convert::Infallible;
use std::path::Path;
use std::time::Duration;

use plugbay_core::{
    CallError, Description, Plugin, PluginStats, Policy, Provider, Reason, Refusal, StartPlugin,
};
use plugbay_guard::RestartRules;
use tokio::runtime::Handle;

use super::state::{WorkerCommand, WorkerState};

const MESSAGE: &str = "expected Linux, which isolation = \"process\" needs, found another system";

/// A plugin in a worker, which does not exist on this system.
#[derive(Debug)]
pub enum ProcessPlugin {}

impl ProcessPlugin {
    /// Refuses the plugin.
    ///
    /// # Errors
    ///
    /// Always.
    pub fn start(
        _: WorkerCommand,
        _: &Path,
        _: StartPlugin,
        _: RestartRules,
        _: Handle,
    ) -> Result<Self, Refusal> {
        Err(Refusal::new(Reason::Init, MESSAGE))
    }

    /// Does nothing.
    pub(crate) fn keep(self, _: crate::file::staging::PrivateCopy) -> Self {
        self
    }

    /// The state of its worker.
    #[must_use]
    pub fn state(&self) -> WorkerState {
        match *self {}
    }
}

impl Plugin for ProcessPlugin {
    fn provide(&self, _: u32) -> Option<Provider> {
        match *self {}
    }

    fn calls_others(&self) -> bool {
        match *self {}
    }

    fn health(&self, _: Duration) -> Result<(), CallError> {
        match *self {}
    }

    fn shutdown(&self) {
        match *self {}
    }

    fn stats(&self) -> PluginStats {
        match *self {}
    }
}

/// Refuses the library.
///
/// # Errors
///
/// Always.
pub fn describe(_: &WorkerCommand, _: &Path, _: &Policy) -> Result<Description, Refusal> {
    Err(Refusal::new(Reason::Describe, MESSAGE))
}

/// Fails.
pub(super) fn run() -> Result<Infallible, &'static str> {
    Err(MESSAGE)
}
