//! Actions of operators on the running set: what is asked for, and why it fails.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::report::Action;

/// Who asks for an action, and how it is done.
///
/// ```
/// use std::time::Duration;
///
/// use plugbay::ActionOptions;
///
/// let options = ActionOptions::by("ada").dry_run(true).wait(Duration::from_secs(1));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct ActionOptions {
    pub(crate) by: String,
    pub(crate) dry_run: bool,
    pub(crate) wait: Duration,
}

/// The longest name of who acts, in characters: more is cut.
const MAX_NAME: usize = 64;

impl ActionOptions {
    /// An action of this person or program, as status, events and the log name it.
    pub fn by(who: &str) -> Self {
        let by = who.chars().take(MAX_NAME).collect();
        Self { by, dry_run: false, wait: Duration::ZERO }
    }

    /// Only says what would change, and changes nothing.
    pub fn dry_run(self, dry_run: bool) -> Self {
        Self { dry_run, ..self }
    }

    /// How long a drain waits for the calls in flight; zero, the default, answers at once how many
    /// there are.
    ///
    /// A call that waits for the drain of its own plugin waits for itself: it gets its answer at the
    /// end of this wait.
    pub fn wait(self, wait: Duration) -> Self {
        Self { wait, ..self }
    }
}

/// An action of the `application`.
impl Default for ActionOptions {
    fn default() -> Self {
        Self::by("application")
    }
}

/// An action that the reconciler takes.
#[derive(Clone, Debug)]
pub(crate) struct ActionRequest {
    pub(crate) action: Action,
    /// The plugin or the capability.
    pub(crate) on: String,
    /// The weights to set; none drop those that were set.
    pub(crate) weights: BTreeMap<String, u32>,
    pub(crate) by: String,
    pub(crate) dry_run: bool,
}

/// An action failed. Nothing changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ActionError {
    /// There is no such plugin.
    #[error("no plugin {wanted:?}; {hint}")]
    UnknownPlugin {
        /// The name that was asked for.
        wanted: String,
        /// The nearest name, or the names that there are.
        hint: String,
    },
    /// The plugin is there, and does not run.
    #[error("expected a plugin that runs, found {wanted:?}, which does not: {because}")]
    NotRunning {
        /// The name that was asked for.
        wanted: String,
        /// Why it does not run.
        because: String,
    },
    /// There is no such capability.
    #[error("no capability {wanted:?}; {hint}")]
    UnknownCapability {
        /// The `KIND:NAME` that was asked for.
        wanted: String,
        /// The nearest name, or the names that there are.
        hint: String,
    },
    /// The weights do not fit the capability.
    #[error("{0}")]
    Weights(String),
    /// The host cannot do it: a plugin does not start, or a rule forbids the change.
    #[error("{action} of {on} is refused: {artifact}: {message}")]
    Refused {
        /// The action.
        action: Action,
        /// The plugin or the capability.
        on: String,
        /// The source of what was refused.
        artifact: String,
        /// Why.
        message: String,
    },
    /// The host is shut down.
    #[error("the host is shut down")]
    Stopped,
}

impl ActionError {
    /// The stable word for logs and APIs.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        match self {
            Self::UnknownPlugin { .. } | Self::UnknownCapability { .. } => "not-found",
            Self::NotRunning { .. } => "not-running",
            Self::Weights(_) => "weights",
            Self::Refused { .. } => "refused",
            Self::Stopped => "stopped",
        }
    }
}
