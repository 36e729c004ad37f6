//! Prepares each digest once, and starts plugins: in parallel, off the request path.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

use plugbay_core::{Artifact, Digest, Reason, Refusal, Runtime, Source};
use plugbay_registry::Leased;

use super::desired::description_isolation;
use super::folder::Found;
use super::parallel::parallel;
use super::prepare::{Key, Ready, key_of, prepare};
use crate::config::Config;
use crate::report::{Journal, Rejection};
use crate::set::{Offer, PluginIdentity, Running, Wanted};

/// The source of an offer's artifact.
pub(crate) enum ArtifactSource {
    Folder(Found),
    /// An artifact that is linked into the program, or passed in by the application.
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

    fn size(&self) -> u64 {
        match self {
            Self::Folder(found) => found.size,
            Self::Given(artifact) => artifact.bytes.len() as u64,
        }
    }

    fn artifact(&self) -> Result<Artifact, Refusal> {
        match self {
            Self::Folder(found) => found.artifact(),
            Self::Given(artifact) => Ok(artifact.clone()),
        }
    }
}

/// Returns whether the host is shut down.
type Stopped = Box<dyn Fn() -> bool + Send + Sync>;

/// Prepared and refused artifacts, by digest, so that a reconciliation does not prepare them again.
pub(crate) struct Store {
    runtimes: Vec<Arc<dyn Runtime>>,
    journal: Journal,
    /// Whether the host is shut down.
    stopped: Stopped,
    ready: HashMap<Key, Result<Ready, Refusal>>,
    /// How long the last reconciliation took to prepare each new digest.
    prepared_in: HashMap<Key, Duration>,
    /// Plugins that did not start. They are tried again when their identity changes, when an
    /// operator asks for a reload, and at each rescan.
    failed_starts: Vec<(PluginIdentity, Refusal)>,
    /// The plugins that this reconciliation tried to start.
    attempted: Vec<PluginIdentity>,
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
        runtimes: Vec<Arc<dyn Runtime>>,
        journal: Journal,
        stopped: impl Fn() -> bool + Send + Sync + 'static,
    ) -> Self {
        Self {
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

    /// Prepares and describes every new digest, at most `workers` at once. `retry` also prepares
    /// those again that failed for a reason that may be transient. Artifacts in `keep` stay
    /// prepared though they are not in `origins`. `progress` is called after each artifact.
    pub(crate) fn prepare(
        &mut self,
        origins: &[ArtifactSource],
        config: &Config,
        keep: &BTreeSet<Key>,
        workers: usize,
        retry: bool,
        progress: impl Fn() + Sync,
    ) -> (Vec<Offer>, Vec<Rejection>) {
        let origins: Vec<(Key, &ArtifactSource)> = origins
            .iter()
            .map(|origin| {
                ((origin.digest(), description_isolation(config, &origin.source())), origin)
            })
            .collect();
        let wanted: BTreeSet<Key> = origins.iter().map(|(key, _)| *key).collect();
        self.ready.retain(|key, ready| {
            let again = retry && ready.as_ref().is_err_and(|refusal| refusal.reason.is_transient());
            keep.contains(key) || wanted.contains(key) && !again
        });
        let mut new = BTreeMap::new();
        for (key, origin) in &origins {
            if !self.ready.contains_key(key) {
                new.insert(*key, *origin);
            }
        }
        let runtimes = &self.runtimes;
        let stopped = &self.stopped;
        let prepared = parallel(new.into_iter().collect(), workers, stopped, |(key, origin)| {
            let began = Instant::now();
            let ready = origin.artifact().map(|artifact| prepare(runtimes, &artifact, key.1));
            progress();
            (key, ready, began.elapsed())
        });
        let mut gone = HashMap::new();
        self.prepared_in.clear();
        for (key, ready, took) in prepared {
            self.prepared_in.insert(key, took);
            match ready {
                Ok(ready) => drop(self.ready.insert(key, ready)),
                // The file changed meanwhile: nothing is known about its digest.
                Err(refusal) => drop(gone.insert(key, refusal)),
            }
        }
        let mut offers = Vec::new();
        let mut refused = Vec::new();
        for (key, origin) in origins {
            match self.ready.get(&key) {
                Some(Ok(ready)) => offers.push(Offer {
                    source: origin.source(),
                    digest: key.0,
                    size: origin.size(),
                    native: ready.prepared().is_native(),
                    described_in: key.1,
                    description: Arc::clone(ready.description()),
                }),
                Some(Err(refusal)) => refused.push(refuse(origin, refusal)),
                None => refused.extend(gone.get(&key).map(|refusal| refuse(origin, refusal))),
            }
        }
        (offers, refused)
    }

    /// Begins the starts of one reconciliation. `retry` also tries plugins again that failed to
    /// start before.
    pub(crate) fn begin(&mut self, retry: bool) {
        let attempted = std::mem::take(&mut self.attempted);
        self.failed_starts.retain(|(identity, _)| !retry && attempted.contains(identity));
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
        started
    }

    /// As [`Store::start`], but ignores earlier failures and does not remember new ones.
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
        // Every offer has a prepared artifact; a refusal here avoids a panic if there is a bug.
        None => return Err(Refusal::new(Reason::Unreadable, "the artifact is not prepared")),
    };
    Ok(Arc::new(Leased::new(ready.start(wanted, journal)?)))
}
