//! Actions of operators: what each is called, and what it answers.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::change::Change;
use super::rejected::Rejected;

/// An action of an operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Action {
    /// Reads the folder and the configuration now.
    Reload,
    /// Serves what an earlier generation served.
    Rollback,
    /// Applies changes of files and configuration again.
    Resume,
    /// Lets a plugin run.
    Enable,
    /// Stops a plugin.
    Disable,
    /// Starts the same version of a plugin again.
    Restart,
    /// Gives a plugin no new calls.
    Drain,
    /// Opens the breaker of a plugin.
    BreakerOpen,
    /// Closes the breaker of a plugin.
    BreakerReset,
    /// Sets the weights of a capability's providers.
    Weights,
}

impl Action {
    /// The stable word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Reload => "reload",
            Self::Rollback => "rollback",
            Self::Resume => "resume",
            Self::Enable => "enable",
            Self::Disable => "disable",
            Self::Restart => "restart",
            Self::Drain => "drain",
            Self::BreakerOpen => "breaker-open",
            Self::BreakerReset => "breaker-reset",
            Self::Weights => "weights",
        }
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The answer of an action.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[non_exhaustive]
pub struct ActionReport {
    /// The action.
    pub action: Action,
    /// The plugin or capability, or the generation of a rollback; empty if it is about the whole host.
    pub on: String,
    /// Whether nothing was done: the report says what would change.
    pub dry_run: bool,
    /// The generation that serves now.
    pub generation: u64,
    /// Whether the action published it.
    pub published: bool,
    /// What changed, or would.
    pub change: Change,
    /// `name@version` of the versions that were started.
    #[serde(default)]
    pub loaded: Vec<String>,
    /// `name@version` of the versions that were retired.
    #[serde(default)]
    pub retired: Vec<String>,
    /// Everything that is refused now.
    #[serde(default)]
    pub rejected: Vec<Rejected>,
    /// The sources of the artifacts that are still being prepared.
    #[serde(default)]
    pub preparing: Vec<String>,
    /// Calls in flight that a drain still waits for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub left: Option<CallsLeft>,
    /// What an operator should know about it, such as why it is forgotten at a restart of the host.
    #[serde(default)]
    pub notes: Vec<String>,
}

/// Calls in flight that a drain still waits for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[non_exhaustive]
pub struct CallsLeft {
    /// Calls of the plugin.
    pub leases: usize,
    /// Calls of this and earlier generations that may have called it through another plugin.
    pub others: usize,
}

impl CallsLeft {
    /// Whether no call is left.
    #[must_use]
    pub fn is_drained(&self) -> bool {
        self.leases == 0 && self.others == 0
    }

    pub(crate) fn new(leases: usize, others: usize) -> Self {
        Self { leases, others }
    }
}
