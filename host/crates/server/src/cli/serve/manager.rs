//! Reports readiness, reloads and liveness to the service manager that started this process, by
//! systemd's protocol of `sd_notify(3)`. On other systems there is nothing to report to.

use std::time::Duration;

use plugbay::Host;
use tokio::time::Interval;

/// The service manager, if there is one.
pub(super) struct Manager {
    ready: bool,
    /// Half the time after which it restarts a silent process.
    watchdog: Option<Interval>,
}

/// What it is told.
enum News<'a> {
    Ready(&'a str),
    Reloading,
    Stopping,
    Alive,
}

impl Manager {
    /// Finds out whether there is one. Without one nothing is reported.
    pub(super) fn new() -> Self {
        let half = watchdog().map(|limit| limit / 2).filter(|half| *half > Duration::ZERO);
        Self { ready: false, watchdog: half.map(tokio::time::interval) }
    }

    /// Says once that the host serves its first generation.
    pub(super) fn ready(&mut self, host: &Host) {
        if !self.ready {
            self.reloaded(host);
        }
    }

    /// A reload begins.
    pub(super) fn reloading() {
        tell(&News::Reloading);
    }

    /// A reload is over.
    pub(super) fn reloaded(&mut self, host: &Host) {
        if host.is_ready() {
            self.ready = true;
            let now = host.snapshot();
            let (plugins, rejected) = (now.plugin_count(), now.rejected().len());
            let generation = now.generation();
            let line =
                format!("generation {generation}: {plugins} plugins serve, {rejected} refused");
            tell(&News::Ready(&line));
        }
    }

    /// The end begins.
    pub(super) fn stopping() {
        tell(&News::Stopping);
    }

    /// When to feed the watchdog again; never without a watchdog.
    pub(super) async fn tick(&mut self) {
        match &mut self.watchdog {
            Some(watchdog) => drop(watchdog.tick().await),
            None => std::future::pending().await,
        }
    }

    /// Feeds the watchdog, if the host is alive.
    pub(super) fn alive(host: &Host) {
        if host.is_alive() {
            tell(&News::Alive);
        }
    }
}

#[cfg(unix)]
fn watchdog() -> Option<Duration> {
    sd_notify::watchdog_enabled()
}

#[cfg(unix)]
fn tell(news: &News<'_>) {
    use sd_notify::NotifyState;
    let told = match news {
        News::Ready(line) => sd_notify::notify(&[NotifyState::Ready, NotifyState::Status(line)]),
        // `Type=notify-reload` wants to know since when.
        News::Reloading => NotifyState::monotonic_usec_now()
            .and_then(|since| sd_notify::notify(&[NotifyState::Reloading, since])),
        News::Stopping => sd_notify::notify(&[NotifyState::Stopping]),
        News::Alive => sd_notify::notify(&[NotifyState::Watchdog]),
    };
    if let Err(error) = told {
        tracing::warn!(%error, "cannot notify the service manager");
    }
}

#[cfg(not(unix))]
fn watchdog() -> Option<Duration> {
    None
}

#[cfg(not(unix))]
fn tell(_: &News<'_>) {}
