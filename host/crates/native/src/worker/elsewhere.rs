//! Systems on which there are no workers.

use std::convert::Infallible;
use std::path::Path;
use std::time::Duration;

use plugbay_core::{
    CallError, Description, Plugin, PluginStats, Policy, Provider, Reason, Refusal, StartPlugin,
};
use plugbay_guard::RestartRules;
use tokio::runtime::Handle;

use super::state::{WorkerCommand, WorkerState};

const MESSAGE: &str = "process isolation needs Linux";

/// What there is none of on this system.
#[derive(Debug)]
pub enum ProcessPlugin {}

impl ProcessPlugin {
    /// Starts nothing.
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

    /// Keeps nothing.
    pub(crate) fn keep(self, _: crate::file::staging::PrivateCopy) -> Self {
        self
    }

    /// How its worker is.
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

/// Asks nothing.
///
/// # Errors
///
/// Always.
pub fn describe(_: &WorkerCommand, _: &Path, _: &Policy) -> Result<Description, Refusal> {
    Err(Refusal::new(Reason::Describe, MESSAGE))
}

/// Serves nobody.
pub(super) fn run() -> Result<Infallible, &'static str> {
    Err(MESSAGE)
}
