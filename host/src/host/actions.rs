//! The actions of operators on a running host, each one function for library, HTTP and command line.
//!
//! None waits for a call of a plugin, except a drain that is told how long. So a plugin whose own call asks
//! for an action gets its answer at once, also if the action retires that plugin.

use std::collections::BTreeMap;
use std::time::Duration;

use plugbay_core::Kind as _;
use plugbay_core::codec::Codec;

use super::Host;
use crate::change::SetView;
use crate::control::{
    ActionError, ActionOptions, ActionRequest, GenerationNumbers, RollbackError, other_calls, stop,
};
use crate::report::{Action, ActionReport, CallsLeft, Change};

/// How often a drain looks whether calls are left.
const LOOK: Duration = Duration::from_millis(10);

impl Host {
    /// Stops a plugin: it leaves the set, and its calls in flight finish. The override holds until
    /// [`Host::enable`], also over a restart of the host, whatever the configuration says; it is dropped
    /// when the configuration says `enabled = false` itself. [`Status::overrides`](crate::Status::overrides)
    /// lists it.
    ///
    /// The answer says which capabilities go with it; `dry_run` says so before.
    ///
    /// # Errors
    /// If there is no such plugin, or a rule of the configuration forbids the change.
    ///
    /// # Cancel safety
    /// The action goes on if the future is dropped. So do all others here.
    pub async fn disable(
        &self,
        plugin: &str,
        options: ActionOptions,
    ) -> Result<ActionReport, ActionError> {
        self.act(Action::Disable, plugin, BTreeMap::new(), options).await
    }

    /// Lets a plugin run: the opposite of [`Host::disable`] and of [`Host::drain`]. If the configuration
    /// disables it, this is an override in the same way.
    ///
    /// # Errors
    /// As [`Host::disable`].
    pub async fn enable(
        &self,
        plugin: &str,
        options: ActionOptions,
    ) -> Result<ActionReport, ActionError> {
        self.act(Action::Enable, plugin, BTreeMap::new(), options).await
    }

    /// Starts the same version of a plugin again, with its `init`, and publishes it as a new generation.
    /// The instance before finishes its calls; no call is lost.
    ///
    /// # Errors
    /// If the plugin does not run, or does not start again; then the one before goes on.
    pub async fn restart(
        &self,
        plugin: &str,
        options: ActionOptions,
    ) -> Result<ActionReport, ActionError> {
        self.act(Action::Restart, plugin, BTreeMap::new(), options).await
    }

    /// Gives a plugin no new calls: they are refused as `retired`, or go to its other providers. It stays
    /// loaded, and [`Host::enable`] gives it calls again.
    ///
    /// Answers at once how many calls are in flight, or waits for them as long as
    /// [`ActionOptions::wait`] says.
    ///
    /// # Errors
    /// If the plugin does not run.
    pub async fn drain(
        &self,
        plugin: &str,
        options: ActionOptions,
    ) -> Result<ActionReport, ActionError> {
        let (wait, is_dry) = (options.wait, options.dry_run);
        let mut report = self.act(Action::Drain, plugin, BTreeMap::new(), options).await?;
        if !is_dry {
            report.left = Some(self.calls_left_after(plugin, wait).await);
        }
        Ok(report)
    }

    /// Opens the breaker of a plugin until [`Host::reset_breaker`]: all its calls are refused, or go to its
    /// other providers. Calls in flight finish.
    ///
    /// # Errors
    /// If the plugin does not run.
    pub async fn open_breaker(
        &self,
        plugin: &str,
        options: ActionOptions,
    ) -> Result<ActionReport, ActionError> {
        self.act(Action::BreakerOpen, plugin, BTreeMap::new(), options).await
    }

    /// Closes the breaker of a plugin at once, whether an operator or failures opened it.
    ///
    /// # Errors
    /// If there is no such plugin.
    pub async fn reset_breaker(
        &self,
        plugin: &str,
        options: ActionOptions,
    ) -> Result<ActionReport, ActionError> {
        self.act(Action::BreakerReset, plugin, BTreeMap::new(), options).await
    }

    /// Sets the weights of plugins that share a capability (`KIND:NAME`) by the strategy `split`. Plugins
    /// that are not named keep theirs; no weights at all bring back the configured ones.
    ///
    /// # Errors
    /// If there is no such capability, or the weights do not fit its section of the configuration.
    pub async fn set_weights(
        &self,
        capability: &str,
        weights: BTreeMap<String, u32>,
        options: ActionOptions,
    ) -> Result<ActionReport, ActionError> {
        self.act(Action::Weights, capability, weights, options).await
    }

    /// What [`Host::reload`] would change, as far as plugins start.
    ///
    /// # Errors
    /// If the host is shut down.
    pub async fn preview_reload(&self) -> Result<ActionReport, ActionError> {
        let options = ActionOptions::default().dry_run(true);
        self.act(Action::Reload, "", BTreeMap::new(), options).await
    }

    /// What [`Host::resume`] would change, as far as plugins start.
    ///
    /// # Errors
    /// If the host is shut down.
    pub async fn preview_resume(&self) -> Result<ActionReport, ActionError> {
        let options = ActionOptions::default().dry_run(true);
        self.act(Action::Resume, "", BTreeMap::new(), options).await
    }

    /// What a rollback to this generation would change.
    ///
    /// # Errors
    /// If the generation is not remembered.
    pub fn diff(&self, generation: u64) -> Result<Change, RollbackError> {
        let published = self.shared.cell.load();
        let mut history = published.history.iter();
        let past = history.find(|past| (past.first..=past.number).contains(&generation));
        let Some(past) = past else {
            let known = published.history.iter().map(|past| past.number).collect();
            return Err(RollbackError::Unknown {
                wanted: generation,
                known: GenerationNumbers(known),
            });
        };
        Ok(SetView::of(&published.generation).difference(&SetView::of_past(past)))
    }

    /// As [`Host::diff`], as the report of an action that is not taken.
    ///
    /// # Errors
    /// If the generation is not remembered.
    pub fn preview_roll_back(&self, generation: u64) -> Result<ActionReport, RollbackError> {
        let change = self.diff(generation)?;
        let now = self.unchanged();
        Ok(ActionReport {
            action: Action::Rollback,
            on: generation.to_string(),
            dry_run: true,
            generation: now.generation,
            published: false,
            change,
            loaded: Vec::new(),
            retired: Vec::new(),
            rejected: now.rejected,
            preparing: self.preparing(),
            left: None,
            notes: Vec::new(),
        })
    }

    async fn act(
        &self,
        action: Action,
        on: &str,
        weights: BTreeMap<String, u32>,
        options: ActionOptions,
    ) -> Result<ActionReport, ActionError> {
        let ActionOptions { by, dry_run, .. } = options;
        let request = ActionRequest { action, on: on.to_owned(), weights, by, dry_run };
        let done = self.control.signal.act(request);
        done.await.unwrap_or(Err(ActionError::Stopped))
    }

    /// The calls of a plugin in flight, and those that may reach it through another plugin.
    fn calls_left(&self, plugin: &str) -> CallsLeft {
        let published = self.shared.cell.load();
        let Some(member) = published.generation.plugins.get(plugin) else {
            return CallsLeft::default();
        };
        let leases = member.all().map(|running| running.leases()).sum();
        // Plugins call codecs only.
        let codecs = |running: &crate::set::Running| {
            running.description.capabilities.iter().any(|it| it.kind == Codec::NAME)
        };
        let users = self.shared.draining.users();
        let reached = member.all().filter(|it| codecs(it));
        let others = reached.map(|it| other_calls(it, &users)).max().unwrap_or_default();
        CallsLeft::new(leases, others)
    }

    /// The calls that are left once there are none, or after this wait.
    async fn calls_left_after(&self, plugin: &str, wait: Duration) -> CallsLeft {
        let left = self.calls_left(plugin);
        if left.is_drained() || wait.is_zero() {
            return left;
        }
        // On the host's own runtime: the caller's may not be tokio.
        let (host, plugin, end) = (self.clone(), plugin.to_owned(), stop::after(wait));
        let (reply, done) = tokio::sync::oneshot::channel();
        self.shared.tokio.spawn(async move {
            let left = loop {
                let left = host.calls_left(&plugin);
                let is_over = tokio::time::Instant::now() >= end || reply.is_closed();
                if left.is_drained() || is_over || host.shared.is_stopped() {
                    break left;
                }
                tokio::time::sleep(LOOK).await;
            };
            // The caller may have stopped waiting.
            let _ = reply.send(left);
        });
        done.await.unwrap_or(left)
    }
}
