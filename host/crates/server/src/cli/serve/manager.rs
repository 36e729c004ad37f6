//! Reports readiness, reloads and liveness to the service manager that started this process, by
//! systemd's protocol of `sd_notify(3)`. Other systems have no such protocol.

use std::time::Duration;

use plugbay::Host;
use tokio::time::Interval;

/// The service manager, if there is one.
pub(super) struct Manager {
    ready: bool,
    /// Ticks twice within the time after which the manager restarts a silent process.
    watchdog: Option<Interval>,
}

/// A notification of the service manager.
enum Notification<'a> {
    Ready(&'a str),
    Reloading,
    Stopping,
    Alive,
    /// Another process serves from now on.
    Replaced(u32),
}

impl Manager {
    /// Finds the service manager in the environment. Without one nothing is reported.
    pub(super) fn new() -> Self {
        let half = watchdog().map(|limit| limit / 2).filter(|half| *half > Duration::ZERO);
        Self { ready: false, watchdog: half.map(tokio::time::interval) }
    }

    /// Reports once that the host serves its first generation.
    pub(super) fn ready(&mut self, host: &Host) {
        if !self.ready {
            self.reloaded(host);
        }
    }

    /// Reports that a reload begins.
    pub(super) fn reloading() {
        notify(&Notification::Reloading);
    }

    /// Reports that a reload ended.
    pub(super) fn reloaded(&mut self, host: &Host) {
        if host.is_ready() {
            self.ready = true;
            let now = host.snapshot();
            let (plugins, rejected) = (now.plugin_count(), now.rejected().len());
            let generation = now.generation();
            let line =
                format!("generation {generation}: {plugins} plugins serve, {rejected} refused");
            notify(&Notification::Ready(&line));
        }
    }

    /// Reports that the server stops.
    pub(super) fn stopping() {
        notify(&Notification::Stopping);
    }

    /// Reports that another process took over, and that it is the one to watch.
    pub(super) fn replaced(by: u32) {
        notify(&Notification::Replaced(by));
    }

    /// Waits until the watchdog must be fed again; forever, without a watchdog.
    pub(super) async fn tick(&mut self) {
        match &mut self.watchdog {
            Some(watchdog) => drop(watchdog.tick().await),
            None => std::future::pending().await,
        }
    }

    /// Feeds the watchdog, if the host is alive.
    pub(super) fn alive(host: &Host) {
        if host.is_alive() {
            notify(&Notification::Alive);
        }
    }
}

#[cfg(unix)]
fn watchdog() -> Option<Duration> {
    sd_notify::watchdog_enabled()
}

#[cfg(unix)]
fn notify(notification: &Notification<'_>) {
    use sd_notify::NotifyState;
    let sent = match notification {
        Notification::Ready(line) => {
            sd_notify::notify(&[NotifyState::Ready, NotifyState::Status(line)])
        }
        // `Type=notify-reload` needs the time at which the reload began.
        Notification::Reloading => NotifyState::monotonic_usec_now()
            .and_then(|since| sd_notify::notify(&[NotifyState::Reloading, since])),
        Notification::Stopping => sd_notify::notify(&[NotifyState::Stopping]),
        Notification::Replaced(by) => sd_notify::notify(&[NotifyState::MainPid(*by)]),
        Notification::Alive => sd_notify::notify(&[NotifyState::Watchdog]),
    };
    if let Err(error) = sent {
        tracing::warn!(%error, "cannot notify the service manager");
    }
}

#[cfg(not(unix))]
fn watchdog() -> Option<Duration> {
    None
}

#[cfg(not(unix))]
fn notify(_: &Notification<'_>) {}
