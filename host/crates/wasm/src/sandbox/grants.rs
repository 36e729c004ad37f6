//! What stands between a plugin and the host: its grants, its rates, and the counts of
//! what it was refused. All instances of a plugin share one.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use plugbay_core::{
    Grant, Grants, Identity, LogLevel, Notice, Observer, Policy, Unobserved, write_log,
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::folders::Folders;
use super::rate::Rate;
use super::tally::{Denials, Tally};

/// The most work on files of one plugin that is under way at once: each holds a thread until the
/// system answers, even after the call that waited for it has ended.
pub(crate) const MOST_FILE_WORK: usize = 8;

/// The most look-ups of names of one plugin that are under way at once: each holds a thread until
/// the system's resolver answers, even after the call that waited for it has ended.
pub(crate) const MOST_LOOKUPS: usize = 8;

/// The keys of the limits whose excess is reported.
const FILES: &str = "files";
const LOGS: &str = "logs";
const HOST_CALLS: &str = "host_calls";

/// The longest report of what a plugin tried, in bytes: it chooses its paths.
const MAX_TRIED: usize = 256;

/// The plugin called the host more often than it may: ends its call.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("expected at most {0} calls of the host in a second over all instances")]
pub(crate) struct TooManyHostCalls(pub(crate) u32);

/// The permit to have one more file or socket open, given back on drop.
pub(crate) type OpenPermit = OwnedSemaphorePermit;

/// One plugin's sandbox.
pub(crate) struct Sandbox {
    identity: Identity,
    grants: Grants,
    /// The granted folders.
    pub(crate) folders: Folders,
    most_at_once: u64,
    logs: Option<Rate>,
    host_calls: Option<Rate>,
    per_second: u32,
    denied: [Denials; Grant::ALL.len()],
    refused_files: Tally,
    dropped_lines: Tally,
    refused_calls: Tally,
    /// Permits for what may still be opened.
    files: Arc<Semaphore>,
    /// Permits for further work on files.
    pub(crate) file_work: Arc<Semaphore>,
    /// Permits for further look-ups of names.
    pub(crate) lookups: Arc<Semaphore>,
    observer: Arc<dyn Observer>,
}

impl Sandbox {
    /// The sandbox of a plugin under this policy, whose grants name these folders.
    pub(crate) fn new(
        identity: Identity,
        policy: &Policy,
        folders: Folders,
        observer: Arc<dyn Observer>,
    ) -> Self {
        let permits = |most: usize| Arc::new(Semaphore::new(most.min(Semaphore::MAX_PERMITS)));
        Self {
            identity,
            grants: policy.grants.clone(),
            folders,
            most_at_once: policy.output.max(Policy::LEAST_OUTPUT),
            logs: Rate::new(policy.logs),
            host_calls: Rate::new(policy.host_calls),
            per_second: policy.host_calls,
            denied: Default::default(),
            refused_files: Tally::default(),
            dropped_lines: Tally::default(),
            refused_calls: Tally::default(),
            files: permits(usize::try_from(policy.files).unwrap_or(usize::MAX)),
            file_work: permits(MOST_FILE_WORK),
            lookups: permits(MOST_LOOKUPS),
            observer,
        }
    }

    /// A sandbox that grants nothing and reports to no observer, for `describe`.
    pub(crate) fn bare(policy: &Policy) -> Self {
        let identity = Identity::new("describe", &semver::Version::new(0, 0, 0));
        Self::new(identity, policy, Folders::default(), Arc::new(Unobserved))
    }

    /// The plugin, as `name@version`.
    pub(crate) fn label(&self) -> &Arc<str> {
        self.identity.label()
    }

    /// What is granted.
    pub(crate) fn grants(&self) -> &Grants {
        &self.grants
    }

    /// The most bytes that may come out of an instance at once: an answer, or what it gives one
    /// function of the host.
    pub(crate) fn most_at_once(&self) -> u64 {
        self.most_at_once
    }

    /// Counts and reports a use of what is not granted. `tried` is what the plugin tried, as a verb
    /// and its object.
    #[cold]
    pub(crate) fn deny(&self, grant: Grant, tried: impl fmt::Display) {
        let index = Grant::ALL.iter().position(|it| *it == grant);
        let Some(tally) = index.and_then(|index| self.denied.get(index)) else { return };
        if let Some(times) = tally.count(&tried) {
            let mut tried = tried.to_string();
            tried.truncate(tried.floor_char_boundary(MAX_TRIED));
            self.observer.notice(self.label(), Notice::Denied { grant, tried, times });
        }
    }

    /// Counts a call of the host.
    ///
    /// # Errors
    ///
    /// If it is one too many.
    #[inline]
    pub(crate) fn host_call(&self) -> Result<(), TooManyHostCalls> {
        match &self.host_calls {
            Some(rate) if !rate.take() => Err(self.too_many_host_calls()),
            _ => Ok(()),
        }
    }

    #[cold]
    fn too_many_host_calls(&self) -> TooManyHostCalls {
        self.report_limit(HOST_CALLS, &self.refused_calls);
        TooManyHostCalls(self.per_second)
    }

    /// Writes a line of the plugin to the log, unless it has written too many.
    pub(crate) fn write_log<N: AsRef<str>, V: AsRef<str>>(
        &self,
        level: LogLevel,
        message: &str,
        fields: &[(N, V)],
    ) {
        if self.logs.as_ref().is_none_or(Rate::take) {
            write_log(self.label(), level, message, fields);
        } else {
            self.report_limit(LOGS, &self.dropped_lines);
        }
    }

    /// The permit to have one more file or socket open; `None` if there are too many.
    pub(crate) fn open_permit(&self) -> Option<OpenPermit> {
        let permit = Arc::clone(&self.files).try_acquire_owned().ok();
        if permit.is_none() {
            self.report_limit(FILES, &self.refused_files);
        }
        permit
    }

    fn report_limit(&self, limit: &'static str, tally: &Tally) {
        if let Some(times) = tally.count() {
            self.observer.notice(self.label(), Notice::Limited { limit, times });
        }
    }

    /// Uses of what is not granted, by grant.
    pub(crate) fn denied_counts(&self) -> BTreeMap<&'static str, u64> {
        let totals = self.denied.iter().map(Denials::total);
        let all = Grant::ALL.into_iter().map(Grant::as_str).zip(totals);
        all.filter(|(_, total)| *total > 0).collect()
    }

    /// How often each limit was exceeded.
    pub(crate) fn limited_counts(&self) -> BTreeMap<&'static str, u64> {
        let all = [
            (FILES, &self.refused_files),
            (LOGS, &self.dropped_lines),
            (HOST_CALLS, &self.refused_calls),
        ];
        all.map(|(limit, tally)| (limit, tally.total())).into_iter().filter(|it| it.1 > 0).collect()
    }
}
