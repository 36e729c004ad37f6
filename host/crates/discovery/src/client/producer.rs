//! An endpoint that this process registered, and the task that keeps its lease.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::StatusCode;
use tokio::sync::{Notify, watch};
use tokio::time::sleep;

use super::balance::Dice;
use super::call::Backoff;
use super::figures::Counters;
use super::remote::{DirectoryError, Remote};
use super::service::Task;
use crate::{EndpointId, HealthReport, Registration, ServiceName};

/// How often a deregistration is tried.
const FAREWELLS: u32 = 3;

/// An endpoint that this process registered. A task renews its lease three times within its length, and
/// registers it again if the directory forgot it.
///
/// Dropped, the task ends, and the endpoint stays in the directory until its lease runs out. Use
/// [`deregister`](Self::deregister), or [`Client::leave`](super::Client::leave), to leave at once.
#[derive(Debug)]
pub struct RegisteredEndpoint {
    shared: Arc<Shared>,
    _task: Task,
}

#[derive(Debug)]
pub(super) struct Shared {
    remote: Arc<Remote>,
    counters: Arc<Counters>,
    service: ServiceName,
    id: Mutex<EndpointId>,
    /// What the endpoint says of itself.
    report: watch::Sender<Option<HealthReport>>,
    is_registered: watch::Sender<bool>,
    is_leaving: AtomicBool,
    left: Notify,
}

/// Keeps the lease for as long as it is polled.
pub(super) struct Keeper {
    pub(super) shared: Arc<Shared>,
    pub(super) registration: Registration,
    pub(super) backoff: Backoff,
    /// Whether the registration that has the address already is one that this one replaces.
    pub(super) takes_over: bool,
    pub(super) dice: Dice,
}

impl RegisteredEndpoint {
    pub(super) fn new(shared: Arc<Shared>, task: Task) -> Self {
        Self { shared, _task: task }
    }

    /// Its identifier, which it keeps when it is registered again. It becomes that of a registration that
    /// is [taken over](super::ClientBuilder::take_over_addresses).
    #[must_use]
    pub fn id(&self) -> EndpointId {
        self.shared.id()
    }

    /// The service that it is registered under.
    #[must_use]
    pub fn service(&self) -> &ServiceName {
        &self.shared.service
    }

    /// Whether the directory knew it when it was asked last.
    #[must_use]
    pub fn is_registered(&self) -> bool {
        *self.shared.is_registered.borrow()
    }

    /// Waits until the directory knows it. Cancel safe.
    pub async fn wait_registered(&self) {
        let mut registered = self.shared.is_registered.subscribe();
        // The sender lives as long as `self`.
        let _ = registered.wait_for(|is_registered| *is_registered).await;
    }

    /// Says how well the endpoint is. The directory hears of it at once, and again with each heartbeat.
    pub fn report(&self, report: HealthReport) {
        self.shared.report.send_replace(Some(report));
    }

    /// Removes the endpoint from the directory. Returns whether the directory knew it.
    ///
    /// # Errors
    ///
    /// [`DirectoryError`] if the directory does not answer or refuses. Its lease then runs out.
    pub async fn deregister(self) -> Result<bool, DirectoryError> {
        self.shared.leave().await
    }
}

impl Shared {
    pub(super) fn new(
        remote: Arc<Remote>,
        counters: Arc<Counters>,
        service: ServiceName,
        id: EndpointId,
    ) -> Self {
        Self {
            remote,
            counters,
            service,
            id: Mutex::new(id),
            report: watch::Sender::new(None),
            is_registered: watch::Sender::new(false),
            is_leaving: AtomicBool::new(false),
            left: Notify::new(),
        }
    }

    fn id(&self) -> EndpointId {
        *self.id.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set_id(&self, id: EndpointId) {
        *self.id.lock().unwrap_or_else(PoisonError::into_inner) = id;
    }

    /// Removes the endpoint. It is not registered again after this has begun.
    pub(super) async fn leave(&self) -> Result<bool, DirectoryError> {
        self.is_leaving.store(true, Relaxed);
        self.left.notify_one();
        let mut tries = 0;
        loop {
            tries += 1;
            match self.remote.deregister(&self.service, self.id()).await {
                Err(error) if error.is_temporary() && tries < FAREWELLS => {
                    tracing::debug!(service = %self.service, %error, "deregistration is tried again");
                }
                answer => {
                    self.is_registered.send_replace(false);
                    return answer;
                }
            }
        }
    }
}

impl Keeper {
    /// Registers the endpoint for the first time.
    pub(super) async fn begin(&mut self) -> Result<(), DirectoryError> {
        self.register().await
    }

    async fn register(&mut self) -> Result<(), DirectoryError> {
        let shared = Arc::clone(&self.shared);
        if let Err(error) = shared.remote.register(&self.registration).await {
            let taken_by = error.address_taken_by().filter(|_| self.takes_over);
            let Some(id) = taken_by else { return Err(error) };
            let again = Registration { id: Some(id), ..self.registration.clone() };
            // If it is that of another token, its lease has to run out.
            shared.remote.register(&again).await.map_err(|_| error)?;
            tracing::info!(service = %shared.service, endpoint = %id, "an endpoint takes over the registration of its address");
            self.registration = again;
            shared.set_id(id);
        }
        shared.is_registered.send_replace(true);
        Ok(())
    }

    pub(super) async fn run(mut self) {
        let mut reports = self.shared.report.subscribe();
        let mut failures = 0;
        loop {
            let wait = self.wait(failures);
            tokio::select! {
                biased;
                () = self.shared.left.notified() => return,
                _ = reports.changed() => {}
                () = sleep(wait) => {}
            }
            if self.shared.is_leaving.load(Relaxed) {
                return;
            }
            let report = reports.borrow_and_update().clone();
            match self.renew(report.as_ref()).await {
                Ok(()) => failures = 0,
                Err(error) => {
                    failures += 1;
                    self.shared.counters.heartbeat(false);
                    tracing::warn!(
                        service = %self.shared.service,
                        endpoint = %self.shared.id(),
                        reason = error.reason(),
                        %error,
                        "the lease of an endpoint could not be renewed"
                    );
                }
            }
        }
    }

    async fn renew(&mut self, report: Option<&HealthReport>) -> Result<(), DirectoryError> {
        let shared = Arc::clone(&self.shared);
        if *shared.is_registered.borrow() {
            if shared.remote.heartbeat(&shared.service, shared.id(), report).await? {
                shared.counters.heartbeat(true);
                return Ok(());
            }
            shared.is_registered.send_replace(false);
            tracing::info!(service = %shared.service, endpoint = %shared.id(), "the directory forgot an endpoint, which is registered again");
            shared.counters.reregistered();
        }
        if shared.is_leaving.load(Relaxed) {
            return Ok(());
        }
        self.register().await?;
        // Registrations have no report.
        if report.is_some() {
            shared.remote.heartbeat(&shared.service, shared.id(), report).await?;
        }
        Ok(())
    }

    /// A third of the lease, less up to a tenth of it, so that the heartbeats of many endpoints that began
    /// together spread. After a failure sooner.
    fn wait(&self, failures: u32) -> Duration {
        let third = self.registration.ttl / 3;
        if failures > 0 {
            return self.backoff.wait(failures, &self.dice).min(third);
        }
        let jitter = Backoff { base: third / 10, max: third / 10 };
        third.saturating_sub(jitter.wait(1, &self.dice))
    }
}

/// Whether to go on trying to register: the address may still be that of a process that was killed, until
/// its lease runs out.
pub(super) fn may_succeed_later(error: &DirectoryError) -> bool {
    error.is_temporary() || error.status() == Some(StatusCode::CONFLICT)
}
