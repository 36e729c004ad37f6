//! The outcomes of the steps of a change.

use std::time::SystemTime;

use plugbay_core::{CallError, Notice, Reason};
use plugbay_guard::{Health, Transition};
use serde::{Deserialize, Serialize};

use super::action::Action;
use super::time::millis;
use super::timestamp;
use super::warning::ConfigWarning;

/// The outcome of one step. [`Outcome::reason`] is the stable word that logs, metrics, the event
/// stream and the CLI share.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(tag = "outcome", rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Outcome {
    /// A plugin was started and serves from this generation on.
    Loaded {
        /// `name@version`.
        plugin: String,
        /// Where it was found.
        source: String,
        /// Its digest.
        digest: String,
        /// The version that it replaces.
        replaces: Option<String>,
        /// The digest of the version that it replaces.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        replaced_digest: Option<String>,
        /// Milliseconds that the load took. Reading, compiling, describing and `init` count only if
        /// this reconciliation had to do them.
        took_ms: u64,
    },
    /// A file, plugin or configuration was refused. The version before still runs.
    Rejected {
        /// Where it was found.
        source: String,
        /// The plugin's name, if it is known.
        plugin: Option<String>,
        /// Why.
        reason: Reason,
        /// What was expected and found.
        message: String,
        /// What to do about it.
        hint: String,
    },
    /// A file, plugin or configuration is no longer refused: it was fixed, or is gone.
    Recovered {
        /// Where it was found.
        source: String,
    },
    /// A new generation serves.
    Published {
        /// How many plugins it holds.
        plugins: usize,
        /// How many of them are new.
        loaded: usize,
        /// How many were retired.
        retired: usize,
    },
    /// A retired plugin version has finished its calls.
    Drained {
        /// `name@version`.
        plugin: String,
        /// Milliseconds since it was retired.
        took_ms: u64,
    },
    /// Calls of a retired plugin version were still in flight at the drain deadline. Each of them
    /// ends within its own limits, on the version that it began with.
    DrainDeadline {
        /// `name@version`.
        plugin: String,
        /// How many calls of it are in flight.
        leases: usize,
        /// How many calls may still reach it: through other plugins, or as one of several
        /// providers.
        others: usize,
    },
    /// A runtime reports something about a plugin: a use of something that is not granted, an
    /// exceeded limit, a move to a worker process, or the end of its worker process.
    Noticed {
        /// `name@version`.
        plugin: String,
        /// What.
        #[serde(flatten)]
        notice: Notice,
    },
    /// A plugin failed several times in a row; its breaker is open, and it gets no calls for a
    /// while.
    BreakerOpened {
        /// `name@version`.
        plugin: String,
        /// Failures in a row.
        failures: u32,
        /// Milliseconds until a probe call is admitted.
        open_ms: u64,
        /// The last failure.
        because: String,
    },
    /// A plugin whose breaker was open gets a probe call.
    BreakerHalfOpen {
        /// `name@version`.
        plugin: String,
    },
    /// A plugin's breaker is closed: it gets all its calls again.
    BreakerClosed {
        /// `name@version`.
        plugin: String,
    },
    /// A plugin's health checks fail; it gets no calls.
    Unhealthy {
        /// `name@version`.
        plugin: String,
        /// The error of the last health check.
        because: String,
    },
    /// A plugin that was unhealthy is healthy again.
    Healthy {
        /// `name@version`.
        plugin: String,
    },
    /// An unhealthy plugin will be restarted.
    Restarting {
        /// `name@version`.
        plugin: String,
        /// Milliseconds until the restart.
        in_ms: u64,
    },
    /// A plugin stayed unhealthy after several restarts; it is not restarted again for now.
    CrashLoop {
        /// `name@version`.
        plugin: String,
        /// How often it was restarted.
        restarts: u32,
        /// The error of the last health check.
        because: String,
    },
    /// A new version of a plugin begins its trial with a share of the calls.
    CanaryStarted {
        /// `name@version` of the new one.
        plugin: String,
        /// `name@version` of the one that it is compared with.
        stable: String,
    },
    /// A version on trial gets a larger share of the calls.
    CanaryStep {
        /// `name@version`.
        plugin: String,
        /// Its share of the calls, in percent.
        percent: u32,
    },
    /// A version on trial takes all calls.
    CanaryPromoted {
        /// `name@version`.
        plugin: String,
        /// Why: it passed the trial, or the stable version is worse.
        because: String,
    },
    /// A trial was interrupted before it was decided: something else changed.
    CanaryEnded {
        /// `name@version` of the one that was on trial.
        plugin: String,
        /// What changed.
        because: String,
    },
    /// A version on trial did worse than the one that serves, which gets all calls again.
    CanaryRolledBack {
        /// `name@version`.
        plugin: String,
        /// The figures of the decision.
        because: String,
    },
    /// An operator rolled back to an earlier generation. Changes of files and configuration are
    /// held back.
    RolledBack {
        /// The generation whose plugins and configuration serve again.
        to: u64,
    },
    /// Changes of files and configuration are applied again.
    Resumed,
    /// An operator acted on a plugin, or on the providers of a capability.
    Operator {
        /// The action.
        action: Action,
        /// The plugin or the capability.
        on: String,
        /// Who.
        by: String,
        /// What it sets, such as weights; empty if the action says it all.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        sets: String,
    },
    /// The configuration says what an operator had switched: the override is dropped.
    OverrideDropped {
        /// The plugin or the capability.
        on: String,
        /// The override's word.
        switch: String,
    },
    /// The file that keeps overrides over a restart of the host cannot be written or read.
    OverridesFile {
        /// The file, what was expected and found, and what to do.
        message: String,
    },
    /// A new configuration is in force.
    Configured,
    /// The host started, its configuration file is refused, and the configuration that was last in
    /// force serves.
    LastConfig {
        /// The file.
        source: String,
        /// Its first mistake.
        message: String,
    },
    /// A part of the configuration has no effect, such as a section that names no plugin.
    ConfigWarning(ConfigWarning),
    /// A setting changed that only a restart applies.
    PendingRestart {
        /// The key.
        key: String,
    },
    /// File watching is unavailable: the operating system refuses it, or the host is built without
    /// the feature `watch`. The folder and the configuration are polled every `host.rescan`.
    WatchLost {
        /// Milliseconds between polls: `host.rescan`.
        #[serde(default)]
        rescan_ms: u64,
        /// The operating system's error and which limit to raise, or that the build lacks the feature.
        message: String,
    },
    /// File watching was unavailable, and works again.
    WatchRestored,
    /// A plane of the server uses a new certificate.
    CertificateReloaded {
        /// `server` or `admin`.
        plane: String,
        /// When it expires.
        #[serde(with = "timestamp")]
        #[cfg_attr(feature = "openapi", schema(value_type = String, format = DateTime))]
        expires_at: SystemTime,
    },
    /// The files of a plane's certificate changed and cannot be used: the certificate before stays in force.
    CertificateRefused {
        /// `server` or `admin`.
        plane: String,
        /// What was expected and found.
        message: String,
        /// What to do about it.
        hint: String,
    },
    /// The certificate of a plane expires soon, or has expired.
    CertificateExpiring {
        /// `server` or `admin`.
        plane: String,
        /// The file of the certificate.
        file: String,
        /// When it expires.
        #[serde(with = "timestamp")]
        #[cfg_attr(feature = "openapi", schema(value_type = String, format = DateTime))]
        expires_at: SystemTime,
    },
}

impl Outcome {
    /// The stable word for logs, metrics and APIs.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Loaded { .. } => "loaded",
            Self::Rejected { reason, .. } => reason.as_str(),
            Self::Recovered { .. } => "recovered",
            Self::Published { .. } => "published",
            Self::Drained { .. } => "drained",
            Self::DrainDeadline { .. } => "drain-deadline",
            Self::Noticed { notice, .. } => notice.reason(),
            Self::BreakerOpened { .. } => "breaker-opened",
            Self::BreakerHalfOpen { .. } => "breaker-half-open",
            Self::BreakerClosed { .. } => "breaker-closed",
            Self::Unhealthy { .. } => "unhealthy",
            Self::Healthy { .. } => "healthy",
            Self::Restarting { .. } => "restarting",
            Self::CrashLoop { .. } => "crash-loop",
            Self::CanaryStarted { .. } => "canary-started",
            Self::CanaryStep { .. } => "canary-step",
            Self::CanaryPromoted { .. } => "canary-promoted",
            Self::CanaryEnded { .. } => "canary-ended",
            Self::CanaryRolledBack { .. } => "canary-rolled-back",
            Self::RolledBack { .. } => "rolled-back",
            Self::Resumed => "resumed",
            Self::Operator { action, .. } => match action {
                Action::Reload => "operator-reload",
                Action::Rollback => "operator-rollback",
                Action::Resume => "operator-resume",
                Action::Enable => "operator-enable",
                Action::Disable => "operator-disable",
                Action::Restart => "operator-restart",
                Action::Drain => "operator-drain",
                Action::BreakerOpen => "operator-breaker-open",
                Action::BreakerReset => "operator-breaker-reset",
                Action::Weights => "operator-weights",
            },
            Self::OverrideDropped { .. } => "override-dropped",
            Self::OverridesFile { .. } => "overrides-file",
            Self::Configured => "configured",
            Self::LastConfig { .. } => "last-config",
            Self::ConfigWarning(_) => "config-warning",
            Self::PendingRestart { .. } => "pending-restart",
            Self::WatchLost { .. } => "watch-lost",
            Self::WatchRestored => "watch-restored",
            Self::CertificateReloaded { .. } => "certificate-reloaded",
            Self::CertificateRefused { .. } => "certificate-refused",
            Self::CertificateExpiring { .. } => "certificate-expiring",
        }
    }
}

impl Outcome {
    /// A change of a plugin's guard, as an outcome.
    pub(crate) fn of_guard(
        plugin: &str,
        transition: Transition,
        because: Option<&CallError>,
    ) -> Option<Self> {
        let plugin = plugin.to_owned();
        let because = || because.map(|error| error.message().to_owned()).unwrap_or_default();
        Some(match transition {
            Transition::Opened { failures, duration } => Self::BreakerOpened {
                plugin,
                failures,
                open_ms: millis(duration),
                because: because(),
            },
            Transition::HalfOpened => Self::BreakerHalfOpen { plugin },
            Transition::Closed => Self::BreakerClosed { plugin },
            Transition::Health(Health::Unhealthy) => Self::Unhealthy { plugin, because: because() },
            Transition::Health(Health::Healthy) => Self::Healthy { plugin },
            _ => return None,
        })
    }

    /// The plugin that the outcome is about, as `name@version`, or its name alone if its version is not known.
    #[must_use]
    pub fn plugin(&self) -> Option<&str> {
        match self {
            Self::Loaded { plugin, .. }
            | Self::Drained { plugin, .. }
            | Self::DrainDeadline { plugin, .. }
            | Self::Noticed { plugin, .. }
            | Self::BreakerOpened { plugin, .. }
            | Self::BreakerHalfOpen { plugin }
            | Self::BreakerClosed { plugin }
            | Self::Unhealthy { plugin, .. }
            | Self::Healthy { plugin }
            | Self::Restarting { plugin, .. }
            | Self::CrashLoop { plugin, .. }
            | Self::CanaryStarted { plugin, .. }
            | Self::CanaryStep { plugin, .. }
            | Self::CanaryPromoted { plugin, .. }
            | Self::CanaryEnded { plugin, .. }
            | Self::CanaryRolledBack { plugin, .. } => Some(plugin),
            Self::Rejected { plugin, .. } => plugin.as_deref(),
            Self::Operator { action, on, .. } => (*action != Action::Weights).then_some(on),
            Self::OverrideDropped { .. }
            | Self::OverridesFile { .. }
            | Self::Recovered { .. }
            | Self::Published { .. }
            | Self::RolledBack { .. }
            | Self::Resumed
            | Self::Configured
            | Self::LastConfig { .. }
            | Self::ConfigWarning(_)
            | Self::PendingRestart { .. }
            | Self::WatchLost { .. }
            | Self::WatchRestored
            | Self::CertificateReloaded { .. }
            | Self::CertificateRefused { .. }
            | Self::CertificateExpiring { .. } => None,
        }
    }

    /// The file that the outcome is about, or `linked:NAME`.
    #[must_use]
    pub fn source(&self) -> Option<&str> {
        match self {
            Self::Loaded { source, .. }
            | Self::Rejected { source, .. }
            | Self::Recovered { source }
            | Self::LastConfig { source, .. } => Some(source),
            _ => None,
        }
    }

    /// Whether the outcome needs the attention of an operator. Such outcomes are logged as warnings.
    #[must_use]
    pub fn is_alarming(&self) -> bool {
        matches!(
            self,
            Self::Rejected { .. }
                | Self::Noticed { .. }
                | Self::DrainDeadline { .. }
                | Self::BreakerOpened { .. }
                | Self::Unhealthy { .. }
                | Self::CrashLoop { .. }
                | Self::CanaryRolledBack { .. }
                | Self::WatchLost { .. }
                | Self::LastConfig { .. }
                | Self::OverridesFile { .. }
                | Self::ConfigWarning(_)
                | Self::CertificateRefused { .. }
                | Self::CertificateExpiring { .. }
        )
    }
}
