//! The host, which an application holds.

mod actions;
mod running_config;

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use plugbay_core::codec::Codec;
use plugbay_core::handler::Handler;
use plugbay_core::trace::{ActiveSpan, Sampling, SpanKind};
use plugbay_core::{Artifact, Correlation, Kind, MachineCode, Refusal};
use plugbay_registry::NotFound;
use tokio::sync::oneshot;

use crate::call::{CodecHandle, Handle, HandlerHandle, Snapshot};
use crate::change::{CatchPanic, Inspection, Runtimes, check, folder, inspect};
use crate::config::Config;
use crate::control::{HostState, Liveness, OperatorCommand, RollbackError, Signal, stop};
#[cfg(feature = "state")]
use crate::metrics::StateCollector;
use crate::metrics::{Collectors, HostCollector};
use crate::report::{Event, EventSink, Events, Report};
use crate::status::Status;

pub use self::running_config::{ConfigValue, RunningConfig};

/// A running set of plugins. Cheap to clone; the last clone to go ends the reconciler.
///
/// ```
/// use std::time::Duration;
///
/// use plugbay::Host;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let folder = tempfile::tempdir()?;
/// # let plugins = folder.path();
/// # std::fs::write(plugins.join("echo.wasm"), plugbay_fixtures::Guest::codec("echo").build())?;
/// let host = Host::builder().plugins(plugins).build().await?;
/// assert_eq!(host.names("codec"), ["echo"]);
/// let bytes = host.codec("echo")?.encode(&["a", "b"])?;
/// assert_eq!(host.codec("echo")?.decode::<Vec<String>>(&bytes)?, ["a", "b"]);
///
/// std::fs::write(plugins.join("junk.wasm"), "no plugin")?;
/// let report = host.reload().await;
/// assert_eq!(report.rejected[0].reason.as_str(), "unknown-format");
/// assert_eq!(host.names("codec"), ["echo"], "the others serve on");
///
/// host.shutdown(Duration::from_secs(5)).await;
/// assert!(!host.is_alive());
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Host {
    pub(crate) shared: Arc<HostState>,
    pub(crate) control: Arc<Control>,
}

/// State that is dropped with the last clone of a host.
pub(crate) struct Control {
    pub(crate) signal: Signal,
    pub(crate) runtimes: Runtimes,
    pub(crate) collectors: Collectors,
    /// Fails once the reconciler has ended.
    pub(crate) ended: std::sync::Mutex<Option<oneshot::Receiver<()>>>,
    pub(crate) _tokio: Background,
}

impl Control {
    /// Ends the reconciler and all preparations. Returns whether this is the first call.
    fn stop(&self) -> bool {
        let first = self.signal.stop();
        self.runtimes.iter().for_each(CatchPanic::stop);
        first
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        self.stop();
        // The registry may be the application's.
        drop(self.collectors.unregister(HostCollector::NAME));
        #[cfg(feature = "state")]
        drop(self.collectors.unregister(StateCollector::NAME));
    }
}

/// The host's own async runtime. Dropping it does not wait for its tasks: blocking would panic
/// inside another async runtime.
pub(crate) struct Background(Option<tokio::runtime::Runtime>);

impl Background {
    pub(crate) fn new(tokio: tokio::runtime::Runtime) -> (Self, tokio::runtime::Handle) {
        let handle = tokio.handle().clone();
        (Self(Some(tokio)), handle)
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        if let Some(tokio) = self.0.take() {
            tokio.shutdown_background();
        }
    }
}

impl Host {
    /// A handle to the codec `name`.
    ///
    /// # Errors
    ///
    /// If no plugin offers it; the error lists the codecs there are, and the nearest name.
    pub fn codec(&self, name: &str) -> Result<CodecHandle, NotFound> {
        self.get::<Codec>(name).map(CodecHandle)
    }

    /// A handle to the handler `name`.
    ///
    /// # Errors
    ///
    /// As [`Host::codec`].
    pub fn handler(&self, name: &str) -> Result<HandlerHandle, NotFound> {
        self.get::<Handler>(name).map(HandlerHandle)
    }

    /// A handle to the capability `name` of any kind.
    ///
    /// # Errors
    ///
    /// As [`Host::codec`].
    pub fn get<K: Kind>(&self, name: &str) -> Result<Handle<K>, NotFound> {
        Handle::new(Arc::clone(&self.shared.cell), name)
    }

    /// The names of a kind's capabilities, sorted: a copy that the caller owns.
    ///
    /// A kind without capabilities has no names, and neither has a kind that does not exist, such as a
    /// typing error. [`Host::names_of`] takes a type instead, and [`Host::kinds`] lists the kinds.
    ///
    /// ```
    /// # use plugbay::{Config, Host};
    /// # let mut config = Config::default();
    /// # config.host.linked = false;
    /// # config.host.cache = Default::default();
    /// # let echo = plugbay_fixtures::Guest::codec("echo").build();
    /// # let builder = Host::builder().config(config).watch(false).artifact("echo", echo);
    /// # let host = builder.build_blocking()?;
    /// assert_eq!(host.names("codec"), ["echo"]);
    /// assert_eq!(host.names_of::<plugbay::Codec>(), ["echo"]);
    /// assert!(host.names("codecs").is_empty(), "a typing error");
    /// assert_eq!(host.kinds(), ["codec"]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn names(&self, kind: &str) -> Vec<String> {
        self.shared.cell.peek(|published| published.generation.names(kind))
    }

    /// The names of the capabilities of the kind `K`, sorted.
    #[must_use]
    pub fn names_of<K: Kind>(&self) -> Vec<String> {
        self.names(K::NAME)
    }

    /// The kinds that the running generation holds capabilities of, sorted.
    #[must_use]
    pub fn kinds(&self) -> Vec<String> {
        let kinds: BTreeSet<String> = self.shared.cell.peek(|published| {
            let capabilities = published.generation.capabilities.iter();
            capabilities.map(|(_, capability)| capability.key.kind.clone()).collect()
        });
        kinds.into_iter().collect()
    }

    /// A view of the generation that serves now.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        Snapshot { cell: Arc::clone(&self.shared.cell), published: self.shared.cell.load() }
    }

    /// The full status: what runs, what was refused and why.
    #[must_use]
    pub fn status(&self) -> Status {
        Status::of(&self.shared.cell.load(), &self.shared)
    }

    /// The sources of the artifacts that are new and still being prepared, such as compiled, as of the
    /// latest reconciliation. What runs stays until they are.
    #[must_use]
    pub fn preparing(&self) -> Vec<String> {
        self.shared.preparing()
    }

    /// The configuration in force.
    #[must_use]
    pub fn config(&self) -> Arc<Config> {
        self.shared.cell.peek(|published| Arc::clone(&published.generation.config))
    }

    /// The metrics of this host, and of the application if it registers collectors of its own.
    #[must_use]
    pub fn collectors(&self) -> &Collectors {
        &self.control.collectors
    }

    /// The compiled code of the plugins that are started, whether they serve already or still: for profilers, which
    /// find no names for it elsewhere.
    #[must_use]
    pub fn machine_code(&self) -> Vec<Arc<dyn MachineCode>> {
        self.control.runtimes.iter().flat_map(CatchPanic::machine_code).collect()
    }

    /// Begins the first span of a request, if the host [records spans](crate::Builder::spans) and the request
    /// is recorded: because its client records the trace, or because the request has no trace and is one of the
    /// share `telemetry.sampling`. Calls that are made with the span's
    /// [correlation](ActiveSpan::correlation) are parts of it. See [`trace`](crate::trace) for an example.
    #[must_use = "a span that is dropped is recorded as cancelled"]
    #[inline]
    pub fn begin_span(
        &self,
        request: &Correlation,
        kind: SpanKind,
        name: impl FnOnce() -> Cow<'static, str>,
    ) -> Option<ActiveSpan> {
        let sink = self.shared.spans.as_ref()?;
        let share = self.shared.cell.peek(|set| set.generation.config.telemetry.sampling);
        Sampling::share(share).begin(request, sink, kind, name)
    }

    /// Events from now on.
    #[must_use]
    pub fn subscribe(&self) -> Events {
        self.shared.journal.subscribe()
    }

    /// What reports events of the program around the host, beside those of the host.
    #[must_use]
    pub fn event_sink(&self) -> EventSink {
        EventSink::of(&self.shared.journal)
    }

    /// The events that needed attention while the host was built, when there was no subscriber yet:
    /// at most 256.
    #[must_use]
    pub fn start_alarms(&self) -> Vec<Event> {
        self.shared.journal.start_alarms()
    }

    /// Reads the folder and the configuration now, applies the changes, and returns a report.
    /// Plugins that failed to start before are tried again. Waits until the artifacts that it found
    /// are prepared, such as compiled; [`Host::preparing`] lists those that are not.
    ///
    /// # Cancel safety
    /// The reload goes on if the future is dropped.
    pub async fn reload(&self) -> Report {
        let report = self.control.signal.request_reconcile();
        report.await.unwrap_or_else(|_stopped| self.unchanged())
    }

    /// As [`Host::reload`], blocking the thread.
    ///
    /// # Panics
    ///
    /// Inside an async runtime: use [`Host::reload`] there.
    #[must_use = "the report says what was refused"]
    pub fn reload_blocking(&self) -> Report {
        let report = self.control.signal.request_reconcile();
        report.blocking_recv().unwrap_or_else(|_stopped| self.unchanged())
    }

    fn unchanged(&self) -> Report {
        self.shared.cell.load().unchanged()
    }

    /// Rolls back to an earlier generation: publishes its plugins and configuration as a new
    /// generation. Changes of files and configuration are held back until [`Host::resume`] or the
    /// end of the process. No version is put on trial. `generation` is one of [`Status::history`],
    /// or one before it that served the same; [`Status::previous`] is the default of the command
    /// line.
    ///
    /// # Errors
    /// If the generation is not remembered, or one of its plugins no longer starts; then the
    /// current generation stays.
    ///
    /// # Cancel safety
    /// The operation goes on if the future is dropped.
    pub async fn roll_back(&self, generation: u64) -> Result<Report, RollbackError> {
        let done = self.control.signal.command(OperatorCommand::RollBack(generation));
        done.await.unwrap_or(Err(RollbackError::Stopped))
    }

    /// As [`Host::roll_back`], blocking the thread.
    ///
    /// # Errors
    /// As [`Host::roll_back`].
    ///
    /// # Panics
    ///
    /// Inside an async runtime: use [`Host::roll_back`] there.
    pub fn roll_back_blocking(&self, generation: u64) -> Result<Report, RollbackError> {
        let done = self.control.signal.command(OperatorCommand::RollBack(generation));
        done.blocking_recv().unwrap_or(Err(RollbackError::Stopped))
    }

    /// Applies changes of files and configuration again, after [`Host::roll_back`].
    ///
    /// # Errors
    ///
    /// If the host is shut down.
    ///
    /// # Cancel safety
    /// The operation goes on if the future is dropped.
    pub async fn resume(&self) -> Result<Report, RollbackError> {
        let done = self.control.signal.command(OperatorCommand::Resume);
        done.await.unwrap_or(Err(RollbackError::Stopped))
    }

    /// As [`Host::resume`], blocking the thread.
    ///
    /// # Errors
    /// As [`Host::resume`].
    ///
    /// # Panics
    ///
    /// Inside an async runtime: use [`Host::resume`] there.
    pub fn resume_blocking(&self) -> Result<Report, RollbackError> {
        let done = self.control.signal.command(OperatorCommand::Resume);
        done.blocking_recv().unwrap_or(Err(RollbackError::Stopped))
    }

    /// Whether a generation serves: true from [`build`](crate::Builder::build) to
    /// [`shutdown`](Host::shutdown).
    #[must_use]
    pub fn is_ready(&self) -> bool {
        !self.shared.is_stopped()
            && self.shared.cell.peek(|published| published.generation.number > 0)
    }

    /// [`Liveness::is_alive`].
    #[must_use]
    pub fn is_alive(&self) -> bool {
        self.shared.liveness.is_alive()
    }

    /// Whether the reconciler makes progress. [`Builder::liveness`](crate::Builder::liveness) returns it
    /// before the host is built.
    #[must_use]
    pub fn liveness(&self) -> Liveness {
        self.shared.liveness.clone()
    }

    /// Checks files as if they were in the plugin folder: compiles and describes them, finds
    /// clashes among them and with running plugins, starts them with the configuration in force,
    /// and shuts them down again. Publishes nothing. Blocks.
    ///
    /// Returns for each file, in order, what it holds, or why it would be refused.
    pub fn check_files(&self, files: &[impl AsRef<Path>]) -> Vec<Result<Inspection, Refusal>> {
        let artifacts = files.iter().map(|file| read(file.as_ref())).collect();
        let published = self.shared.cell.load();
        check(&self.control.runtimes, artifacts, &published.generation)
    }

    /// Returns what a file holds, without starting it. Blocks.
    ///
    /// # Errors
    /// If the file holds no plugin that this host can serve.
    pub fn inspect_file(&self, path: &Path) -> Result<Inspection, Refusal> {
        inspect(&self.control.runtimes, &read(path)?, &self.config())
    }

    /// Shuts the host down: no new call gets a lease, calls in flight finish within `deadline`,
    /// then every plugin is shut down: those that name others in `after` before them, all others at
    /// the same time. Returns the `name@version` of plugins whose calls did not end, including
    /// versions that were retired before. A running reconciliation is given up. All of this takes
    /// `deadline` at most; if calls use that up, the plugins' `shutdown` gets one second more.
    ///
    /// # Errors
    ///
    /// This cannot fail; calls that come later are refused as retired.
    pub async fn shutdown(&self, deadline: Duration) -> Vec<String> {
        let Some(work) = self.stopping(deadline) else { return Vec::new() };
        // On the host's own runtime: the caller's may not be tokio.
        self.shared.tokio.spawn(work).await.unwrap_or_default()
    }

    /// As [`Host::shutdown`], blocking the thread.
    ///
    /// # Panics
    ///
    /// Inside an async runtime: use [`Host::shutdown`] there.
    #[expect(clippy::must_use_candidate, reason = "most callers only want the host to end")]
    pub fn shutdown_blocking(&self, deadline: Duration) -> Vec<String> {
        let Some(work) = self.stopping(deadline) else { return Vec::new() };
        let (done, stopped) = oneshot::channel();
        self.shared.tokio.spawn(async move {
            // The receiver waits for this.
            let _ = done.send(work.await);
        });
        stopped.blocking_recv().unwrap_or_default()
    }

    /// The work of a shutdown; `None` if the host is shut down already.
    fn stopping(&self, deadline: Duration) -> Option<impl Future<Output = Vec<String>> + use<>> {
        if !self.control.stop() {
            return None;
        }
        let end = stop::after(deadline);
        let ended = self.control.ended.lock().ok().and_then(|mut ended| ended.take());
        let shared = Arc::clone(&self.shared);
        Some(async move {
            let reconciled = async {
                if let Some(ended) = ended {
                    // A running reconciliation shuts down what it had started.
                    let _ = tokio::time::timeout_at(end, ended).await;
                }
            };
            let hung = tokio::join!(stop::stop_all(&shared, end), reconciled).0;
            shared.liveness.end();
            hung
        })
    }
}

fn read(path: &Path) -> Result<Artifact, Refusal> {
    folder::read(path).map_err(|refusal| {
        // The file is given by name, and is not read again: the hint of the folder does not apply.
        Refusal::new(refusal.reason, format!("{}: {}", path.display(), refusal.message))
    })
}

impl fmt::Debug for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Host").field("snapshot", &self.snapshot()).finish_non_exhaustive()
    }
}
