//! The thread that advances the epoch, one for all plugins and calls.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread::{JoinHandle, Thread, park_timeout};
use std::time::{Duration, Instant};

/// How often the epoch advances: a guest on a fiber yields this often, the first time after at most one and a
/// half of it, and is stopped at most this long after its time is over.
pub(crate) const TICK: Duration = Duration::from_millis(1);
/// How often the epoch advances while no guest computes.
const IDLE_TICK: Duration = Duration::from_millis(5);
/// After this many ticks that no guest noticed, no guest computes.
const IDLE_AFTER: u32 = 100;

/// What guests and the thread tell each other.
#[derive(Clone, Debug, Default)]
pub(crate) struct Noticed(Arc<Flags>);

#[derive(Debug, Default)]
struct Flags {
    /// A guest noticed a tick since the last one.
    noticed: AtomicBool,
    /// The next tick is that of an idle engine.
    idle: AtomicBool,
    stop: AtomicBool,
    thread: OnceLock<Thread>,
}

impl Noticed {
    /// Reports that a guest noticed a tick: the next tick comes soon.
    #[inline]
    pub(crate) fn note(&self) {
        let flags = &*self.0;
        flags.noticed.store(true, Ordering::Relaxed);
        if flags.idle.load(Ordering::Relaxed) {
            flags.wake();
        }
    }
}

impl Flags {
    #[cold]
    fn wake(&self) {
        self.idle.store(false, Ordering::Relaxed);
        if let Some(thread) = self.thread.get() {
            thread.unpark();
        }
    }
}

/// Waits for the next tick; false if it must not come, because the time was cut short.
fn wait(time: Duration) -> bool {
    let began = Instant::now();
    park_timeout(time);
    began.elapsed() >= time
}

/// Advances an engine's epoch until it is dropped.
pub(crate) struct Ticker {
    flags: Arc<Flags>,
    thread: Option<JoinHandle<()>>,
}

impl Ticker {
    /// Starts the thread.
    ///
    /// # Errors
    ///
    /// The operating system's, if it gives no thread.
    pub(crate) fn start(engine: &wasmtime::Engine, noticed: Noticed) -> std::io::Result<Self> {
        let Noticed(flags) = noticed;
        let engine = engine.weak();
        let own = Arc::clone(&flags);
        let tick = move || {
            let mut unnoticed = 0;
            while !own.stop.load(Ordering::Acquire) {
                let is_idle = unnoticed >= IDLE_AFTER;
                own.idle.store(is_idle, Ordering::Relaxed);
                if wait(if is_idle { IDLE_TICK } else { TICK }) {
                    let Some(engine) = engine.upgrade() else { return };
                    engine.increment_epoch();
                }
                let is_noticed = own.noticed.swap(false, Ordering::Relaxed);
                unnoticed = if is_noticed { 0 } else { unnoticed.saturating_add(1) };
            }
        };
        let thread = std::thread::Builder::new().name("plugbay-epoch".into()).spawn(tick)?;
        // Set once: each engine has flags of its own.
        let _ = flags.thread.set(thread.thread().clone());
        Ok(Self { flags, thread: Some(thread) })
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.flags.stop.store(true, Ordering::Release);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            // The thread returns nothing, and cannot panic.
            let _ = thread.join();
        }
    }
}
