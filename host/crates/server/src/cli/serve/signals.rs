//! SIGTERM, ctrl-c, SIGHUP and SIGUSR2.

use std::io;

/// The action that a signal requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::cli) enum Signal {
    Stop,
    Reload,
    #[cfg(unix)]
    Upgrade,
}

/// A listener for signals.
pub(in crate::cli) struct Signals {
    #[cfg(unix)]
    terminate: tokio::signal::unix::Signal,
    #[cfg(unix)]
    interrupt: tokio::signal::unix::Signal,
    #[cfg(unix)]
    hangup: tokio::signal::unix::Signal,
    #[cfg(unix)]
    upgrade: tokio::signal::unix::Signal,
}

impl Signals {
    /// Listens for signals. From now on, the second signal to stop ends the process.
    #[cfg(unix)]
    pub(in crate::cli) fn listen() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        exit_on_second_signal()?;
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
            upgrade: signal(SignalKind::user_defined2())?,
        })
    }

    /// Waits for the next signal.
    #[cfg(unix)]
    pub(in crate::cli) async fn next(&mut self) -> Signal {
        tokio::select! {
            _ = self.terminate.recv() => Signal::Stop,
            _ = self.interrupt.recv() => Signal::Stop,
            _ = self.hangup.recv() => Signal::Reload,
            _ = self.upgrade.recv() => Signal::Upgrade,
        }
    }

    #[cfg(not(unix))]
    #[expect(clippy::unnecessary_wraps, reason = "listening can fail elsewhere")]
    pub(in crate::cli) fn listen() -> io::Result<Self> {
        Ok(Self {})
    }

    #[cfg(not(unix))]
    pub(in crate::cli) async fn next(&mut self) -> Signal {
        // Without a handler no signal arrives: the system's default action ends the process.
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
        Signal::Stop
    }

    /// Waits for the next signal to stop, and ignores all others.
    pub(in crate::cli) async fn stop(&mut self) {
        while self.next().await != Signal::Stop {}
    }
}

/// Makes the second signal to stop end the process in the signal handler, with exit code 1, even if
/// a plugin, an output or this program hangs.
#[cfg(unix)]
fn exit_on_second_signal() -> io::Result<()> {
    use std::sync::Arc;
    use std::sync::atomic::AtomicBool;

    use signal_hook::consts::{SIGINT, SIGTERM};
    use signal_hook::flag;

    let first = Arc::new(AtomicBool::new(false));
    for signal in [SIGTERM, SIGINT] {
        // The order matters: at the first signal the flag is not set yet, and is set by the second
        // handler.
        flag::register_conditional_shutdown(signal, 1, Arc::clone(&first))?;
        flag::register(signal, Arc::clone(&first))?;
    }
    Ok(())
}
