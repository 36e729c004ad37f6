//! The thread that advances the epoch, one for all plugins and calls.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread::JoinHandle;
use std::time::Duration;

/// How often the epoch advances: a guest on a fiber yields this often, and is stopped at most this
/// long after its time is over.
pub(crate) const TICK: Duration = Duration::from_millis(1);
/// How often the epoch advances while no guest computes.
const IDLE_TICK: Duration = Duration::from_millis(5);
/// After this many ticks that no guest noticed, no guest computes.
const IDLE_AFTER: u32 = 100;

/// A flag that a guest sets when it notices a tick.
#[derive(Clone, Debug, Default)]
pub(crate) struct Noticed(Arc<AtomicBool>);

impl Noticed {
    /// Reports that a guest noticed a tick: the next tick comes soon.
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
            // The thread returns nothing, and cannot panic.
            let _ = thread.join();
        }
    }
}
