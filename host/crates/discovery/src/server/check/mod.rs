//! Checks endpoints: one task for each that has a check.
//!
//! The host checks its plugins in the same way, and both share the parts that decide: the streak of
//! results and the jitter of pauses, which are in `plugbay-guard`. What is checked, and how, they do not
//! share (`docs/adr/0038-the-directory.md`).

mod address;
mod connect;
mod grpc;
mod http;
mod probe;
mod settings;

pub use settings::CheckSettings;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use plugbay_guard::jittered;
use tokio::sync::Semaphore;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::sleep;

use super::live::LiveDirectory;
use crate::directory::Scope;
use crate::wire::{Change, ChangeKind, CheckSpec, Endpoint, EndpointId, Host};

/// The first check of an endpoint comes within this time, at a random moment of it, so that endpoints
/// that were registered together are not all checked at once.
const FIRST: Duration = Duration::from_secs(1);

/// Follows the directory, and runs the checks of what is registered.
pub(super) async fn follow(directory: LiveDirectory) {
    let mut watcher = directory.watch(Scope::All, None);
    let mut checks = Checks::new(directory);
    checks.resync(&watcher.resync().endpoints);
    loop {
        match watcher.changes().await {
            Ok(changes) => changes.iter().for_each(|change| checks.apply(change)),
            Err(_lost) => checks.resync(&watcher.resync().endpoints),
        }
        checks.reap();
    }
}

/// The checks that run.
struct Checks {
    directory: LiveDirectory,
    permits: Arc<Semaphore>,
    running: HashMap<EndpointId, Check>,
    /// They end when this is dropped.
    tasks: JoinSet<()>,
}

struct Check {
    spec: CheckSpec,
    host: Host,
    task: AbortHandle,
}

impl Checks {
    fn new(directory: LiveDirectory) -> Self {
        let permits = Arc::new(Semaphore::new(directory.settings().checks.concurrency.max(1)));
        Self { directory, permits, running: HashMap::new(), tasks: JoinSet::new() }
    }

    fn apply(&mut self, change: &Change) {
        match change.kind {
            ChangeKind::Deregister => self.stop(change.endpoint.id),
            ChangeKind::Register => self.start(&change.endpoint),
            ChangeKind::HealthChange | ChangeKind::LeaseChange => {}
        }
    }

    fn resync(&mut self, endpoints: &[Arc<Endpoint>]) {
        let known: std::collections::HashSet<_> = endpoints.iter().map(|it| it.id).collect();
        let gone: Vec<_> = self.running.keys().filter(|id| !known.contains(id)).copied().collect();
        for id in gone {
            self.stop(id);
        }
        for endpoint in endpoints {
            self.start(endpoint);
        }
    }

    /// Begins the check of an endpoint, unless the same one runs.
    fn start(&mut self, endpoint: &Arc<Endpoint>) {
        let Some(spec) = &endpoint.check else { return self.stop(endpoint.id) };
        let same = |it: &Check| it.spec == *spec && it.host == endpoint.host;
        if self.running.get(&endpoint.id).is_some_and(same) {
            return;
        }
        self.stop(endpoint.id);
        let check = check_periodically(
            self.directory.clone(),
            Arc::clone(&self.permits),
            endpoint.id,
            endpoint.host.clone(),
            spec.clone(),
        );
        let task = self.tasks.spawn(check);
        let check = Check { spec: spec.clone(), host: endpoint.host.clone(), task };
        self.running.insert(endpoint.id, check);
    }

    fn stop(&mut self, id: EndpointId) {
        if let Some(check) = self.running.remove(&id) {
            check.task.abort();
        }
    }

    /// Frees the tasks that ended.
    fn reap(&mut self) {
        while self.tasks.try_join_next().is_some() {}
    }
}

async fn check_periodically(
    directory: LiveDirectory,
    permits: Arc<Semaphore>,
    id: EndpointId,
    host: Host,
    spec: CheckSpec,
) {
    sleep(spec.interval.min(FIRST).mul_f64(directory.chance())).await;
    loop {
        // The semaphore is never closed.
        let permit = permits.acquire().await;
        let result = probe::probe(&host, &spec, directory.settings().checks).await;
        drop(permit);
        directory.checked(id, result);
        sleep(jittered(spec.interval, directory.chance())).await;
    }
}
