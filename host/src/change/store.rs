//! What was prepared and what was refused, each digest once, and the start of plugins: in parallel, off
//! the request path.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

use plugbay_core::{Artifact, Digest, Reason, Refusal, Runtime, Source};
use plugbay_registry::Leased;

use super::desired::description_isolation;
use super::folder::Found;
use super::parallel::parallel;
use super::prepare::{Key, Ready, key_of};
use super::preparing::{Done, Preparing};
use crate::config::Config;
use crate::report::{Journal, Rejection};
use crate::set::{Offer, PluginIdentity, Running, Wanted};

/// Where an offer's artifact comes from.
#[derive(Clone)]
pub(crate) enum ArtifactSource {
    Folder(Found),
    /// Linked into the program, or given by the application.
    Given(Artifact),
}

impl ArtifactSource {
    pub(crate) fn source(&self) -> Source {
        match self {
            Self::Folder(found) => found.source(),
            Self::Given(artifact) => artifact.source.clone(),
        }
    }

    fn digest(&self) -> Digest {
        match self {
            Self::Folder(found) => found.digest,
            Self::Given(artifact) => artifact.digest,
        }
    }

    pub(super) fn size(&self) -> u64 {
        match self {
            Self::Folder(found) => found.size,
            Self::Given(artifact) => artifact.bytes.len() as u64,
        }
    }

    pub(super) fn artifact(&self) -> Result<Artifact, Refusal> {
        match self {
            Self::Folder(found) => found.artifact(),
            Self::Given(artifact) => Ok(artifact.clone()),
        }
    }
}

/// Which of the refusals that may pass a look tries again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Retry {
    /// None: the look is for what changed.
    None,
    /// Those whose time has come: each waits longer after each failure.
    Due,
    /// All: an operator or the application asks.
    All,
}

/// What a look has to work with.
#[derive(Default)]
pub(crate) struct Preparation {
    /// What is prepared.
    pub(crate) offers: Vec<Offer>,
    pub(crate) refused: Vec<Rejection>,
    /// What is on its way: another look follows when it ends.
    pub(crate) pending: BTreeMap<Key, Source>,
}

/// A digest that was refused for a reason that may pass.
struct Failures {
    count: u32,
    /// When it is tried again, if nobody asks for it before.
    due: Instant,
}

/// How long such a digest waits after its first failure, and at most.
const FIRST_WAIT: Duration = Duration::from_secs(30);
const LONGEST_WAIT: Duration = Duration::from_hours(1);

/// Says whether the host is shut down.
type Stopped = Box<dyn Fn() -> bool + Send + Sync>;

/// What was prepared and what was refused, by digest, so that neither is tried again at
/// each look.
pub(crate) struct Store {
    runtimes: Vec<Arc<dyn Runtime>>,
    journal: Journal,
    /// Whether the host is shut down.
    stopped: Stopped,
    ready: HashMap<Key, Result<Ready, Refusal>>,
    preparing: Preparing,
    /// What changed while it was read.
    restless: HashMap<Key, Refusal>,
    failures: HashMap<Key, Failures>,
    /// How long it took to prepare each digest that the last look found ready.
    prepared_in: HashMap<Key, Duration>,
    /// Plugins that would not start: tried again when anything of them changes, when
    /// an operator asks for a look, and at the slow look.
    failed_starts: Vec<(PluginIdentity, Refusal)>,
    /// What was to be started since the last look began.
    attempted: Vec<PluginIdentity>,
}

/// A plugin that was started, or why not.
pub(crate) struct Started {
    pub(crate) wanted: Wanted,
    pub(crate) outcome: Result<Arc<Leased<Running>>, Refusal>,
    /// From its bytes to the end of `init`: less, if the bytes were prepared earlier.
    pub(crate) took: Duration,
}

impl Store {
    pub(crate) fn new(
        runtimes: Vec<Arc<dyn Runtime>>,
        journal: Journal,
        stopped: impl Fn() -> bool + Send + Sync + 'static,
        wake: impl Fn() + Send + Sync + 'static,
    ) -> Self {
        Self {
            preparing: Preparing::new(runtimes.clone(), wake),
            restless: HashMap::new(),
            failures: HashMap::new(),
            runtimes,
            journal,
            stopped: Box::new(stopped),
            ready: HashMap::new(),
            prepared_in: HashMap::new(),
            failed_starts: Vec::new(),
            attempted: Vec::new(),
        }
    }

    pub(crate) fn runtimes(&self) -> &[Arc<dyn Runtime>] {
        &self.runtimes
    }

    /// Has every digest that is new prepared and described, at most `workers` at once, and says what
    /// is ready. What `keep` names stays prepared though nothing asks for it now.
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
        self.prepared_in.clear();
        self.collect();
        self.forget(&wanted, keep, retry);
        for (key, source) in &sources {
            let is_known = self.ready.contains_key(key) || self.restless.contains_key(key);
            if !is_known {
                self.preparing.begin(*key, source, workers);
            }
        }
        let mut preparation = Preparation::default();
        for (key, source) in sources {
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
                None => match self.restless.get(&key) {
                    Some(refusal) => preparation.refused.push(refuse(source, refusal)),
                    None => drop(preparation.pending.insert(key, source.source())),
                },
            }
        }
        // It is read again at the next look.
        self.restless.clear();
        preparation
    }

    /// Waits until all that is on its way has ended, or nothing has for `patience`.
    pub(crate) fn wait(&self, patience: Duration, progress: impl Fn() -> bool) {
        self.preparing.wait(patience, || progress() && !(self.stopped)());
    }

    /// Takes over what has ended.
    fn collect(&mut self) {
        for Done { key, ready, took } in self.preparing.take_done() {
            self.prepared_in.insert(key, took);
            let ready = match ready {
                Ok(ready) => ready,
                Err(refusal) => {
                    self.restless.insert(key, refusal);
                    continue;
                }
            };
            if ready.as_ref().is_err_and(|refusal| refusal.reason.may_pass()) {
                let count = self.failures.get(&key).map_or(0, |it| it.count);
                let wait = FIRST_WAIT.saturating_mul(1 << count.min(16)).min(LONGEST_WAIT);
                let failures = Failures { count: count + 1, due: Instant::now() + wait };
                self.failures.insert(key, failures);
            } else {
                self.failures.remove(&key);
            }
            self.ready.insert(key, ready);
        }
    }

    /// Forgets what nothing asks for, and what is to be tried again.
    fn forget(&mut self, wanted: &BTreeSet<Key>, keep: &BTreeSet<Key>, retry: Retry) {
        let now = Instant::now();
        let failures = &self.failures;
        let again = |key: &Key, refusal: &Refusal| {
            let is_due = || failures.get(key).is_none_or(|it| it.due <= now);
            refusal.reason.may_pass() && (retry == Retry::All || (retry == Retry::Due && is_due()))
        };
        self.ready.retain(|key, ready| {
            let is_over = ready.as_ref().is_err_and(|refusal| again(key, refusal));
            keep.contains(key) || (wanted.contains(key) && !is_over)
        });
        self.failures.retain(|key, _| wanted.contains(key));
        self.preparing.keep_only(wanted);
    }

    /// A look begins to start plugins, and tries those again that failed before unless it is for what
    /// changed alone.
    pub(crate) fn begin(&mut self, retry: Retry) {
        let attempted = std::mem::take(&mut self.attempted);
        let is_tried_again = retry != Retry::None;
        self.failed_starts.retain(|(identity, _)| !is_tried_again && attempted.contains(identity));
    }

    /// Starts plugins, one group after the other, and of each at most `workers` at once.
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
        started
    }

    /// As [`Store::start`], whatever came of it before, and without a part in what looks try.
    pub(crate) fn restart(&self, waves: Vec<Vec<Wanted>>, workers: usize) -> Vec<Started> {
        self.start_unless(&[], waves, workers)
    }

    fn start_unless(
        &self,
        failed_starts: &[(PluginIdentity, Refusal)],
        waves: Vec<Vec<Wanted>>,
        workers: usize,
    ) -> Vec<Started> {
        let (ready, prepared_in, journal) = (&self.ready, &self.prepared_in, &self.journal);
        let stopped = &self.stopped;
        let start_one = |wanted: Wanted| {
            let began = Instant::now();
            let before = failed_starts.iter().find(|(identity, _)| *identity == wanted.identity);
            let outcome = match before {
                Some((_, refusal)) => Err(refusal.clone()),
                None => start(ready, &wanted, journal),
            };
            let prepared_in = prepared_in.get(&key_of(&wanted)).copied();
            Started { wanted, outcome, took: began.elapsed() + prepared_in.unwrap_or_default() }
        };
        let waves = waves.into_iter().map(|wave| parallel(wave, workers, stopped, start_one));
        waves.flatten().collect()
    }
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
        // An offer is made of what is ready; kept as a refusal so that no bug can panic here.
        None => return Err(Refusal::new(Reason::Unreadable, "expected a prepared artifact")),
    };
    Ok(Arc::new(Leased::new(ready.start(wanted, journal)?)))
}
