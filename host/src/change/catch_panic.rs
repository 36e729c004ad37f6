//! Catches the panics of runtimes.
//!
//! An application may bring a runtime of its own, and kinds whose code runs in the built-in ones. The host
//! calls them on its own threads: the reconciler's, that of a preparation, of a health check, of a drain. A
//! panic there would end the thread, and with it every later change. So the host calls each runtime, and
//! what it prepares and starts, only through [`CatchPanic`], which turns a panic into a refusal, a failed
//! call, or the answer that is harmless.
//!
//! The calls of capabilities are not caught here. They run on the threads of their callers, to whom a
//! panic of their own code belongs. Neither are destructors.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use plugbay_core::{
    Artifact, CallError, CallErrorKind, Description, Isolation, MachineCode, Plugin, PluginStats,
    Prepared, Provider, Reason, Refusal, Runtime, StartPlugin,
};

/// A runtime, or what it prepared or started, whose panics are caught.
pub(crate) struct CatchPanic<T: ?Sized> {
    inner: Arc<T>,
    /// What panics, for people: `the runtime wasm`, `the plugin json@1.0.0`.
    who: Arc<str>,
}

impl<T: ?Sized> CatchPanic<T> {
    fn new(inner: Arc<T>, who: impl Into<Arc<str>>) -> Self {
        Self { inner, who: who.into() }
    }

    /// Calls it. The error says what panicked, where, and with which message.
    fn call<'a, R>(&'a self, function: &str, call: impl FnOnce(&'a T) -> R) -> Result<R, String> {
        // A panic may leave half changed only what belongs to the runtime.
        catch_unwind(AssertUnwindSafe(|| call(&self.inner))).map_err(|payload| {
            let text = payload.downcast_ref::<&str>().copied();
            let text = text.or_else(|| payload.downcast_ref::<String>().map(String::as_str));
            let text = text.unwrap_or("without a message");
            format!("{} panicked in `{function}`: {text}", self.who)
        })
    }

    /// Calls it. A panic is logged, and answered by `otherwise`.
    fn call_or<'a, R>(&'a self, function: &str, otherwise: R, call: impl FnOnce(&'a T) -> R) -> R {
        self.call(function, call).unwrap_or_else(|message| {
            tracing::error!(reason = Reason::Internal.as_str(), "{message}");
            otherwise
        })
    }
}

/// The runtimes of a host, in the order in which they are asked.
pub(crate) type Runtimes = Arc<[CatchPanic<dyn Runtime>]>;

/// The refusal of an artifact whose runtime panicked.
fn refusal(message: String) -> Refusal {
    let hint = "report this as a bug of the runtime; the host tries the artifact again later";
    Refusal::new(Reason::Internal, message).hint(hint)
}

impl CatchPanic<dyn Runtime> {
    /// Catches the panics of a runtime.
    pub(crate) fn of(runtime: Arc<dyn Runtime>) -> Self {
        let unnamed = Self::new(runtime, "a runtime");
        let name = unnamed.name();
        Self { who: format!("the runtime {name}").into(), ..unnamed }
    }

    /// As [`Runtime::name`].
    pub(crate) fn name(&self) -> &'static str {
        self.call_or("name", "unnamed", Runtime::name)
    }

    /// As [`Runtime::recognises`].
    ///
    /// # Errors
    ///
    /// If the runtime panics. Another runtime may recognise the artifact.
    pub(crate) fn recognises(&self, artifact: &Artifact) -> Result<bool, Refusal> {
        self.call("recognises", |it| it.recognises(artifact)).map_err(refusal)
    }

    /// As [`Runtime::is_whole`]. If the runtime panics, the artifact counts as whole: it is prepared
    /// then, and refused if it cannot be.
    pub(crate) fn is_whole(&self, artifact: &Artifact) -> bool {
        self.call_or("is_whole", true, |it| it.is_whole(artifact))
    }

    /// As [`Runtime::prepare`].
    pub(crate) fn prepare(&self, artifact: &Artifact) -> Result<Arc<dyn Prepared>, Refusal> {
        let prepared = self.call("prepare", |it| it.prepare(artifact)).map_err(refusal)??;
        Ok(Arc::new(CatchPanic::new(prepared, Arc::clone(&self.who))))
    }

    /// As [`Runtime::machine_code`].
    pub(crate) fn machine_code(&self) -> Vec<Arc<dyn MachineCode>> {
        self.call_or("machine_code", Vec::new(), Runtime::machine_code)
    }

    /// As [`Runtime::stop`].
    pub(crate) fn stop(&self) {
        self.call_or("stop", (), Runtime::stop);
    }
}

impl Prepared for CatchPanic<dyn Prepared> {
    fn describe(&self, isolation: Isolation) -> Result<Description, Refusal> {
        self.call("describe", |it| it.describe(isolation)).map_err(refusal)?
    }

    /// If this panics, the configuration must allow native code for it.
    fn is_native(&self) -> bool {
        self.call_or("is_native", true, Prepared::is_native)
    }

    fn imports(&self) -> &[String] {
        self.call_or::<&[String]>("imports", &[], |it| it.imports())
    }

    fn exports(&self) -> &[String] {
        self.call_or::<&[String]>("exports", &[], |it| it.exports())
    }

    fn code_size(&self) -> u64 {
        self.call_or("code_size", 0, Prepared::code_size)
    }

    fn start(&self, start: StartPlugin) -> Result<Arc<dyn Plugin>, Refusal> {
        let who = format!("the plugin {}", start.identity.label());
        let plugin = self.call("start", |it| it.start(start)).map_err(refusal)??;
        Ok(Arc::new(CatchPanic::new(plugin, who)))
    }
}

impl Plugin for CatchPanic<dyn Plugin> {
    fn provide(&self, capability: u32) -> Option<Provider> {
        self.call_or("provide", None, |it| it.provide(capability))
    }

    /// If this panics, a call keeps the whole generation from being shut down.
    fn calls_others(&self) -> bool {
        self.call_or("calls_others", true, Plugin::calls_others)
    }

    fn health(&self, within: Duration) -> Result<(), CallError> {
        let checked = self.call("health", |it| it.health(within));
        checked.map_err(|message| CallError::new(CallErrorKind::Panic, message))?
    }

    fn retry(&self) {
        self.call_or("retry", (), Plugin::retry);
    }

    fn shutdown(&self) {
        self.call_or("shutdown", (), Plugin::shutdown);
    }

    fn stats(&self) -> PluginStats {
        self.call_or("stats", PluginStats::default(), Plugin::stats)
    }
}
