//! One thread that advances the epoch, whatever the number of plugins and calls.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread::JoinHandle;
use std::time::Duration;

/// How often the epoch advances: how long a guest on a fiber computes before it gives way, and how late
/// one may notice that its time is over.
pub(crate) const TICK: Duration = Duration::from_millis(1);
/// How often it advances while no guest computes.
const IDLE_TICK: Duration = Duration::from_millis(5);
/// After so many ticks that no guest noticed, none computes.
const IDLE_AFTER: u32 = 100;

/// Says that a guest noticed a tick.
#[derive(Clone, Debug, Default)]
pub(crate) struct Noticed(Arc<AtomicBool>);

impl Noticed {
    /// A guest noticed a tick: the next one comes soon.
    #[inline]
    pub(crate) fn note(&self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Advances an engine's epoch until it is dropped.
pub(crate) struct Ticker {
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Ticker {
    /// Starts the thread.
    ///
    /// # Errors
    ///
    /// The operating system's, if it gives no thread.
    pub(crate) fn start(engine: &wasmtime::Engine, noticed: Noticed) -> std::io::Result<Self> {
        let (stop, stopped) = mpsc::channel();
        let engine = engine.weak();
        let tick = move || {
            let mut unnoticed = 0;
            loop {
                let wait = if unnoticed < IDLE_AFTER { TICK } else { IDLE_TICK };
                if stopped.recv_timeout(wait) != Err(RecvTimeoutError::Timeout) {
                    return;
                }
                let Some(engine) = engine.upgrade() else { return };
                engine.increment_epoch();
                let is_noticed = noticed.0.swap(false, Ordering::Relaxed);
                unnoticed = if is_noticed { 0 } else { unnoticed.saturating_add(1) };
            }
        };
        let thread = std::thread::Builder::new().name("plugbay-epoch".into()).spawn(tick)?;
        Ok(Self { stop: Some(stop), thread: Some(thread) })
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.stop.take();
        if let Some(thread) = self.thread.take() {
            // The thread only ticks: it has nothing to report.
            let _ = thread.join();
        }
    }
}
