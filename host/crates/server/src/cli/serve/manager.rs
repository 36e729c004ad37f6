//! Tells the service manager, if one started this process, how it goes: systemd's protocol of
//! `sd_notify(3)`. Other systems have none that speaks it.

use std::time::Duration;

use plugbay::Host;
use tokio::time::Interval;

/// The service manager, if there is one.
pub(super) struct Manager {
    ready: bool,
    /// Half the time after which it takes a silent process for dead.
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
    /// Finds out whether there is one. Nothing is ever said where there is none.
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
            let status = host.status();
            let (plugins, rejected) = (status.plugins.len(), status.rejected.len());
            let generation = status.generation;
            let line =
                format!("generation {generation}: {plugins} plugins serve, {rejected} refused");
            tell(&News::Ready(&line));
        }
    }

    /// The end begins.
    pub(super) fn stopping() {
        tell(&News::Stopping);
    }

    /// When to say again that the process lives; never, if nobody waits for that.
    pub(super) async fn tick(&mut self) {
        match &mut self.watchdog {
            Some(watchdog) => drop(watchdog.tick().await),
            None => std::future::pending().await,
        }
    }

    /// Says that the process lives, if its host does.
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
        tracing::warn!(%error, "the service manager could not be told");
    }
}

#[cfg(not(unix))]
fn watchdog() -> Option<Duration> {
    None
}

#[cfg(not(unix))]
fn tell(_: &News<'_>) {}
