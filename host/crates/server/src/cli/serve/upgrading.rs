//! The upgrade that is under way, and the operators who wait for it.

use std::time::Duration;

use plugbay_server::{Server, UpgradeRequest, Upgrades};
use tokio::task::JoinSet;

#[cfg(unix)]
use super::upgrade::Upgrade;

/// At most one upgrade at a time: all who ask meanwhile wait for the same one.
pub(super) struct Upgrading {
    requests: Upgrades,
    waiting: Vec<UpgradeRequest>,
    replacing: JoinSet<Result<u32, String>>,
}

/// What happens next.
pub(super) enum Step {
    /// The admin plane was asked for an upgrade.
    Asked,
    /// This process serves in place of this one.
    Served(u32),
    /// No other process serves.
    Failed(String),
}

impl Upgrading {
    pub(super) fn new(requests: Upgrades) -> Self {
        Self { requests, waiting: Vec::new(), replacing: JoinSet::new() }
    }

    /// Starts the process that replaces this one, and returns its number; `None` if one is starting.
    ///
    /// # Errors
    /// If it cannot be started.
    #[cfg(unix)]
    pub(super) fn start(
        &mut self,
        server: &Server,
        limit: Duration,
    ) -> Result<Option<u32>, String> {
        if !self.replacing.is_empty() {
            return Ok(None);
        }
        let upgrade = Upgrade::start(server).map_err(|error| error.to_string())?;
        let pid = upgrade.pid();
        self.replacing
            .spawn(async move { upgrade.serves(limit).await.map_err(|error| error.to_string()) });
        Ok(Some(pid))
    }

    #[cfg(not(unix))]
    pub(super) fn start(&mut self, _: &Server, _: Duration) -> Result<Option<u32>, String> {
        Err("expected a system on which a process inherits sockets, found another one".to_owned())
    }

    /// Waits for the next step. Cancel safe.
    pub(super) async fn next(&mut self) -> Step {
        tokio::select! {
            Some(request) = self.requests.next() => {
                self.waiting.push(request);
                Step::Asked
            }
            Some(done) = self.replacing.join_next() => {
                match done.unwrap_or_else(|error| Err(error.to_string())) {
                    Ok(pid) => {
                        self.answer(&Ok(pid));
                        Step::Served(pid)
                    }
                    Err(error) => Step::Failed(error),
                }
            }
            else => std::future::pending().await,
        }
    }

    /// Tells those who wait how it ended.
    pub(super) fn answer(&mut self, done: &Result<u32, String>) {
        self.waiting.drain(..).for_each(|request| request.answer(done.clone()));
    }
}
