//! Starts and stops the thread that sends spans.

use std::fmt;
use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use plugbay_core::trace::SpanSink;
use plugbay_telemetry::Collector;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::batches::Batches;
use crate::error::StartError;
use crate::figures::{SpanCollector, SpanCounts};
use crate::queue::Queue;
use crate::settings::Settings;
use crate::transport::Transport;

/// How much later than its deadline the thread may end.
const GRACE: Duration = Duration::from_millis(100);

/// Sends spans to a collector, on a thread of its own. If it is dropped, spans that wait are dropped, too: see
/// [`Exporter::stop`].
pub struct Exporter {
    queue: Arc<Queue>,
    counts: Arc<SpanCounts>,
    /// The time by which the last spans are to be sent, once the exporter is stopped.
    stop: watch::Sender<Option<Instant>>,
    /// Fails once the thread has ended.
    ended: Mutex<Receiver<()>>,
}

impl Exporter {
    /// Starts the thread. Whether there is a collector is found out later: it may come and go.
    ///
    /// # Errors
    ///
    /// If the settings cannot be used, or the system gives no thread.
    pub fn start(settings: &Settings) -> Result<Self, StartError> {
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_io().enable_time().build()?;
        let transport = {
            // The client of gRPC spawns tasks.
            let _entered = runtime.enter();
            Transport::new(settings)?
        };
        let counts = Arc::<SpanCounts>::default();
        let (queue, spans) = Queue::new(&counts);
        let (stop, stopped) = watch::channel(None);
        let batches = Batches::new(spans, stopped, transport, settings, Arc::clone(&counts));
        let (over, ended) = mpsc::channel();
        thread::Builder::new().name("plugbay-spans".into()).spawn(move || {
            // Dropped last, however the thread ends.
            let _over: mpsc::Sender<()> = over;
            runtime.block_on(batches.run());
            // A lookup of a name may hang, which dropping the runtime would wait for.
            runtime.shutdown_background();
        })?;
        Ok(Self { queue: Arc::new(queue), counts, stop, ended: Mutex::new(ended) })
    }

    /// Takes spans, for the builder of a host.
    #[must_use]
    pub fn sink(&self) -> Arc<dyn SpanSink> {
        Arc::clone(&self.queue) as _
    }

    /// How many spans were sent and dropped.
    #[must_use]
    pub fn counts(&self) -> &SpanCounts {
        &self.counts
    }

    /// Shows [`Exporter::counts`] as metrics.
    #[must_use]
    pub fn collector(&self) -> Arc<dyn Collector> {
        Arc::new(SpanCollector(Arc::clone(&self.counts)))
    }

    /// Sends the spans that wait, and ends the thread. Blocks for `within` at most, whatever the collector does; what is
    /// not sent by then is dropped and counted. Later spans are dropped.
    pub fn stop(&self, within: Duration) {
        self.stop.send_replace(Some(Instant::now() + within));
        let ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner);
        // It never sends anything: either the thread ends, or the time is over.
        let _ = ended.recv_timeout(within + GRACE);
    }
}

impl Drop for Exporter {
    fn drop(&mut self) {
        self.stop.send_if_modified(|stop| {
            let first = stop.is_none();
            stop.get_or_insert_with(Instant::now);
            first
        });
    }
}

impl fmt::Debug for Exporter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Exporter").field("counts", &self.counts).finish_non_exhaustive()
    }
}
