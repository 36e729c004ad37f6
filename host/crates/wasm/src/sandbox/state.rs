//! The data of a store.

use std::sync::Arc;

use plugbay_core::{
    Context, Correlation, GuestMetrics, Identity, LineOrigin, LogLevel, OwnedContext, Policy,
    UpstreamRejection, write_log,
};
use wasmtime::UpdateDeadline;

use super::clock::{Allowance, Clock, Tick};
use super::grants::{Sandbox, TooManyHostCalls};
use super::limits::{Budget, Limits};
use crate::wasi::Wasi;

/// The data of every store: the plugin's sandbox, the instance's limits, and the host's
/// services for the length of a call. Functions that an application lets plugins import
/// ([`Builder::import`](crate::Builder::import)) get it, and see [which plugin](State::plugin) calls.
pub struct State {
    pub(crate) sandbox: Arc<Sandbox>,
    pub(crate) limits: Limits,
    pub(crate) metrics: Arc<GuestMetrics>,
    /// Present during a call, if the plugin imports `codecs`.
    pub(crate) context: Option<OwnedContext>,
    /// Present during a call, if the plugin imports `call`, `log`, `wasi:otel` or an interface of the application.
    pub(crate) call: Option<CurrentCall>,
    /// Whether a plugin that this one called in this call was overloaded.
    pub(crate) upstream: UpstreamRejection,
    /// The time limits of the call, and the time that it has used.
    pub(crate) clock: Clock,
    /// The message of the guest's panic hook.
    panic: Option<Panic>,
    /// Set once the guest has exceeded its limit of calls of the host.
    pub(crate) excess: Option<TooManyHostCalls>,
    /// Present if the plugin imports WASI.
    pub(crate) wasi: Option<Box<Wasi>>,
}

/// What a guest can ask about its call, and what its lines of the log say about it.
pub(crate) struct CurrentCall {
    pub(crate) generation: Option<u64>,
    pub(crate) correlation: Option<Arc<Correlation>>,
    /// How many spans of its own the plugin has ended.
    #[cfg_attr(not(feature = "wasi"), expect(dead_code, reason = "no plugin has spans then"))]
    pub(crate) spans: u32,
}

/// What the guest's panic hook wrote.
struct Panic {
    message: String,
    /// Whether no line of the log has the message yet.
    unlogged: bool,
}

impl State {
    pub(crate) fn new(
        sandbox: Arc<Sandbox>,
        budget: Arc<Budget>,
        policy: &Policy,
        metrics: Arc<GuestMetrics>,
        wasi: Option<Box<Wasi>>,
    ) -> Self {
        Self {
            sandbox,
            limits: Limits::new(budget, policy.memory, policy.tables),
            metrics,
            context: None,
            call: None,
            upstream: UpstreamRejection::default(),
            clock: Clock::default(),
            panic: None,
            excess: None,
            wasi,
        }
    }

    /// The plugin of the instance, for functions of the host that an application adds: who calls. During
    /// `describe`, the name of its file.
    #[must_use]
    pub fn plugin(&self) -> &Identity {
        self.sandbox.identity()
    }

    /// The request that the instance's current call belongs to, for functions of the host that an application
    /// adds. There is none between calls, and none for a call of no request.
    #[must_use]
    pub fn correlation(&self) -> Option<&Arc<Correlation>> {
        self.call.as_ref()?.correlation.as_ref()
    }

    /// The number of the generation with which the instance's current call began; none between calls.
    #[must_use]
    pub fn generation(&self) -> Option<u64> {
        self.call.as_ref()?.generation
    }

    /// The instance's linear memory, in bytes.
    pub(crate) fn memory(&self) -> u64 {
        self.limits.held()
    }

    /// Begins a call: sets its time limits, and clears the notes of earlier calls for
    /// [`fault`](crate::sandbox::fault::fault). A refused growth that the guest survived, or a log
    /// line that looked like a panic's, does not explain a trap of a later call.
    #[inline]
    pub(crate) fn begin(&mut self, allowed: Allowance, on_fiber: bool) {
        self.clock.begin(allowed, on_fiber);
        self.limits.begin();
        if self.panic.is_some() || self.limits.was_refused() {
            self.forget_panic();
            self.limits.take_refused();
        }
    }

    /// Notes what the guest's panic hook wrote. `unlogged`: no line of the log has it yet.
    pub(crate) fn note_panic(&mut self, message: String, unlogged: bool) {
        self.forget_panic();
        self.panic = Some(Panic { message, unlogged });
    }

    /// The message of the guest's panic hook, for the error of its call.
    pub(crate) fn take_panic(&mut self) -> Option<String> {
        self.panic.take().map(|panic| panic.message)
    }

    /// Logs a message of the panic hook that became no error, because the guest went on.
    fn forget_panic(&mut self) {
        if let Some(Panic { message, unlogged: true }) = self.panic.take() {
            self.write_log(LogLevel::Error, &message, &[("panic", "true")]);
        }
    }

    /// Writes a line of the plugin to the log, unless its limit of lines is exceeded.
    pub(crate) fn write_log<N: AsRef<str>, V: AsRef<str>>(
        &self,
        level: LogLevel,
        message: &str,
        fields: &[(N, V)],
    ) {
        if self.sandbox.may_log() {
            let correlation = self.correlation().map(|it| &**it);
            let origin = LineOrigin::during(self.plugin(), self.generation(), correlation);
            write_log(origin, level, message, fields);
        }
    }

    /// Ends a call on a fiber: logs the last line that the plugin printed, if it has no line end.
    ///
    /// # Errors
    ///
    /// If the guest exceeded its limit of calls of the host, and returned before it was stopped.
    pub(crate) fn end(&mut self) -> wasmtime::Result<()> {
        if let Some(wasi) = &self.wasi {
            wasi.flush();
        }
        self.excess.map_or(Ok(()), |excess| Err(excess.into()))
    }

    /// Counts a call of the host.
    ///
    /// # Errors
    ///
    /// If the limit is exceeded. Returned to the guest as a trap, the error ends the guest's call.
    #[inline]
    pub(crate) fn host_call(&mut self) -> wasmtime::Result<()> {
        self.sandbox.host_call().map_err(|excess| {
            self.excess = Some(excess);
            excess.into()
        })
    }

    /// Sets the caller's services for a call. Nested calls share the deadline of this one.
    pub(crate) fn set_context(&mut self, context: Context<'_>) {
        let context = self.clock.ends().map_or(context, |ends| context.until(ends));
        self.context = Some(context.to_owned());
        self.upstream = UpstreamRejection::default();
    }

    /// Sets what the guest can ask about its call. Unlike the services, it is not shared with other calls of
    /// the generation, so that setting it does not slow them down.
    pub(crate) fn set_call(&mut self, context: &Context<'_>) {
        let (generation, correlation) = (context.generation(), context.correlation().cloned());
        self.call = Some(CurrentCall { generation, correlation, spans: 0 });
    }

    /// Forgets the call, which has ended. What its panic hook wrote is logged as a line of this call.
    #[inline]
    pub(crate) fn clear_call(&mut self) {
        if self.panic.is_some() {
            self.forget_panic();
        }
        self.call = None;
    }

    /// Runs at each epoch deadline: stops the guest if its time is over, else lets a guest on a fiber
    /// yield to other tasks. The next deadline is at most a tick away. The first one of a call may have
    /// passed already while the instance was idle. Several ticks while the guest waits for the host are one deadline.
    ///
    /// # Errors
    ///
    /// If the guest exceeded its limit of calls of the host, and that did not end its call.
    pub(crate) fn tick(&mut self) -> wasmtime::Result<UpdateDeadline> {
        if let Some(excess) = self.excess {
            return Err(excess.into());
        }
        Ok(match self.clock.tick() {
            Tick::Stop => UpdateDeadline::Interrupt,
            Tick::Continue => UpdateDeadline::Continue(1),
            Tick::Yield => UpdateDeadline::Yield(1),
        })
    }
}

impl Drop for State {
    fn drop(&mut self) {
        self.forget_panic();
    }
}
