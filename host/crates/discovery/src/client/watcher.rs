//! The task that follows one service.
//!
//! It opens a watch and reads its events. A new watch begins with a snapshot; one that is resumed gets
//! what it missed, or the word that the history does not reach back, and a snapshot. When the stream
//! ends, breaks, or is silent for too long, the task opens another after a back-off with jitter, at the
//! next address if the first does not answer, and meanwhile callers use what was known last.

use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use tokio::time::{Instant, sleep, sleep_until};

use super::balance::{Dice, now};
use super::bootstrap::Address;
use super::figures::Counters;
use super::remote::{DirectoryError, Remote, Stream};
use super::service::Shared;
use super::settings::WatchSettings;
use super::sse::{Event, Reader};
use super::view::View;
use crate::{Change, Endpoint, Sequence};

/// The largest event, in bytes: a snapshot of some 100,000 endpoints.
const MAX_EVENT: usize = 64 * 1024 * 1024;
/// How often balancers are maintained.
const MAINTENANCE: Duration = Duration::from_secs(1);

/// Follows one service for as long as it is polled.
pub(super) struct Watcher {
    pub(super) remote: Arc<Remote>,
    pub(super) service: Arc<Shared>,
    pub(super) counters: Arc<Counters>,
    pub(super) settings: WatchSettings,
    pub(super) dice: Dice,
    pub(super) view: View,
    /// Where the sequence of the view is from.
    pub(super) address: Option<Address>,
    /// When maintenance is due next, whatever the watcher waits for.
    pub(super) maintenance: Instant,
}

/// The data of an event with all endpoints.
#[derive(Deserialize)]
struct Everything {
    sequence: Sequence,
    endpoints: Vec<Arc<Endpoint>>,
}

impl Watcher {
    pub(super) async fn run(mut self) {
        let mut failures = 0;
        loop {
            match self.follow(&mut failures).await {
                // The directory ended the stream, as it does when it stops.
                Ok(()) => tracing::debug!(service = %self.service.name, "the watch has ended"),
                Err(error) => {
                    self.service.failed(error.to_string());
                    tracing::warn!(
                        service = %self.service.name,
                        reason = error.reason(),
                        %error,
                        "the watch of a service broke"
                    );
                }
            }
            self.counters.reconnected();
            failures += 1;
            let wait = self.settings.backoff.wait(failures, &self.dice);
            self.maintained(sleep(wait)).await;
        }
    }

    /// Opens a watch and reads it to its end.
    async fn follow(&mut self, failures: &mut u32) -> Result<(), DirectoryError> {
        let remote = Arc::clone(&self.remote);
        let name = self.service.name.clone();
        let address = self.address.clone();
        let since = address.clone().zip(self.view.sequence());
        let mut stream = self.maintained(remote.watch(&name, since)).await?;
        // Numbers of one directory mean nothing to another.
        if address.as_ref() != Some(&stream.address) {
            self.address = None;
        }
        let mut reader = Reader::new(MAX_EVENT);
        let silence = self.settings.silence;
        while let Some(bytes) = self.maintained(remote.next(&mut stream, silence)).await? {
            self.service.heard();
            *failures = 0;
            self.take(&stream, &mut reader, &bytes)?;
        }
        Ok(())
    }

    fn take(
        &mut self,
        stream: &Stream,
        reader: &mut Reader,
        bytes: &[u8],
    ) -> Result<(), DirectoryError> {
        let mut events = Vec::new();
        let read = reader.read(bytes, |event| events.push(event));
        read.map_err(|error| DirectoryError::unexpected(&stream.address, &error))?;
        let mut changed = false;
        for event in events {
            changed |= self
                .event(&event, &stream.address)
                .map_err(|error| DirectoryError::unexpected(&stream.address, &error))?;
        }
        if changed {
            self.service.publish(self.view.snapshot());
        }
        Ok(())
    }

    /// Takes an event. Returns whether anything changed.
    fn event(&mut self, event: &Event, address: &Address) -> Result<bool, serde_json::Error> {
        if event.kind == "snapshot" {
            let all: Everything = serde_json::from_str(&event.data)?;
            self.view.replace(all.sequence, all.endpoints, now());
            self.address = Some(address.clone());
            self.counters.resynced();
            return Ok(true);
        }
        let change: Change = serde_json::from_str(&event.data)?;
        Ok(self.view.apply(&change))
    }

    /// Waits for `work`, and does meanwhile what is due each second.
    async fn maintained<T>(&mut self, work: impl Future<Output = T>) -> T {
        tokio::pin!(work);
        loop {
            tokio::select! {
                biased;
                done = &mut work => return done,
                () = sleep_until(self.maintenance) => {
                    self.maintenance = Instant::now() + MAINTENANCE;
                    self.service.maintain();
                    if self.view.expire(now()) {
                        self.service.publish(self.view.snapshot());
                    }
                }
            }
        }
    }
}
