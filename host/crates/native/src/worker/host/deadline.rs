//! The deadlines of one call: its caller's and its plugin's.

use std::time::{Duration, Instant};

use plugbay_core::Context;

/// How long a call may take. A plugin may have longer than its caller waits.
#[derive(Clone, Copy, Debug)]
pub(super) struct CallDeadline {
    /// How long the caller waits in all, as errors say it.
    pub(super) within: Duration,
    /// When the caller stops waiting.
    pub(super) caller: Instant,
    /// When the plugin must have answered, which may be later.
    pub(super) plugin: Instant,
}

impl CallDeadline {
    /// Caller and plugin have `within`, from now on.
    pub(super) fn within(within: Duration) -> Self {
        Self::by(within, Instant::now() + within)
    }

    /// Caller and plugin have until `deadline`, which was `within` away when the call began.
    pub(super) fn by(within: Duration, deadline: Instant) -> Self {
        Self { within, caller: deadline, plugin: deadline }
    }

    /// The plugin has `within` from now on, and the caller the deadline of `context` if it is sooner.
    pub(super) fn of(context: &Context<'_>, within: Duration) -> Self {
        Self::within(within).or_sooner(context.deadline())
    }

    /// The caller waits until `deadline`, if there is one and it is sooner.
    pub(super) fn or_sooner(self, deadline: Option<Instant>) -> Self {
        let Some(caller) = deadline.filter(|deadline| *deadline < self.caller) else {
            return self;
        };
        let left = caller.saturating_duration_since(Instant::now());
        // Rounded to milliseconds: deadlines are kept no more exactly than that.
        let millis = u64::try_from(left.as_millis()).unwrap_or(u64::MAX);
        Self { within: Duration::from_millis(millis), caller, ..self }
    }

    /// The caller waits for `within` from now on, if that is sooner.
    pub(super) fn with_caller_within(self, within: Duration) -> Self {
        match Self::within(within) {
            sooner if sooner.caller < self.caller => Self { plugin: self.plugin, ..sooner },
            _ => self,
        }
    }
}
