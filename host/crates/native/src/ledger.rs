//! What the host records of one plugin across its calls: the plugin's metrics, and how often it
//! called the host and wrote to the log, which its policy limits.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use plugbay_core::{
    Context, Correlation, GuestMetrics, Identity, LineOrigin, LogLevel, Notice, Observer, Policy,
    Unobserved, write_log, write_output,
};
use plugbay_guard::Quota;

/// The keys of the limits, as notices and the status name them.
const LOGS: &str = "logs";
const HOST_CALLS: &str = "host_calls";

/// One plugin's ledger.
pub(crate) struct Ledger {
    identity: Identity,
    pub(crate) metrics: GuestMetrics,
    /// `None`: no limit.
    logs: Option<Quota>,
    host_calls: Option<Quota>,
    observer: Arc<dyn Observer>,
}

impl Ledger {
    /// The ledger of this plugin under this policy.
    pub(crate) fn new(identity: &Identity, policy: &Policy, observer: Arc<dyn Observer>) -> Self {
        let now = Instant::now();
        Self {
            identity: identity.clone(),
            metrics: GuestMetrics::default(),
            logs: Quota::new(policy.logs, now),
            host_calls: Quota::new(policy.host_calls, now),
            observer,
        }
    }

    /// A ledger without an observer, for `describe`.
    pub(crate) fn unobserved(identity: &Identity, policy: &Policy) -> Self {
        Self::new(identity, policy, Arc::new(Unobserved))
    }

    /// The plugin.
    pub(crate) fn identity(&self) -> &Identity {
        &self.identity
    }

    /// The plugin, as `name@version`.
    pub(crate) fn label(&self) -> &Arc<str> {
        self.identity.label()
    }

    /// Counts a call of the host.
    ///
    /// # Errors
    ///
    /// The limit in calls a second, if this call exceeds it.
    pub(crate) fn host_call(&self) -> Result<(), u32> {
        self.take(HOST_CALLS, self.host_calls.as_ref())
    }

    /// Writes a line of the plugin to the log, during the call in `context` if there is one, unless the limit
    /// of lines is exceeded. Returns whether it was written.
    pub(crate) fn write_log<N: AsRef<str>, V: AsRef<str>>(
        &self,
        context: Option<&Context<'_>>,
        level: LogLevel,
        message: &str,
        fields: &[(N, V)],
    ) -> bool {
        let written = self.take(LOGS, self.logs.as_ref()).is_ok();
        if written {
            let (generation, correlation) = (
                context.and_then(Context::generation),
                context.and_then(Context::correlation).map(|it| &**it),
            );
            let origin = LineOrigin::during(&self.identity, generation, correlation);
            write_log(origin, level, message, fields);
        }
        written
    }

    /// As [`Ledger::write_log`], of a line that the plugin's process printed, in this generation for this request if
    /// that is known.
    pub(crate) fn write_output(
        &self,
        generation: Option<u64>,
        correlation: Option<&Correlation>,
        line: &str,
    ) -> bool {
        let written = self.take(LOGS, self.logs.as_ref()).is_ok();
        if written {
            let origin = LineOrigin::during(&self.identity, generation, correlation);
            write_output(origin, LogLevel::Info, line, "output");
        }
        written
    }

    /// How often each limit was exceeded; a limit that never was is left out.
    pub(crate) fn limited(&self) -> BTreeMap<Cow<'static, str>, u64> {
        let all = [(LOGS, &self.logs), (HOST_CALLS, &self.host_calls)];
        let exceeded = |(key, quota): (&'static str, &Option<Quota>)| {
            Some((Cow::Borrowed(key), quota.as_ref()?.exceeded()))
        };
        all.into_iter().filter_map(exceeded).filter(|(_, times)| *times > 0).collect()
    }

    fn take(&self, limit: &'static str, quota: Option<&Quota>) -> Result<(), u32> {
        let Some(quota) = quota else { return Ok(()) };
        quota.take(Instant::now()).map_err(|exceeded| {
            if let Some(times) = exceeded.report {
                self.observer.notice(self.label(), Notice::Limited { limit: limit.into(), times });
            }
            exceeded.per_second
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    fn identity() -> Identity {
        Identity::of_source(&plugbay_core::Source::Memory("p@1.0.0".to_owned()))
    }

    #[derive(Default)]
    struct Notices(Mutex<Vec<(String, Notice)>>);

    impl Observer for Notices {
        fn notice(&self, plugin: &str, notice: Notice) {
            self.0.lock().unwrap().push((plugin.to_owned(), notice));
        }
    }

    #[test]
    fn an_exceeded_limit_is_counted_and_noticed() {
        let notices = Arc::new(Notices::default());
        let policy = Policy { logs: 1, ..Policy::default() };
        let ledger = Ledger::new(&identity(), &policy, Arc::clone(&notices) as _);
        let write = |_| ledger.write_log::<&str, &str>(None, LogLevel::Info, "line", &[]);
        assert!(ledger.limited().is_empty());
        let dropped = (0..100).map(write).filter(|written| !written).count();
        // One line, and one more for each second that the test takes.
        assert!(dropped > 1, "{dropped}");
        assert_eq!(ledger.limited(), [("logs".into(), dropped as u64)].into());
        let notice = Notice::Limited { limit: "logs".into(), times: 1 };
        assert_eq!(notices.0.lock().unwrap().first(), Some(&("p@1.0.0".to_owned(), notice)));
    }

    #[test]
    fn zero_is_no_limit() {
        let policy = Policy { logs: 0, host_calls: 0, ..Policy::default() };
        let ledger = Ledger::unobserved(&identity(), &policy);
        assert!((0..10_000).all(|_| ledger.host_call().is_ok()));
        assert!(ledger.limited().is_empty());
    }
}
