//! The client: one object that registers endpoints and calls others'.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, SystemTime};

use futures_util::future::join_all;
use tokio::sync::watch;

use super::balance::{Balancer, Dice};
use super::call::Caller;
use super::figures::{ClientFigures, Counters};
use super::producer::{self, Keeper, RegisteredEndpoint};
use super::remote::{DirectoryError, Remote};
use super::service::{self, Service, Task};
use super::settings::{ServiceRules, WatchSettings};
use super::view::View;
use super::watcher::Watcher;
use crate::{EndpointId, Registration, ServiceName};

/// A client of a directory. Clones are the same client; its tasks end with the last of them.
///
/// Must be used within a tokio runtime with time and I/O.
#[derive(Clone)]
pub struct Client {
    inner: Arc<Inner>,
}

struct Inner {
    remote: Arc<Remote>,
    counters: Arc<Counters>,
    rules: ServiceRules,
    rules_by_service: HashMap<ServiceName, ServiceRules>,
    watch: WatchSettings,
    takes_over: bool,
    dice: Dice,
    services: Mutex<HashMap<ServiceName, (Service, Task)>>,
    registered: Mutex<Vec<Weak<producer::Shared>>>,
    is_ready: watch::Sender<bool>,
}

impl Client {
    pub(super) fn new(
        remote: Remote,
        (rules, rules_by_service): (ServiceRules, HashMap<ServiceName, ServiceRules>),
        watch: WatchSettings,
        takes_over: bool,
        seed: u64,
    ) -> Self {
        let inner = Inner {
            remote: Arc::new(remote),
            counters: Arc::default(),
            rules,
            rules_by_service,
            watch,
            takes_over,
            dice: Dice::new(seed),
            services: Mutex::default(),
            registered: Mutex::default(),
            is_ready: watch::Sender::new(true),
        };
        Self { inner: Arc::new(inner) }
    }

    /// Registers an endpoint, and keeps its lease. If the directory does not answer now, or another
    /// process that was killed still has the address, the client goes on trying: a service must be able to
    /// start before its directory. [`RegisteredEndpoint::wait_registered`] waits for it.
    ///
    /// # Errors
    ///
    /// [`DirectoryError`] if the directory refuses the registration as wrong, or the token.
    pub async fn register(
        &self,
        mut registration: Registration,
    ) -> Result<RegisteredEndpoint, DirectoryError> {
        let id = *registration.id.get_or_insert_with(|| self.new_id());
        let inner = &self.inner;
        let shared = Arc::new(producer::Shared::new(
            Arc::clone(&inner.remote),
            Arc::clone(&inner.counters),
            registration.service.clone(),
            id,
        ));
        let mut keeper = Keeper {
            shared: Arc::clone(&shared),
            registration,
            backoff: inner.watch.backoff,
            takes_over: inner.takes_over,
            dice: Dice::new(inner.dice.roll()),
        };
        match keeper.begin().await {
            Ok(()) => {}
            Err(error) if producer::may_succeed_later(&error) => {
                tracing::warn!(
                    service = %keeper.registration.service,
                    reason = error.reason(),
                    %error,
                    "an endpoint is not registered yet"
                );
            }
            Err(error) => return Err(error),
        }
        {
            let mut registered = lock(&inner.registered);
            registered.retain(|one| one.strong_count() > 0);
            registered.push(Arc::downgrade(&shared));
        }
        let task = Task(tokio::spawn(keeper.run()).abort_handle());
        Ok(RegisteredEndpoint::new(shared, task))
    }

    /// A service, which the client follows from now on.
    #[must_use]
    pub fn service(&self, name: &ServiceName) -> Service {
        let mut services = lock(&self.inner.services);
        if let Some((service, _)) = services.get(name) {
            return service.clone();
        }
        let (service, task) = self.follow(name);
        services.insert(name.clone(), (service.clone(), task));
        service
    }

    /// What the client counted.
    #[must_use]
    pub fn figures(&self) -> ClientFigures {
        self.inner.counters.read(self.inner.remote.failovers())
    }

    /// Whether this process may get new work: true until [`leave`](Self::leave). Readiness probes should
    /// answer by it.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        *self.inner.is_ready.borrow()
    }

    /// Leaves before the process stops, in the order in which no call is lost:
    ///
    /// 1. The client [is not ready](Self::is_ready) any more.
    /// 2. All its endpoints are removed from the directory, whose watchers hear of it at once.
    /// 3. The grace time passes, in which clients that have not heard of it still call.
    ///
    /// When this returns, stop to accept connections, and let the open calls end (the *drain*). With axum:
    ///
    /// ```no_run
    /// use std::time::Duration;
    /// use tokio::signal::unix::{SignalKind, signal};
    /// # use plugbay_discovery::client::Client;
    /// # async fn example(
    /// #     client: Client, listener: tokio::net::TcpListener, app: axum::Router,
    /// # ) -> std::io::Result<()> {
    ///
    /// let mut terminate = signal(SignalKind::terminate())?;
    /// axum::serve(listener, app)
    ///     .with_graceful_shutdown(async move {
    ///         terminate.recv().await;
    ///         client.leave(Duration::from_secs(2)).await;
    ///     })
    ///     .await
    /// # }
    /// ```
    pub async fn leave(&self, grace: Duration) {
        self.inner.is_ready.send_replace(false);
        let registered: Vec<_> =
            lock(&self.inner.registered).drain(..).filter_map(|one| one.upgrade()).collect();
        let left = join_all(registered.iter().map(|one| one.leave())).await;
        for error in left.into_iter().filter_map(Result::err) {
            tracing::warn!(reason = error.reason(), %error, "an endpoint stays in the directory until its lease runs out");
        }
        tokio::time::sleep(grace).await;
    }

    fn follow(&self, name: &ServiceName) -> (Service, Task) {
        let inner = &self.inner;
        let rules = inner.rules_by_service.get(name).unwrap_or(&inner.rules);
        let seed = || inner.dice.roll();
        let balancer =
            Balancer::from_arc(Arc::clone(&rules.strategy), rules.balance.clone(), seed());
        let caller = Caller::new(name.to_string(), balancer.clone(), rules.calls.clone(), seed());
        let shared = Arc::new(service::Shared::new(name.clone(), balancer, caller, &inner.watch));
        let watcher = Watcher {
            remote: Arc::clone(&inner.remote),
            service: Arc::clone(&shared),
            counters: Arc::clone(&inner.counters),
            settings: inner.watch.clone(),
            dice: Dice::new(seed()),
            view: View::new(name.clone()),
            address: None,
            maintenance: tokio::time::Instant::now(),
        };
        let task = Task(tokio::spawn(watcher.run()).abort_handle());
        (Service::new(shared), task)
    }

    fn new_id(&self) -> EndpointId {
        let mut random = [0; 10];
        random[..8].copy_from_slice(&self.inner.dice.roll().to_le_bytes());
        random[8..].copy_from_slice(&self.inner.dice.roll().to_le_bytes()[..2]);
        EndpointId::new(SystemTime::now(), random)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Each holder makes one change, which a panic leaves made or not.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("remote", &self.inner.remote).finish_non_exhaustive()
    }
}
