//! The shared handle of a directory.

use std::fmt;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, UNIX_EPOCH};

use tokio::sync::mpsc;

use super::error::ChangeError;
use super::figures::Figures;
use super::job::{Answer, Typed};
use super::journal;
use super::settings::LiveSettings;
use super::state::Inner;
use super::watcher::Watcher;
use crate::directory::{
    Actor, CheckResult, Decision, Directory, EndpointError, Moment, RegisterError, Registered,
    Scope,
};
use crate::store::{Loaded, Record, Store, StoreError};
use crate::wire::{
    DeregisterReason, EndpointId, HealthReport, Registration, Sequence, ServiceName,
};

/// The one directory of a process. Clones are the same directory.
#[derive(Clone)]
pub struct LiveDirectory(Arc<Inner>);

/// Logs that an endpoint leaves that nobody asked to leave. Never under the lock: the reader of the log may be
/// slow.
fn log_leaving(service: &ServiceName, id: EndpointId, reason: DeregisterReason) {
    let reason = reason.as_str();
    tracing::info!(%service, endpoint = %id, reason, "endpoint leaves the directory");
}

impl LiveDirectory {
    /// A directory that keeps nothing across restarts.
    ///
    /// Its first sequence number is made of the wall clock in microseconds, so that the numbers of a
    /// directory that starts again are above those that clients remember.
    #[must_use]
    pub fn in_memory(settings: LiveSettings) -> Self {
        let last = first_sequence(settings.clock.now());
        let directory = Directory::new(settings.limits.clone(), last);
        Self(Arc::new(Inner::new(directory, settings, None)))
    }

    /// A directory with what `store` kept. Blocks while that is read. Starts a thread, which ends with
    /// the last clone.
    ///
    /// # Errors
    ///
    /// If the store cannot be read or written, or no thread can be started.
    pub fn open(settings: LiveSettings, mut store: Box<dyn Store>) -> Result<Self, StoreError> {
        let loaded: Loaded = store.load()?;
        let now = settings.clock.now();
        let last = first_sequence(now);
        let mut directory = Directory::load(settings.limits.clone(), loaded, last, now);
        let reserved: Vec<Record> = directory.reserve().into_iter().collect();
        store.append(&reserved)?;
        directory.apply(&reserved, now);
        let (sender, jobs) = mpsc::channel(journal::QUEUE);
        let inner = Arc::new(Inner::new(directory, settings, Some(sender)));
        let weak = Arc::downgrade(&inner);
        thread::Builder::new()
            .name("directory-store".into())
            .spawn(move || journal::run(store, jobs, &weak))
            .map_err(|source| StoreError {
                reason: "threads",
                action: "cannot start the thread of the store".into(),
                source: source.into(),
            })?;
        Ok(Self(inner))
    }

    /// Registers an endpoint. Once it returns `Ok`, the endpoint is visible, and stored if there is a
    /// store.
    ///
    /// # Errors
    ///
    /// If the directory refuses it, or cannot store it.
    pub async fn register(
        &self,
        registration: Registration,
        actor: Actor,
    ) -> Result<Registered, ChangeError<RegisterError>> {
        let (new, name) = (self.new_id(), registration.service.clone());
        let decide = move |directory: &Directory, now| {
            directory.register(registration.clone(), &actor, new, now)
        };
        let registered = self.change(decide).await?;
        if let Some(replaced) = registered.replaced {
            log_leaving(&name, replaced, DeregisterReason::Expired);
        }
        Ok(registered)
    }

    /// Removes an endpoint.
    ///
    /// # Errors
    ///
    /// If the directory refuses it, or cannot store it.
    pub async fn deregister(
        &self,
        service: ServiceName,
        id: EndpointId,
        actor: Actor,
    ) -> Result<(), ChangeError<EndpointError>> {
        self.change(move |directory, now| directory.deregister(service.as_str(), id, &actor, now))
            .await
    }

    /// Renews a lease, as [`Directory::heartbeat`].
    ///
    /// # Errors
    ///
    /// As there.
    pub fn heartbeat(
        &self,
        service: &str,
        id: EndpointId,
        actor: &Actor,
        report: Option<HealthReport>,
    ) -> Result<(), EndpointError> {
        let mut result = Ok(());
        self.0.update(|directory, now| {
            directory.heartbeat(service, id, actor, report, now).unwrap_or_else(|error| {
                result = Err(error);
                Vec::new()
            })
        });
        self.0.figures.heartbeat(result.is_ok());
        result
    }

    /// Takes the result of a check, as [`Directory::checked`].
    pub fn checked(&self, id: EndpointId, result: CheckResult) {
        self.0.figures.checked(result.status);
        self.0.update(|directory, now| directory.checked(id, result, now).into_iter().collect());
    }

    /// Removes the endpoints whose lease ran out or that were critical for too long, and flags those
    /// that a mass expiry keeps. Returns how many left.
    pub async fn sweep(&self) -> usize {
        let (due, reserve) =
            self.read(|directory, now| (directory.sweep(now), directory.reserve().is_some()));
        for record in &due {
            if let Record::Remove { service, id, reason } = record {
                log_leaving(service, *id, *reason);
            }
        }
        let mut left = 0;
        if !due.is_empty() || reserve {
            let decide = |directory: &Directory, now| {
                // Again: some may have renewed their lease, or been registered again.
                let records = directory.sweep(now);
                let answer = records.len();
                Ok::<_, std::convert::Infallible>(Decision { records, answer })
            };
            // Not stored, they are not visible either way, and leave with a later sweep.
            left = self.change(decide).await.unwrap_or(0);
        }
        self.0.update(Directory::flag_retained);
        left
    }

    /// Reads the state at this moment. `read` should not take long: everybody else waits.
    pub fn read<T>(&self, read: impl FnOnce(&Directory, Moment) -> T) -> T {
        self.0.read(read)
    }

    /// Watches a scope from the change after `since`, or from now on.
    #[must_use]
    pub fn watch(&self, scope: Scope, since: Option<Sequence>) -> Watcher {
        let mut state = self.0.state();
        let bell = state.topics.subscribe(&scope);
        let since = since.unwrap_or_else(|| state.directory.sequence());
        drop(state);
        Watcher::new(Arc::clone(&self.0), scope, since, bell)
    }

    /// What is counted.
    #[must_use]
    pub fn figures(&self) -> &Figures {
        &self.0.figures
    }

    /// How many watch something, and how many different scopes.
    #[must_use]
    pub fn watchers(&self) -> (usize, usize) {
        let state = self.0.state();
        (state.topics.watchers(), state.topics.len())
    }

    /// Its settings.
    #[must_use]
    pub fn settings(&self) -> &LiveSettings {
        &self.0.settings
    }

    /// A random number from 0 up to 1.
    pub(crate) fn chance(&self) -> f64 {
        self.0.random().numbers.f64()
    }

    /// A new identifier: after all earlier ones in the order, whatever the wall clock does.
    fn new_id(&self) -> EndpointId {
        let now = self.0.now().wall;
        let mut random = self.0.random();
        random.last = now.max(random.last + Duration::from_millis(1));
        let mut bytes = [0; 10];
        random.numbers.fill(&mut bytes);
        EndpointId::new(random.last, bytes)
    }

    async fn change<T, E>(
        &self,
        decide: impl Fn(&Directory, Moment) -> Result<Decision<T>, E> + Send + 'static,
    ) -> Answer<T, E>
    where
        T: Send + 'static,
        E: Send + 'static,
    {
        let Some(journal) = &self.0.journal else {
            let mut answer = Err(ChangeError::Unavailable);
            self.0.update(|directory, now| match decide(directory, now) {
                Ok(decision) => {
                    answer = Ok(decision.answer);
                    directory.apply(&decision.records, now)
                }
                Err(refused) => {
                    answer = Err(ChangeError::Refused(refused));
                    Vec::new()
                }
            });
            return answer;
        };
        let (job, answer) = Typed::new(decide);
        journal.send(Box::new(job)).await.map_err(|_| ChangeError::Unavailable)?;
        answer.await.unwrap_or(Err(ChangeError::Unavailable))
    }
}

/// The microseconds of the wall clock: below 2^53 until the year 2255.
fn first_sequence(now: Moment) -> Sequence {
    let micros = now.wall.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_micros());
    Sequence(u64::try_from(micros).unwrap_or(0))
}

impl fmt::Debug for LiveDirectory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LiveDirectory").field("settings", &self.0.settings).finish_non_exhaustive()
    }
}
