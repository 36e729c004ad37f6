//! What the host records of one plugin across its calls: the plugin's metrics, and how often it
//! called the host and wrote to the log, which its policy limits.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use plugbay_core::{GuestMetrics, LogLevel, Notice, Observer, Policy, Unobserved, write_log};
use plugbay_guard::RateLimit;

/// The least seconds between two notices about one limit.
const QUIET: u64 = 10;

/// One plugin's ledger.
pub(crate) struct Ledger {
    label: Arc<str>,
    pub(crate) metrics: GuestMetrics,
    /// `None`: no limit.
    logs: Option<Limit>,
    host_calls: Option<Limit>,
    observer: Arc<dyn Observer>,
}

impl Ledger {
    /// The ledger of the plugin `label` under this policy.
    pub(crate) fn new(label: &Arc<str>, policy: &Policy, observer: Arc<dyn Observer>) -> Self {
        Self {
            label: Arc::clone(label),
            metrics: GuestMetrics::default(),
            logs: Limit::new("logs", policy.logs),
            host_calls: Limit::new("host_calls", policy.host_calls),
            observer,
        }
    }

    /// A ledger without an observer, for `describe`.
    pub(crate) fn unobserved(label: &str, policy: &Policy) -> Self {
        Self::new(&Arc::from(label), policy, Arc::new(Unobserved))
    }

    /// The plugin, as `name@version`.
    pub(crate) fn label(&self) -> &Arc<str> {
        &self.label
    }

    /// Counts a call of the host.
    ///
    /// # Errors
    ///
    /// The limit in calls a second, if this call exceeds it.
    pub(crate) fn host_call(&self) -> Result<(), u32> {
        match &self.host_calls {
            Some(limit) if !limit.take(self) => Err(limit.per_second),
            _ => Ok(()),
        }
    }

    /// Writes a line of the plugin to the log, unless the limit of lines is exceeded. Returns whether
    /// it was written.
    pub(crate) fn write_log<N: AsRef<str>, V: AsRef<str>>(
        &self,
        level: LogLevel,
        message: &str,
        fields: &[(N, V)],
    ) -> bool {
        let written = self.logs.as_ref().is_none_or(|limit| limit.take(self));
        if written {
            write_log(&self.label, level, message, fields);
        }
        written
    }

    /// How often each limit was exceeded; a limit that never was is left out.
    pub(crate) fn limited(&self) -> BTreeMap<&'static str, u64> {
        let limits = [&self.logs, &self.host_calls].into_iter().flatten();
        let exceeded = limits.map(|limit| (limit.key, limit.exceeded.load(Ordering::Relaxed)));
        exceeded.filter(|(_, times)| *times > 0).collect()
    }
}

/// A limit per second, which may be used up at once.
struct Limit {
    key: &'static str,
    per_second: u32,
    rate: RateLimit,
    /// Allows one notice in [`QUIET`] seconds: it is given a clock that is so many times slower.
    notices: RateLimit,
    /// How often the limit was exceeded.
    exceeded: AtomicU64,
    start: Instant,
}

impl Limit {
    /// `None` for 0, which means no limit.
    fn new(key: &'static str, per_second: u32) -> Option<Self> {
        let limit = || Self {
            key,
            per_second,
            rate: RateLimit::new(per_second, per_second),
            notices: RateLimit::new(1, 1),
            exceeded: AtomicU64::new(0),
            start: Instant::now(),
        };
        (per_second > 0).then(limit)
    }

    fn take(&self, ledger: &Ledger) -> bool {
        self.take_at(u64::try_from(self.start.elapsed().as_nanos()).unwrap_or(u64::MAX), ledger)
    }

    fn take_at(&self, now: u64, ledger: &Ledger) -> bool {
        let taken = self.rate.take(now);
        if !taken {
            self.exceeded.fetch_add(1, Ordering::Relaxed);
            if self.notices.take(now / QUIET) {
                let times = self.rate.refused();
                ledger.observer.notice(&ledger.label, Notice::Limited { limit: self.key, times });
            }
        }
        taken
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    #[derive(Default)]
    struct Notices(Mutex<Vec<(String, Notice)>>);

    impl Observer for Notices {
        fn notice(&self, plugin: &str, notice: Notice) {
            self.0.lock().unwrap().push((plugin.to_owned(), notice));
        }
    }

    #[test]
    fn exceeding_is_counted_and_reported_once_in_a_while() {
        const SECOND: u64 = 1_000_000_000;
        let notices = Arc::new(Notices::default());
        let policy = Policy { logs: 2, ..Policy::default() };
        let ledger = Ledger::new(&Arc::from("p@1.0.0"), &policy, Arc::clone(&notices) as _);
        let limit = ledger.logs.as_ref().unwrap();
        assert!(ledger.limited().is_empty());
        let taken = |now| (0..5).filter(|_| limit.take_at(now, &ledger)).count();
        assert_eq!([0, 1, 9, 10].map(|second| taken(second * SECOND)), [2, 2, 2, 2]);
        assert_eq!(ledger.limited(), [("logs", 12)].into());
        let notice = |times| ("p@1.0.0".to_owned(), Notice::Limited { limit: "logs", times });
        assert_eq!(*notices.0.lock().unwrap(), [notice(1), notice(9)]);
    }

    #[test]
    fn zero_is_no_limit() {
        let policy = Policy { logs: 0, host_calls: 0, ..Policy::default() };
        let ledger = Ledger::unobserved("p", &policy);
        assert!((0..10_000).all(|_| ledger.host_call().is_ok()));
        assert!(ledger.limited().is_empty());
    }
}
