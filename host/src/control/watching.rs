//! Keeps the files of the configuration in force watched. A watcher that is lost, or that the system does
//! not give, is reported and tried again.

use std::fmt::Display;
use std::path::Path;

use super::shared::HostState;
use super::signal::Signal;
#[cfg(not(feature = "watch"))]
use super::unwatched::Watch;
#[cfg(feature = "watch")]
use super::watch::Watch;
use crate::change::Retry;
use crate::config::Config;
use crate::report::{Outcome, millis};

/// The watcher of a host, if it watches files.
#[derive(Default)]
pub(super) struct Watching {
    /// Wakes the reconciler when a file changes, if the host watches files.
    signal: Option<Signal>,
    /// `None` also while the system gives no watcher.
    watch: Option<Watch>,
}

impl Watching {
    /// Watches files, beginning with the next call of [`Watching::follow`].
    pub(super) fn start(&mut self, signal: Signal) {
        self.signal = Some(signal);
    }

    /// Watches the files of this configuration. A watcher that could not be created is tried again at
    /// each rescan and reload.
    pub(super) fn follow(
        &mut self,
        shared: &HostState,
        config: &Config,
        file: Option<&Path>,
        retry: Retry,
    ) {
        let Some(signal) = &self.signal else { return };
        if self.watch.is_none() {
            if retry == Retry::None && shared.watch_error().is_some() {
                return;
            }
            match Watch::new(signal.clone()) {
                Ok(watch) => self.watch = Some(watch),
                Err(error) => return failed(shared, &error, config),
            }
        }
        let Some(watch) = &mut self.watch else { return };
        match watch.follow(&config.host.plugins, file) {
            Ok(()) => {
                if shared.set_watch_error(None).is_some() {
                    shared.journal.note(shared.number(), Outcome::WatchRestored);
                }
            }
            Err(error) => failed(shared, &error, config),
        }
    }

    /// Whether the host watches files.
    pub(super) fn is_wanted(&self) -> bool {
        self.signal.is_some()
    }
}

fn failed(shared: &HostState, error: &impl Display, config: &Config) {
    let (rescan_ms, message) = (millis(config.host.rescan), error.to_string());
    let outcome = Outcome::WatchLost { rescan_ms, message };
    let text = Some(outcome.to_string());
    if shared.set_watch_error(text.clone()) != text {
        shared.journal.note(shared.number(), outcome);
    }
}
