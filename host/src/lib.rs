//! Plugbay, an embeddable plugin runtime. A [`Host`] keeps a set of plugins: WASM components found
//! in a folder, crates linked into the program, bytes that the application passes in. Callers ask
//! for capabilities by kind and name, and never for plugins:
//!
//! ```
//! use plugbay::Host;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let folder = tempfile::tempdir()?;
//! # let folder = folder.path();
//! let host = Host::builder().plugins(folder).watch(false).build_blocking()?;
//! assert!(host.names("codec").is_empty());
//! let missed = host.codec("jsn").unwrap_err();
//! assert_eq!(missed.to_string(), r#"no codec "jsn"; known: none"#);
//! # Ok(())
//! # }
//! ```
//! When a file or the configuration changes, one thread, the *reconciler*, lists the folder, reads
//! and digests the files, and compares them with the running plugins. New versions are checked,
//! compiled, described and initialized off the request path; then the whole new set, a
//! [generation](Snapshot), is published by one atomic store. Retired versions are drained: no new
//! call gets a lease, calls in flight finish, then `shutdown` is called. When a version is refused,
//! the last good one stays, and [`Status`] lists the refusal with its reason. The code is in
//! modules, each of which imports only those to its left: `config`, `report` ← `set` ← `change`,
//! `call` ← `control` ← `host`, `builder`, `status`. `change` computes the next generation from the
//! folder and the configuration, `set` holds what is published, `call` calls capabilities in it,
//! `control` decides when to reconcile, and `report` defines the outcomes. See the documentation of
//! each module.
//!
//! | module | idea |
//! |---|---|
//! | [`config`] | `config.toml`, the environment and flags become one checked [`Config`] |
//! | [`worker`] | runs this program as a worker or compiler process |
//! | [`trace`] | spans of requests and reconciliations, for distributed traces |
//! | [`runtime`] | the interface for an application's own runtime |
//! | [`wasm`] | the interface for an application's own kinds of plugin |
//!
//! # Features
//! All but `openapi` and `state` are on unless `default-features = false` is set, and all are additive. If a build lacks a
//! feature that is needed, the error names it.
//!
//! | feature | what it adds | without it |
//! |---|---|---|
//! | `compile` | components are compiled (Cranelift) | only code that a build with it left in the cache runs |
//! | `native` | native libraries, worker processes, plugins linked into the application | a library is rejected |
//! | `schema` | plugins' configuration is checked against the schemas that they declare | a plugin that declares one runs only without configuration |
//! | `state` | components may import `wasi:keyvalue`; their state is kept in a file of SQLite | such a component is rejected |
//! | `wasi` | components may import WASI 0.2 and `wasi:otel@0.2.0-rc.2` | such a component is rejected |
//! | `watch` | changes of files are noticed at once | the folder is polled every `host.rescan` |
//!
//! # What is deliberately absent
//!
//! This library opens no socket, never reads the environment, never installs a global
//! subscriber or panic hook, and has no global state: two hosts in one process are two.

#![forbid(unsafe_code)]

mod builder;
mod call;
mod change;
pub mod config;
pub mod conformance;
mod control;
mod host;
pub mod metrics;
mod report;
mod set;
mod status;

pub use builder::{BuildError, Builder};
pub use call::{
    CallFuture, CallOptions, CapabilityLease, CodecHandle, Error, Handle, HandlerHandle,
    RouteMatch, Routed, Snapshot,
};
pub use change::{Inspection, PlannedPlugin, is_artifact_name};
pub use config::Config;
pub use control::{ActionError, ActionOptions, GenerationNumbers, Liveness, RollbackError};
pub use host::Host;
pub use host::{ConfigValue, RunningConfig};
pub use plugbay_core::codec::Codec;
pub use plugbay_core::handler::{Handler, Request, Response};
pub use plugbay_core::kind;
pub use plugbay_core::{
    Blame, CallError, CallErrorKind, Cancel, CapabilityKey, Context, Correlation, Description,
    Digest, Environment, FolderGrant, Grant, Grants, HostPattern, Isolation, Kind, NetworkGrant,
    Notice, Plugin, Policy, Prepared, Protection, Provider, Reason, Refusal, RequestId,
    RequestIdError, Runtime, Source, StateGrant, TraceParent, TraceParentError, escaped, key_part,
    push_json_string, split_label,
};
pub use plugbay_document::Document;
pub use plugbay_kind_macro::kind;
pub use plugbay_registry::NotFound;
pub use report::{Action, ActionReport, CallsLeft, Change, KeyChange, PluginChange, PluginVersion};
pub use report::{
    ConfigWarning, Event, EventSink, Events, Missed, Outcome, Rejected, Report, timestamp,
};
pub use set::{Absence, NotServing};
pub use set::{CallStatus, HealthStatus, Override, RetryStatus, Switch, TrialStatus};
pub use status::live::{LiveFigures, PluginFigures};
pub use status::{
    CapabilityStatus, DrainingStatus, GenerationStatus, LibraryStatus, PluginState, PluginStatus,
    RouteStatus, Status,
};

/// Where the state of plugins is kept, for an application with a store of its own: `Builder::wasm` and
/// `wasm::Builder::states`.
#[cfg(feature = "state")]
pub use plugbay_state as state;

/// The versions of the C ABI that this host serves.
#[cfg(feature = "native")]
pub use plugbay_native::ABI_VERSIONS as NATIVE_ABI_VERSIONS;

/// Child processes of this program: native plugins run in them (`Builder::worker`), and components
/// are compiled in them (`Builder::compiler`).
pub mod worker {
    use std::process::ExitCode;

    #[cfg(feature = "native")]
    pub use plugbay_native::worker::{ARGUMENT, WorkerCommand, serve};
    #[cfg(feature = "compile")]
    pub use plugbay_wasm::compile::{ARGUMENT as COMPILER_ARGUMENT, Bounds, CompilerCommand};

    /// Runs the worker or the compiler if this process was started as one, by
    /// `WorkerCommand::this_program` or `CompilerCommand::this_program`, and returns its exit code.
    /// Otherwise returns `None` at once.
    #[must_use = "the program must exit with this code if there is one"]
    pub fn serve_if_child() -> Option<ExitCode> {
        #[cfg(feature = "native")]
        if let Some(ended) = plugbay_native::worker::serve_if_child() {
            return Some(ended);
        }
        #[cfg(feature = "compile")]
        if let Some(ended) = plugbay_wasm::compile::serve_if_child() {
            return Some(ended);
        }
        None
    }
}

/// Distributed traces: which requests are recorded, and their spans.
///
/// A host records spans if it has a [`SpanSink`](trace::SpanSink), which an application connects with its own
/// tracing. `telemetry.sampling` in the configuration is the share of requests without a trace that is recorded.
///
/// ```
/// use std::sync::{Arc, Mutex};
///
/// use plugbay::trace::{Span, SpanKind, SpanSink};
/// use plugbay::{CallOptions, Codec, Correlation, Host};
/// # use plugbay::Config;
///
/// #[derive(Default)]
/// struct Kept(Mutex<Vec<Span>>);
///
/// impl SpanSink for Kept {
///     fn record(&self, span: Span) {
///         self.0.lock().unwrap().push(span);
///     }
/// }
///
/// # let mut config = Config::default();
/// # config.host.linked = false;
/// # config.host.cache = Default::default();
/// # let echo = plugbay_fixtures::Guest::codec("echo").build();
/// # let builder = Host::builder().config(config).watch(false).artifact("echo", echo);
/// let kept = Arc::new(Kept::default());
/// let host = builder.spans(kept.clone()).build_blocking()?;
/// let echo = host.get::<Codec>("echo")?;
///
/// let request = Correlation::default().request_id("order-7".parse()?);
/// let span = host.begin_span(&request, SpanKind::Internal, || "order".into()).expect("sampled");
/// let options = CallOptions::default().correlated(span.correlation());
/// echo.call(options, |codec, context| codec.encode(context, &[0xf6]))?;
/// span.end();
///
/// let spans = kept.0.lock().unwrap();
/// let [.., call, order] = &spans[..] else { panic!("{spans:?}") };
/// assert_eq!((&*order.name, &*call.name), ("order", "codec:echo"));
/// assert_eq!(call.parent, Some(order.place.span()));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub mod trace {
    pub use plugbay_core::trace::{
        ActiveSpan, Attribute, AttributeValue, Dropped, Sampling, Span, SpanEvent, SpanFailure,
        SpanId, SpanKind, SpanLink, SpanSink, TraceId, TraceParent, TraceParentError, TraceState,
        TraceStateError, attributes,
    };
}

/// The interface for an application's own runtime: see [`Builder::runtime`].
pub mod runtime {
    pub use plugbay_core::codec::{CodecCall, CodecFuture, Direction};
    pub use plugbay_core::handler::{HandlerCall, HandlerFuture};
    pub use plugbay_core::{
        Artifact, Bucket, Bulkhead, CapabilityDescription, CodecInfo, GuestMetric, Identity,
        MachineCode, MachineFunction, MetricValue, Observer, OwnedContext, Place, PluginStats,
        RouteDescription, Services, StartPlugin, WorkerStatus,
    };
}

/// The interface for an application's own kinds of plugin: see [`Builder::kind`].
pub mod wasm {
    #[cfg(feature = "wasi")]
    pub use plugbay_wasm::Resolve;
    pub use plugbay_wasm::{
        API_VERSIONS, AotCache, Builder, Calls, Engine, Exports, State, WasmKind, WasmRuntime,
        call_import, codecs, log, metrics_import, scan, types, wasmtime,
    };
}

#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
mod readme {}
