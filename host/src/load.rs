//! Prepares each digest once, and starts plugins: in parallel, off the request path.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use plugbay_core::{
    Artifact, Description, Digest, Identity as Label, Isolation, Prepared, Protection, Reason,
    Refusal, Runtime, Source, StartPlugin,
};
use plugbay_guard::{Guard, Rules};
use plugbay_registry::Leased;

use crate::config::Config;
use crate::desired::{Offer, Refused, Wanted, asked_in};
use crate::folder::Found;
use crate::generation::Running;
use crate::health::HealthRecord;
use crate::hosted::Hosted;
use crate::outcome::Journal;
use crate::plan::Identity;
use crate::retire::Goodbye;
use crate::shared::Shared;
use crate::tally::Tally;

/// Where an offer's artifact comes from.
pub(crate) enum Origin {
    Folder(Found),
    /// Linked into the program, or given by the application.
    Given(Artifact),
}

impl Origin {
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

/// A prepared artifact: kept as long as something asks for its digest.
#[derive(Clone)]
pub(crate) struct Ready {
    prepared: Arc<dyn Prepared>,
    description: Arc<Description>,
    runtime: &'static str,
}

/// How much longer than the first time a breaker stays open at most, while trials go on failing.
const LONGEST_OPEN: u32 = 16;

/// What is prepared once: the bytes, and where they may run to say what they are.
pub(crate) type Key = (Digest, Isolation);

/// What was prepared and what was refused, by digest, so that neither is tried again at
/// each look.
pub(crate) struct Store {
    runtimes: Vec<Arc<dyn Runtime>>,
    shared: Arc<Shared>,
    ready: HashMap<Key, Result<Ready, Refusal>>,
    /// How long the last look worked on each digest that was new to it.
    prepared_in: HashMap<Key, Duration>,
    /// Plugins that would not start: tried again when anything of them changes, when
    /// somebody asks for it, and at the slow look.
    stubborn: Vec<(Identity, Refusal)>,
    /// What was to be started since the last look began.
    asked: Vec<Identity>,
}

/// A plugin that was started, or why not.
pub(crate) struct Started {
    pub(crate) wanted: Wanted,
    pub(crate) outcome: Result<Arc<Leased<Running>>, Refusal>,
    /// From its bytes to the end of `init`: less, if the bytes were prepared earlier.
    pub(crate) took: Duration,
}

impl Store {
    pub(crate) fn new(runtimes: Vec<Arc<dyn Runtime>>, shared: Arc<Shared>) -> Self {
        Self {
            runtimes,
            shared,
            ready: HashMap::new(),
            prepared_in: HashMap::new(),
            stubborn: Vec::new(),
            asked: Vec::new(),
        }
    }

    /// Whether an artifact's bytes end where its format says so; what no runtime knows is whole.
    pub(crate) fn is_whole(runtimes: &[Arc<dyn Runtime>], artifact: &Artifact) -> bool {
        let runtime = runtimes.iter().find(|runtime| runtime.recognises(artifact));
        runtime.is_none_or(|runtime| runtime.is_whole(artifact))
    }

    pub(crate) fn runtimes(&self) -> &[Arc<dyn Runtime>] {
        &self.runtimes
    }

    /// Prepares and describes every digest that is new, at most `workers` at once. `retry`
    /// asks those again that failed for a reason that may have passed. What `keep` names stays
    /// prepared though nothing asks for it now. `progress` is called after each.
    pub(crate) fn prepare(
        &mut self,
        origins: &[Origin],
        config: &Config,
        keep: &BTreeSet<Key>,
        workers: usize,
        retry: bool,
        progress: impl Fn() + Sync,
    ) -> (Vec<Offer>, Vec<Refused>) {
        let origins: Vec<(Key, &Origin)> = origins
            .iter()
            .map(|origin| ((origin.digest(), asked_in(config, &origin.source())), origin))
            .collect();
        let wanted: BTreeSet<Key> = origins.iter().map(|(key, _)| *key).collect();
        self.ready.retain(|key, ready| {
            let again = retry && ready.as_ref().is_err_and(|refusal| refusal.reason.may_pass());
            keep.contains(key) || wanted.contains(key) && !again
        });
        let mut new = BTreeMap::new();
        for (key, origin) in &origins {
            if !self.ready.contains_key(key) {
                new.insert(*key, *origin);
            }
        }
        let runtimes = &self.runtimes;
        let stopped = || self.shared.is_stopped();
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
                // The file changed meanwhile: nothing is known of its digest.
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
                    native: ready.prepared.is_native(),
                    asked: key.1,
                    description: Arc::clone(&ready.description),
                }),
                Some(Err(refusal)) => refused.push(refuse(origin, refusal)),
                None => refused.extend(gone.get(&key).map(|refusal| refuse(origin, refusal))),
            }
        }
        (offers, refused)
    }

    /// A look begins to start plugins. `retry` tries those again that failed before for a reason
    /// that may have passed.
    pub(crate) fn begin(&mut self, retry: bool) {
        let asked = std::mem::take(&mut self.asked);
        self.stubborn.retain(|(identity, _)| !retry && asked.contains(identity));
    }

    /// Starts plugins, one group after the other, and of each at most `workers` at once.
    pub(crate) fn start(&mut self, waves: Vec<Vec<Wanted>>, workers: usize) -> Vec<Started> {
        let started = self.start_unless(&self.stubborn, waves, workers);
        for it in &started {
            self.asked.push(it.wanted.identity.clone());
            let known = self.stubborn.iter().any(|(identity, _)| *identity == it.wanted.identity);
            if let (Err(refusal), false) = (&it.outcome, known) {
                self.stubborn.push((it.wanted.identity.clone(), refusal.clone()));
            }
        }
        started
    }

    /// As [`Store::start`], whatever came of it before, and without a part in what looks try.
    pub(crate) fn start_anew(&self, waves: Vec<Vec<Wanted>>, workers: usize) -> Vec<Started> {
        self.start_unless(&[], waves, workers)
    }

    fn start_unless(
        &self,
        stubborn: &[(Identity, Refusal)],
        waves: Vec<Vec<Wanted>>,
        workers: usize,
    ) -> Vec<Started> {
        let (ready, prepared_in, journal) = (&self.ready, &self.prepared_in, &self.shared.journal);
        let stopped = || self.shared.is_stopped();
        let start_one = |wanted: Wanted| {
            let began = Instant::now();
            let before = stubborn.iter().find(|(identity, _)| *identity == wanted.identity);
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

pub(crate) fn key_of(wanted: &Wanted) -> Key {
    (wanted.identity.digest, wanted.offer.asked)
}

fn refuse(origin: &Origin, refusal: &Refusal) -> Refused {
    Refused {
        source: origin.source(),
        plugin: None,
        digest: Some(origin.digest()),
        refusal: refusal.clone(),
    }
}

/// Finds the runtime, checks and compiles, and asks for the description.
pub(crate) fn prepare(
    runtimes: &[Arc<dyn Runtime>],
    artifact: &Artifact,
    isolation: Isolation,
) -> Result<Ready, Refusal> {
    let runtime = runtimes.iter().find(|runtime| runtime.recognises(artifact)).ok_or_else(|| {
        let found = artifact.bytes.iter().take(8).fold(String::new(), |mut found, byte| {
            use std::fmt::Write as _;
            // Writing to a String cannot fail.
            let _ = write!(found, "{byte:02x} ");
            found
        });
        let message = format!(
            "expected a WebAssembly component (it begins with 00 61 73 6d 0d 00 01 00) or a native \
             library, found {}",
            found.trim_end()
        );
        Refusal::new(Reason::UnknownFormat, message)
            .hint("build it with plugbay-sdk, for wasm32 or as a cdylib")
    })?;
    let prepared = runtime.prepare(artifact)?;
    let description = prepared.describe(isolation)?;
    Ok(Ready { prepared, description: Arc::new(description), runtime: runtime.name() })
}

impl Ready {
    pub(crate) fn description(&self) -> &Arc<Description> {
        &self.description
    }

    pub(crate) fn prepared(&self) -> &dyn Prepared {
        &*self.prepared
    }

    pub(crate) fn runtime(&self) -> &'static str {
        self.runtime
    }

    /// Starts a plugin from it.
    pub(crate) fn start(&self, wanted: &Wanted, journal: &Journal) -> Result<Running, Refusal> {
        let Wanted { identity, offer } = wanted;
        let label = Label::new(&identity.name, &offer.description.version);
        let plugin = self.prepared.start(StartPlugin {
            identity: label.clone(),
            description: Arc::clone(&offer.description),
            config: identity.config.clone(),
            policy: identity.policy.clone(),
            observer: Arc::new(journal.clone()),
        })?;
        let mut providers = Vec::new();
        for (index, capability) in offer.description.capabilities.iter().enumerate() {
            let provider = u32::try_from(index).ok().and_then(|index| plugin.provide(index));
            providers.push(provider.ok_or_else(|| {
                let message = format!(
                    "expected capability {}:{} to be of a kind that the runtime {} serves",
                    capability.kind, capability.name, self.runtime
                );
                Refusal::new(Reason::WrongWorld, message)
            })?);
        }
        Ok(Running {
            identity: identity.clone(),
            label: Arc::clone(label.label()),
            description: Arc::clone(&offer.description),
            calls_others: plugin.calls_others(),
            plugin: Hosted::new(plugin),
            providers,
            runtime: self.runtime,
            imports: self.prepared.imports().to_vec(),
            exports: self.prepared.exports().to_vec(),
            offer: offer.clone(),
            code_size: self.prepared.code_size(),
            started: SystemTime::now(),
            guard: guard(&identity.policy.protection),
            tally: Tally::default(),
            health: HealthRecord::default(),
            goodbye: Goodbye::default(),
            journal: journal.clone(),
        })
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

/// What stands around a plugin.
fn guard(protection: &Protection) -> Guard {
    let rules = Rules {
        failures: protection.breaker_failures,
        open: protection.breaker_open,
        longest: protection.breaker_open.saturating_mul(LONGEST_OPEN),
        probes: 1,
        successes: protection.breaker_successes,
    };
    Guard::new(rules, Instant::now(), fastrand::u64(..))
}

/// Maps in order, on up to `workers` threads of their own: guest code may hang in there for
/// as long as its limits allow, and must not hold up a pool that others use. Once it is `stopped`,
/// nothing more is begun, and the rest has no result.
fn parallel<T: Send, R: Send>(
    items: Vec<T>,
    workers: usize,
    stopped: impl Fn() -> bool + Sync,
    work: impl Fn(T) -> R + Sync,
) -> Vec<R> {
    let workers = workers.min(items.len());
    if workers <= 1 {
        return items.into_iter().take_while(|_| !stopped()).map(work).collect();
    }
    let queue = Mutex::new(items.into_iter().enumerate());
    let done = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                while !stopped() {
                    let next = queue.lock().unwrap_or_else(PoisonError::into_inner).next();
                    let Some((index, item)) = next else { return };
                    let result = work(item);
                    done.lock().unwrap_or_else(PoisonError::into_inner).push((index, result));
                }
            });
        }
    });
    let mut done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
    done.sort_by_key(|(index, _)| *index);
    done.into_iter().map(|(_, result)| result).collect()
}
