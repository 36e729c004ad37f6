//! The prepared and refused artifacts, each digest once, and the start of plugins: in parallel, off the
//! request path.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

use plugbay_core::trace::{ActiveSpan, SpanKind, attributes};
use plugbay_core::{Correlation, Reason, Refusal, Runtime, Source};
use plugbay_registry::Leased;

use super::catch_panic::{CatchPanic, Runtimes};
use super::desired::description_isolation;
use super::parallel::parallel;
use super::prepare::{Key, Ready, key_of};
use super::preparing::{Batch, Done, Preparing};
use super::source::ArtifactSource;
use crate::config::Config;
use crate::report::{Journal, PreparationOutcome, Rejection, WordCounts};
use crate::set::{Offer, PluginIdentity, Running, Wanted};

/// Which transient failures a reconciliation tries again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Retry {
    /// None: the reconciliation is for changed files.
    None,
    /// Those whose wait is over: each waits longer after each failure.
    Due,
    /// All: an operator or the application asks for it.
    All,
}

/// The result of [`Store::prepare`].
#[derive(Default)]
pub(crate) struct Preparation {
    /// The artifacts that are prepared.
    pub(crate) offers: Vec<Offer>,
    pub(crate) refused: Vec<Rejection>,
    /// The artifacts that are being prepared: another reconciliation follows when one is ready.
    pub(crate) pending: BTreeMap<Key, Source>,
    /// Those that were begun now.
    pub(crate) begun: BTreeSet<Key>,
}

/// The transient failures of a digest.
struct Failures {
    count: u32,
    /// When it is tried again, if no caller asks for it before.
    due: Instant,
}

/// The wait after the first transient failure of a digest; it doubles with each further one.
const FIRST_WAIT: Duration = Duration::from_secs(30);
/// The longest such wait.
const MAX_WAIT: Duration = Duration::from_hours(1);

/// Returns whether the host is shut down.
type Stopped = Box<dyn Fn() -> bool + Send + Sync>;

/// Prepared and refused artifacts, by digest, so that a reconciliation does not prepare them again.
pub(crate) struct Store {
    runtimes: Runtimes,
    journal: Journal,
    /// Counts by [`PreparationOutcome`].
    counts: Arc<WordCounts>,
    /// Whether the host is shut down.
    stopped: Stopped,
    ready: HashMap<Key, Result<Ready, Refusal>>,
    preparing: Preparing,
    /// The artifacts that changed while they were read.
    unsettled: HashMap<Key, Refusal>,
    failures: HashMap<Key, Failures>,
    /// How long it took to prepare each digest from which no plugin was started since.
    prepared_in: HashMap<Key, Duration>,
    /// Plugins that did not start. They are tried again when their identity changes, when an
    /// operator asks for a reload, and at each rescan.
    failed_starts: Vec<(PluginIdentity, Refusal)>,
    /// The plugins that this reconciliation tried to start.
    attempted: Vec<PluginIdentity>,
    /// The reconciliation, if its spans are recorded.
    cause: Option<Arc<Correlation>>,
}

/// A plugin that was started, or why not.
pub(crate) struct Started {
    pub(crate) wanted: Wanted,
    pub(crate) outcome: Result<Arc<Leased<Running>>, Refusal>,
    /// The time from reading the bytes to the end of `init`; less if the bytes were prepared
    /// earlier.
    pub(crate) took: Duration,
}

impl Store {
    pub(crate) fn new(
        runtimes: Runtimes,
        journal: Journal,
        counts: Arc<WordCounts>,
        stopped: impl Fn() -> bool + Send + Sync + 'static,
        wake: impl Fn() + Send + Sync + 'static,
    ) -> Self {
        Self {
            preparing: Preparing::new(Arc::clone(&runtimes), wake),
            unsettled: HashMap::new(),
            failures: HashMap::new(),
            runtimes,
            journal,
            counts,
            stopped: Box::new(stopped),
            ready: HashMap::new(),
            prepared_in: HashMap::new(),
            failed_starts: Vec::new(),
            attempted: Vec::new(),
            cause: None,
        }
    }

    /// Sets the reconciliation that artifacts are prepared and plugins are started for, if its spans are recorded.
    pub(crate) fn set_cause(&mut self, cause: Option<Arc<Correlation>>) {
        self.cause = cause;
    }

    pub(crate) fn runtimes(&self) -> &[CatchPanic<dyn Runtime>] {
        &self.runtimes
    }

    /// Begins to prepare and describe every new digest, at most `workers` at once, and returns what
    /// is ready. Does not block. Artifacts in `keep` stay prepared though they are not in `sources`.
    pub(crate) fn prepare(
        &mut self,
        sources: &[ArtifactSource],
        config: &Config,
        keep: &BTreeSet<Key>,
        workers: usize,
        retry: Retry,
    ) -> Preparation {
        let isolation = |it: &ArtifactSource| description_isolation(config, &it.source());
        let sources: Vec<(Key, &ArtifactSource)> =
            sources.iter().map(|it| ((it.digest(), isolation(it)), it)).collect();
        let wanted: BTreeSet<Key> = sources.iter().map(|(key, _)| *key).collect();
        self.collect();
        self.forget(&wanted, keep);
        let mut preparation = Preparation::default();
        for (key, source) in sources {
            // A refusal stays in force while its artifact is tried again.
            let is_known = self.ready.contains_key(&key) || self.unsettled.contains_key(&key);
            if (!is_known || self.is_tried_again(&key, retry))
                && self.preparing.begin(key, source, workers, self.cause.as_ref())
            {
                preparation.begun.insert(key);
            }
            if self.preparing.has(&key) {
                preparation.pending.insert(key, source.source());
            }
            match self.ready.get(&key) {
                Some(Ok(ready)) => preparation.offers.push(Offer {
                    source: source.source(),
                    digest: key.0,
                    size: source.size(),
                    native: ready.prepared().is_native(),
                    described_in: key.1,
                    description: Arc::clone(ready.description()),
                }),
                Some(Err(refusal)) => preparation.refused.push(refuse(source, refusal)),
                None => {
                    let refused = self.unsettled.get(&key).map(|refusal| refuse(source, refusal));
                    preparation.refused.extend(refused);
                }
            }
        }
        // These are read again at the next reconciliation.
        self.unsettled.clear();
        preparation
    }

    /// Waits until these artifacts are prepared, for `time` at most. Returns whether they are.
    pub(crate) fn wait_for(&self, begun: &BTreeSet<Key>, time: Duration) -> bool {
        self.preparing.wait_for(begun, time)
    }

    /// Waits until all artifacts are prepared, or until none became ready for `patience`.
    pub(crate) fn wait(&self, patience: Duration, progress: impl Fn() -> bool) {
        self.preparing.wait(patience, || progress() && !(self.stopped)());
    }

    /// The artifacts that are prepared and not taken over yet.
    pub(crate) fn batch(&self) -> Batch {
        self.preparing.batch()
    }

    /// Takes over the artifacts that are prepared.
    pub(crate) fn collect(&mut self) {
        for Done { key, ready, took } in self.preparing.take_done() {
            self.prepared_in.insert(key, took);
            let ready = match ready {
                Ok(ready) => ready,
                Err(refusal) => {
                    self.counts.add(PreparationOutcome::Changed.as_str());
                    self.unsettled.insert(key, refusal);
                    continue;
                }
            };
            let outcome = match &ready {
                Ok(_) => PreparationOutcome::Prepared,
                Err(_) => PreparationOutcome::Refused,
            };
            self.counts.add(outcome.as_str());
            if ready.as_ref().is_err_and(|refusal| refusal.reason.is_transient()) {
                let count = self.failures.get(&key).map_or(0, |it| it.count);
                let wait = FIRST_WAIT.saturating_mul(1 << count.min(16)).min(MAX_WAIT);
                let failures = Failures { count: count + 1, due: Instant::now() + wait };
                self.failures.insert(key, failures);
            } else {
                self.failures.remove(&key);
            }
            self.ready.insert(key, ready);
        }
    }

    /// Whether the artifact failed for a reason that may be over, and is to be prepared again.
    fn is_tried_again(&self, key: &Key, retry: Retry) -> bool {
        let Some(Err(refusal)) = self.ready.get(key) else { return false };
        let is_due = || self.failures.get(key).is_none_or(|it| it.due <= Instant::now());
        let is_tried = retry == Retry::All || (retry == Retry::Due && is_due());
        refusal.reason.is_transient() && is_tried
    }

    /// Forgets artifacts that are not wanted any more.
    fn forget(&mut self, wanted: &BTreeSet<Key>, keep: &BTreeSet<Key>) {
        self.ready.retain(|key, _| keep.contains(key) || wanted.contains(key));
        self.failures.retain(|key, _| wanted.contains(key));
        self.prepared_in.retain(|key, _| wanted.contains(key));
        self.preparing.keep_only(wanted);
    }

    /// Begins the starts of one reconciliation. Unless `retry` is [`Retry::None`], plugins that
    /// failed to start before are tried again.
    pub(crate) fn begin(&mut self, retry: Retry) {
        let attempted = std::mem::take(&mut self.attempted);
        let is_tried_again = retry != Retry::None;
        self.failed_starts.retain(|(identity, _)| !is_tried_again && attempted.contains(identity));
    }

    /// Starts plugins, one group after the other, and at most `workers` of a group at once.
    pub(crate) fn start(&mut self, waves: Vec<Vec<Wanted>>, workers: usize) -> Vec<Started> {
        let started = self.start_unless(&self.failed_starts, waves, workers);
        for it in &started {
            self.attempted.push(it.wanted.identity.clone());
            let known =
                self.failed_starts.iter().any(|(identity, _)| *identity == it.wanted.identity);
            if let (Err(refusal), false) = (&it.outcome, known) {
                self.failed_starts.push((it.wanted.identity.clone(), refusal.clone()));
            }
        }
        for it in &started {
            let is_first = self.prepared_in.remove(&key_of(&it.wanted)).is_some();
            if !is_first && it.outcome.is_ok() {
                self.counts.add(PreparationOutcome::Shared.as_str());
            }
        }
        started
    }

    /// As [`Store::start`], but ignores earlier failures and does not remember new ones.
    pub(crate) fn restart(&self, waves: Vec<Vec<Wanted>>, workers: usize) -> Vec<Started> {
        let started = self.start_unless(&[], waves, workers);
        for _ in started.iter().filter(|it| it.outcome.is_ok()) {
            self.counts.add(PreparationOutcome::Shared.as_str());
        }
        started
    }

    fn start_unless(
        &self,
        failed_starts: &[(PluginIdentity, Refusal)],
        waves: Vec<Vec<Wanted>>,
        workers: usize,
    ) -> Vec<Started> {
        let (ready, prepared_in, journal) = (&self.ready, &self.prepared_in, &self.journal);
        let (stopped, cause) = (&self.stopped, self.cause.as_deref());
        let start_one = |wanted: Wanted| {
            let began = Instant::now();
            let before = failed_starts.iter().find(|(identity, _)| *identity == wanted.identity);
            let outcome = match before {
                Some((_, refusal)) => Err(refusal.clone()),
                None => start_recorded(cause, ready, &wanted, journal),
            };
            let prepared_in = prepared_in.get(&key_of(&wanted)).copied();
            Started { wanted, outcome, took: began.elapsed() + prepared_in.unwrap_or_default() }
        };
        let waves = waves.into_iter().map(|wave| parallel(wave, workers, stopped, start_one));
        waves.flatten().collect()
    }
}

/// As [`start`], within a span of the reconciliation if that is recorded.
fn start_recorded(
    cause: Option<&Correlation>,
    ready: &HashMap<Key, Result<Ready, Refusal>>,
    wanted: &Wanted,
    journal: &Journal,
) -> Result<Arc<Leased<Running>>, Refusal> {
    let span = cause.and_then(|cause| begin_span(cause, wanted));
    let outcome = start(ready, wanted, journal);
    if let Some(span) = span {
        end_span(span, &outcome);
    }
    outcome
}

fn begin_span(cause: &Correlation, wanted: &Wanted) -> Option<ActiveSpan> {
    let mut span = cause.begin(SpanKind::Internal, || "start".into())?;
    span.set(attributes::PLUGIN_NAME, wanted.identity.name.clone());
    span.set(attributes::PLUGIN_VERSION, wanted.offer.description.version.to_string());
    Some(span)
}

fn end_span(mut span: ActiveSpan, outcome: &Result<Arc<Leased<Running>>, Refusal>) {
    match outcome {
        Ok(running) => {
            span.set(attributes::PLUGIN_FORM, running.runtime);
            span.set(attributes::OUTCOME, "started");
        }
        Err(refusal) => {
            span.set(attributes::OUTCOME, refusal.reason.as_str());
            span.fail(refusal.reason.as_str(), refusal.message.clone());
        }
    }
    span.end();
}

fn refuse(origin: &ArtifactSource, refusal: &Refusal) -> Rejection {
    Rejection {
        source: origin.source(),
        plugin: None,
        digest: Some(origin.digest()),
        refusal: refusal.clone(),
    }
}

fn start(
    ready: &HashMap<Key, Result<Ready, Refusal>>,
    wanted: &Wanted,
    journal: &Journal,
) -> Result<Arc<Leased<Running>>, Refusal> {
    let ready = match ready.get(&key_of(wanted)) {
        Some(Ok(ready)) => ready,
        Some(Err(refusal)) => return Err(refusal.clone()),
        // Every offer has a prepared artifact; a refusal here avoids a panic if there is a bug.
        None => return Err(Refusal::new(Reason::Unreadable, "the artifact is not prepared")),
    };
    Ok(Arc::new(Leased::new(ready.start(wanted, journal)?)))
}
