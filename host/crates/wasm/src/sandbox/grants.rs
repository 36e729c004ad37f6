//! The sandbox of a plugin: its grants, its rate limits, and counts of denied uses. All instances
//! of a plugin share one.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use plugbay_core::{
    Grant, Grants, Identity, LineOrigin, LogLevel, Notice, Observer, Policy, Source, Unobserved,
    write_output,
};
use plugbay_guard::{DistinctTally, Exceeded, Quota, Tally};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::folders::Folders;

/// The most file operations of one plugin at once: each holds a thread until the system answers,
/// even after the call that waited for it has ended.
pub(crate) const MAX_FILE_JOBS: usize = 8;

/// The most name look-ups of one plugin at once: each holds a thread until the system's resolver
/// answers, even after the call that waited for it has ended.
pub(crate) const MAX_LOOKUPS: usize = 8;

/// The most operations on one plugin's state at once: each is in the store's queue, even after the call that waited
/// for it has ended.
#[cfg(feature = "state")]
pub(crate) const MAX_STATE_JOBS: usize = 16;

/// The configuration keys of the limits whose excess is reported.
const FILES: &str = "files";
const LOGS: &str = "logs";
const HOST_CALLS: &str = "host_calls";
/// The bound of a plugin's own spans, which no key sets and nobody has to be told about.
const SPANS: &str = "spans";

/// The report of what a plugin tried is cut to this many bytes: the plugin chooses its paths.
const MAX_TRIED: usize = 256;

/// The plugin exceeded its limit of calls of the host, which ends its call.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("expected at most {0} calls of the host in a second over all instances")]
pub(crate) struct TooManyHostCalls(pub(crate) u32);

/// The permit to have one more file or socket open, released on drop.
pub(crate) type OpenPermit = OwnedSemaphorePermit;

/// One plugin's sandbox.
pub(crate) struct Sandbox {
    identity: Identity,
    grants: Grants,
    /// The granted folders.
    pub(crate) folders: Folders,
    max_transfer: u64,
    /// `None`: no limit.
    logs: Option<Quota>,
    host_calls: Option<Quota>,
    denied: [DistinctTally; Grant::ALL.len()],
    refused_files: Tally,
    refused_spans: AtomicU64,
    /// Permits for further open files and sockets.
    files: Arc<Semaphore>,
    /// Permits for further file operations.
    pub(crate) file_jobs: Arc<Semaphore>,
    /// Permits for further name look-ups.
    pub(crate) lookups: Arc<Semaphore>,
    /// Permits for further operations on its state.
    #[cfg(feature = "state")]
    pub(crate) state_jobs: Arc<Semaphore>,
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
        let now = Instant::now();
        let permits = |most: usize| Arc::new(Semaphore::new(most.min(Semaphore::MAX_PERMITS)));
        Self {
            identity,
            grants: policy.grants.clone(),
            folders,
            max_transfer: policy.output.max(Policy::LEAST_OUTPUT),
            logs: Quota::new(policy.logs, now),
            host_calls: Quota::new(policy.host_calls, now),
            denied: Grant::ALL.map(|_| DistinctTally::new(now)),
            refused_files: Tally::new(now),
            refused_spans: AtomicU64::new(0),
            files: permits(usize::try_from(policy.files).unwrap_or(usize::MAX)),
            file_jobs: permits(MAX_FILE_JOBS),
            lookups: permits(MAX_LOOKUPS),
            #[cfg(feature = "state")]
            state_jobs: permits(MAX_STATE_JOBS),
            observer,
        }
    }

    /// A sandbox that grants nothing and reports to no observer, for `describe` of this artifact.
    pub(crate) fn bare(source: &Source, policy: &Policy) -> Self {
        let identity = Identity::of_source(source);
        Self::new(identity, policy, Folders::default(), Arc::new(Unobserved))
    }

    /// The plugin.
    pub(crate) fn identity(&self) -> &Identity {
        &self.identity
    }

    /// The plugin, as `name@version`; in `describe` its file.
    pub(crate) fn label(&self) -> &Arc<str> {
        self.identity.label()
    }

    /// The plugin's grants.
    pub(crate) fn grants(&self) -> &Grants {
        &self.grants
    }

    /// The most bytes that an instance may pass out at once: a result, or the arguments of one call
    /// of the host.
    pub(crate) fn max_transfer(&self) -> u64 {
        self.max_transfer
    }

    /// Counts and reports a use that is not granted. `tried` describes it, as a verb and its object.
    #[cold]
    pub(crate) fn deny(&self, grant: Grant, tried: impl fmt::Display) {
        let index = Grant::ALL.iter().position(|it| *it == grant);
        let Some(tally) = index.and_then(|index| self.denied.get(index)) else { return };
        if let Some(times) = tally.count(&tried, Instant::now()) {
            let mut tried = tried.to_string();
            tried.truncate(tried.floor_char_boundary(MAX_TRIED));
            self.observer.notice(self.label(), Notice::Denied { grant, tried, times });
        }
    }

    /// Counts a call of the host.
    ///
    /// # Errors
    ///
    /// If the limit is exceeded.
    #[inline]
    pub(crate) fn host_call(&self) -> Result<(), TooManyHostCalls> {
        match &self.host_calls {
            Some(quota) => quota.take(Instant::now()).map_err(|it| self.too_many_calls(it)),
            None => Ok(()),
        }
    }

    #[cold]
    fn too_many_calls(&self, exceeded: Exceeded) -> TooManyHostCalls {
        self.report_limit(HOST_CALLS, exceeded.report);
        TooManyHostCalls(exceeded.per_second)
    }

    /// Writes a line that the plugin printed to the log, unless its limit of lines is exceeded.
    pub(crate) fn write_output(&self, level: LogLevel, line: &str, stream: &str) {
        if self.may_log() {
            write_output(LineOrigin::outside(&self.identity), level, line, stream);
        }
    }

    /// Counts a line of the log. Returns whether the limit allows it.
    pub(crate) fn may_log(&self) -> bool {
        let taken = self.logs.as_ref().map_or(Ok(()), |quota| quota.take(Instant::now()));
        taken.map_err(|exceeded| self.report_limit(LOGS, exceeded.report)).is_ok()
    }

    /// The permit to have one more file or socket open; `None` if the limit is reached.
    pub(crate) fn open_permit(&self) -> Option<OpenPermit> {
        let permit = Arc::clone(&self.files).try_acquire_owned().ok();
        if permit.is_none() {
            self.report_limit(FILES, self.refused_files.count(Instant::now()));
        }
        permit
    }

    /// Counts a span of the plugin's own that is not taken.
    pub(crate) fn refuse_span(&self) {
        self.refused_spans.fetch_add(1, Ordering::Relaxed);
    }

    /// Reports that a limit was exceeded, if a report is due.
    fn report_limit(&self, limit: &'static str, report: Option<u64>) {
        if let Some(times) = report {
            self.observer.notice(self.label(), Notice::Limited { limit: limit.into(), times });
        }
    }

    /// The number of denied uses, by grant.
    pub(crate) fn denied_counts(&self) -> BTreeMap<Cow<'static, str>, u64> {
        let totals = self.denied.iter().map(DistinctTally::total);
        let all = Grant::ALL.into_iter().map(|grant| grant.as_str().into()).zip(totals);
        all.filter(|(_, total)| *total > 0).collect()
    }

    /// How often each limit was exceeded; a limit that never was is left out.
    pub(crate) fn limited_counts(&self) -> BTreeMap<Cow<'static, str>, u64> {
        let exceeded = |quota: &Option<Quota>| quota.as_ref().map_or(0, Quota::exceeded);
        let all = [
            (FILES, self.refused_files.total()),
            (LOGS, exceeded(&self.logs)),
            (HOST_CALLS, exceeded(&self.host_calls)),
            (SPANS, self.refused_spans.load(Ordering::Relaxed)),
        ];
        all.into_iter()
            .filter(|(_, times)| *times > 0)
            .map(|(limit, times)| (limit.into(), times))
            .collect()
    }
}
